"""Ranges of keys: all that begin with some bytes stand in a row where keys are sorted."""

from __future__ import annotations


def end_of_prefix(prefix: bytes) -> bytes | None:
    """Return the least bytes greater than all that begin with `prefix`; None if there are none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None
