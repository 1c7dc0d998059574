"""How paths appear in messages: relative where that is possible."""

from __future__ import annotations

from pathlib import Path


def shown_path(path: Path) -> str:
    """Write a path relative to the current directory if it is inside it, else in full."""
    here = Path.cwd()
    full = here / path
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else full.as_posix()
