"""A hash of 64 bits per key, the same in every process and on every machine, so that workers can say what they saw.

Shape: ``h = mixed(length + SEED); h = mixed(h ^ word)`` for each eight bytes, the last ones filled up with zeros.
The rule: `mixed` loses nothing, so keys of one length that differ in a single word never share a hash; others do by a
chance of 2**-64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from featurestore.online.pieces import slices_of, windows

if TYPE_CHECKING:
    import pyarrow as pa

    from featurestore.online.pieces import Bytes, Numbers

    Words = npt.NDArray[np.uint64]

SEED = 0x9E3779B97F4A7C15
_WORD = 8
_BLOCK_KEYS = 4096
"""So many at a time need little memory, at hand again for the next ones; fresh pages would cost more than the work."""
_FIRST_BYTES: Words = np.array([2 ** (8 * size) - 1 for size in range(_WORD + 1)], np.uint64)


def key_hashes(keys: pa.Array) -> Numbers:
    """Hash keys.

    Args:
        keys: bytes or texts of any length, without nulls.

    Returns:
        One number per key, in order.
    """
    found = slices_of(keys)
    hashes = np.empty(len(keys), np.int64)
    for first in range(0, len(keys), _BLOCK_KEYS):
        block = slice(first, first + _BLOCK_KEYS)
        hashes[block] = _hashed(found.data, found.starts[block], found.widths[block])
    return hashes


def as_bytes(hashes: Numbers) -> bytes:
    """Write hashes for another machine: eight bytes each, the lowest one first."""
    return hashes.astype("<i8", copy=False).tobytes()


def from_bytes(written: bytes | pa.Buffer) -> Numbers:
    """Read what `as_bytes` wrote."""
    return np.frombuffer(written, "<i8").astype(np.int64, copy=False)


def _hashed(data: Bytes, starts: Numbers, widths: Numbers) -> Numbers:
    """Hash the slices of a buffer, word after word; those that end drop out."""
    begin, end = int(starts[0]), int(starts[-1] + widths[-1])
    text = np.zeros(end - begin + _WORD, np.uint8)  # the last word may reach beyond the last key
    text[: end - begin] = data[begin:end]
    words, at, left = windows(text, _WORD), starts - begin, widths
    rows, hashes = np.arange(len(starts)), widths.astype(np.uint64)
    hashes += SEED
    _mix(hashes)
    result: Words = np.empty(len(starts), np.uint64)
    while len(rows):
        word = words[at].view("<u8")
        if left.min() < _WORD:
            word &= _FIRST_BYTES[np.minimum(left, _WORD)]
        hashes ^= word
        _mix(hashes)
        goes_on = left > _WORD
        if not goes_on.all():
            result[rows[~goes_on]] = hashes[~goes_on]
            rows, hashes, at, left = rows[goes_on], hashes[goes_on], at[goes_on], left[goes_on]
        at, left = at + _WORD, left - _WORD
    return result.view(np.int64)


def _mix(hashes: Words) -> None:
    """Let every bit depend on every other, in place.

    Source: the last step of SplitMix64, https://prng.di.unimi.it/splitmix64.c.
    """
    hashes ^= hashes >> 30
    hashes *= 0xBF58476D1CE4E5B9
    hashes ^= hashes >> 27
    hashes *= 0x94D049BB133111EB
    hashes ^= hashes >> 31
