"""UUIDs in whatever form a warehouse gives them, as their one text: lower case, with hyphens."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.online.pieces import slices_of, windows

if TYPE_CHECKING:
    import numpy.typing as npt

    from featurestore.online.pieces import Bytes

_SIZE_BYTES, _LENGTH = 16, 36
_HYPHENS = [8, 13, 18, 23]
_DIGITS = [place for place in range(_LENGTH) if place not in _HYPHENS]
_IS_DIGIT = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdefABCDEF", np.uint8))
_HEX = np.frombuffer("".join(f"{number:02x}" for number in range(256)).encode(), np.uint8).reshape(256, 2)
_LOWER = 0x20
"""Set in every lower-case letter, and in digits and hyphens anyway."""


def uuid_texts(array: pa.Array) -> pa.Array:
    """Write UUIDs as text.

    Args:
        array: UUIDs, 16 bytes each, or texts in any spelling that Python's `UUID` reads.

    Returns:
        (large) string, NULL where the array is.

    Raises:
        pa.ArrowException: a value is no UUID.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        array, kind = array.storage, array.type.storage_type
    found: Bytes | None = None
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == _SIZE_BYTES:
        found = _from_bytes(array)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = _from_texts(array)
    if found is None:
        return pa.array([None if value is None else str(_uuid(value)) for value in array.to_pylist()], pa.string())
    return _texts(found, array)


def _texts(found: Bytes, array: pa.Array) -> pa.Array:
    offsets = np.arange(len(array) + 1, dtype=np.int64) * _LENGTH
    made = pa.Array.from_buffers(pa.large_string(), len(array), [None, pa.py_buffer(offsets), pa.py_buffer(found)])
    return pc.if_else(array.is_valid(), made, pa.scalar(None, pa.large_string())) if array.null_count else made


def _from_bytes(array: pa.Array) -> Bytes:
    start = array.offset * _SIZE_BYTES
    raw = np.frombuffer(array.buffers()[1], np.uint8)[start : start + len(array) * _SIZE_BYTES]
    found = np.full((len(array), _LENGTH), ord("-"), np.uint8)
    found[:, _DIGITS] = _HEX[raw].reshape(len(array), 2 * _SIZE_BYTES)
    return found


def _from_texts(array: pa.Array) -> Bytes | None:
    """None if a text is spelled in another way than with four hyphens."""
    texts = slices_of(array)
    valid: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    if not (texts.widths[valid] == _LENGTH).all():
        return None
    found = np.full((len(array), _LENGTH), ord("-"), np.uint8)
    if not valid.any():
        return found
    given = windows(texts.data, _LENGTH)[texts.starts[valid]].view(np.uint8).reshape(-1, _LENGTH)
    if not (_IS_DIGIT[given[:, _DIGITS]].all() and (given[:, _HYPHENS] == ord("-")).all()):
        return None
    found[valid] = given | _LOWER
    return found


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(bytes=value) if isinstance(value, bytes) else UUID(str(value))
    except ValueError as problem:
        raise pa.ArrowInvalid(f"{value!r:.80} is no UUID") from problem
