"""A 64-bit word for every value of an Arrow array: the part of the hash that knows types.

Rules: docs/training-card.md. NULL is 0; a number, a time or a flag is ``mix`` of its 64 bits; what is longer is the
sum of ``mix(word + position * STEP)`` over its words, so that a whole column takes a few passes and no loop.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurestore.training.type_names import is_bytes, is_list, is_text, plain

Words = npt.NDArray[np.uint64]

STEP = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_NAN = 0x7FF8000000000000
_WORD_BYTES = 8
_PER_MICROSECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}


def mixed_number(number: int) -> int:
    """Spread one number's bits over 64: the step of SplitMix64 that starts from it."""
    word = (number + STEP) & _MASK
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


def mixed(given: Words, *, out: Words | None = None) -> Words:
    """`mixed_number` of every word; `out` may be the words themselves."""
    word = np.add(given, np.uint64(STEP), out=out)
    shifted = word >> np.uint64(30)
    word ^= shifted
    word *= np.uint64(_FIRST)
    np.right_shift(word, np.uint64(27), out=shifted)
    word ^= shifted
    word *= np.uint64(_SECOND)
    np.right_shift(word, np.uint64(31), out=shifted)
    word ^= shifted
    return word


def added(given: Words) -> int:
    """The sum of words, modulo 2**64."""
    return int(given.sum(dtype=np.uint64)) if len(given) else 0


def text_word(text: str) -> int:
    """The word of one text."""
    return int(words(pa.array([text], pa.string()))[0])


def words(values: pa.Array) -> Words:
    """The words of an array's values, 0 where it is NULL; the caller has made it `plain`."""
    found = _words_of(values)
    if values.null_count:
        found[values.is_null().to_numpy(zero_copy_only=False)] = 0
    return found


def _words_of(values: pa.Array) -> Words:  # noqa: PLR0911  one line per family of types
    arrow = values.type
    if pa.types.is_null(arrow):
        return np.zeros(len(values), dtype=np.uint64)
    if is_text(arrow) or is_bytes(arrow):
        return _of_bytes(values)
    if is_list(arrow) or pa.types.is_map(arrow):
        return _of_lists(values)
    if pa.types.is_struct(arrow):
        return _of_struct(values)
    if pa.types.is_decimal(arrow):
        return _of_wide(values if arrow.bit_width >= 128 else values.cast(pa.decimal128(arrow.precision, arrow.scale)))
    if arrow == pa.month_day_nano_interval():
        return _of_wide(values)
    if pa.types.is_floating(arrow):
        return mixed(_float_bits(values))
    if pa.types.is_primitive(arrow):
        return mixed(_numbers(values))
    return np.zeros(len(values), dtype=np.uint64)  # a union: neither Parquet nor the page has it


def _numbers(values: pa.Array) -> Words:
    """Flags, whole numbers, dates and times as 64 bits."""
    arrow = values.type
    if pa.types.is_boolean(arrow):
        return _filled(values.cast(pa.uint8())).astype(np.uint64)
    if pa.types.is_date(arrow):
        return _filled(values.cast(pa.date32()).view(pa.int32())).astype(np.int64).view(np.uint64)
    if pa.types.is_integer(arrow):
        numbers = _filled(values)
        return numbers.astype(np.uint64) if pa.types.is_unsigned_integer(arrow) else numbers.astype(np.int64).view("u8")
    return _microseconds(_filled(values.view(pa.int32() if arrow.bit_width == 32 else pa.int64())), arrow.unit)


def _microseconds(counts: npt.NDArray[np.generic], unit: str) -> Words:
    """Microseconds as 64 bits; nanoseconds beyond them are added as so many `STEP`."""
    numbers = counts.astype(np.int64)
    if unit != "ns":
        return numbers.view(np.uint64) * np.uint64(_PER_MICROSECOND[unit])
    whole, rest = np.divmod(numbers, 1_000)
    made: Words = whole.view(np.uint64) + rest.view(np.uint64) * np.uint64(STEP)
    return made


def _float_bits(values: pa.Array) -> Words:
    """The bits of a double: one NaN, and no negative zero."""
    doubles = _filled(values).astype(np.float64)
    doubles += 0.0  # -0.0 + 0.0 is 0.0
    bits: Words = doubles.view(np.uint64)
    bits[np.isnan(doubles)] = _NAN
    return bits


def _filled(values: pa.Array) -> npt.NDArray[np.generic]:
    """The numbers as numpy has them, 0 in place of NULLs."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    found: npt.NDArray[np.generic] = values.fill_null(0).to_numpy(zero_copy_only=False)
    return found


def _of_wide(values: pa.Array) -> Words:
    """Decimals and intervals: values of two or four words of their own."""
    per_value = values.type.bit_width // 64
    buffer = values.buffers()[1]
    flat = np.frombuffer(buffer, dtype="<u8", count=(values.offset + len(values)) * per_value)
    flat = flat[values.offset * per_value :].reshape(len(values), per_value)
    found = np.zeros(len(values), dtype=np.uint64)
    for at in range(per_value):
        found += mixed(flat[:, at] + np.uint64((at * STEP) & _MASK))
    return mixed(found)


def _of_bytes(values: pa.Array) -> Words:
    """Texts and bytes: length and little-endian words, the last one filled up with zeros."""
    target = pa.large_binary()
    if pa.types.is_fixed_size_binary(values.type):
        values = values.cast(pa.binary())
    values = values.cast(pa.large_string()).cast(target) if is_text(values.type) else values.cast(target)
    if values.null_count:
        values = values.fill_null(b"")
    starts = _offsets(values)
    lengths = np.diff(starts)
    counts = -(-lengths // _WORD_BYTES)
    total = int(counts.sum())
    found = lengths.astype(np.uint64)
    if total:
        position = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        read = _words_at(values.buffers()[2], np.repeat(starts[:-1], counts) + position * _WORD_BYTES)
        left = np.repeat(lengths, counts) - position * _WORD_BYTES  # bytes of the value from this word on
        spare = np.maximum(_WORD_BYTES - left, 0).astype(np.uint64) * np.uint64(8)
        read &= np.uint64(_MASK) >> spare
        found += _summed(read, position, counts)
    return mixed(found)


def _words_at(buffer: pa.Buffer, starts: npt.NDArray[np.int64]) -> Words:
    """Eight bytes from each place on; beyond the end there are zeros."""
    raw = np.frombuffer(buffer, dtype=np.uint8)
    first, last = int(starts.min()), min(int(starts.max()) + _WORD_BYTES, len(raw))
    padded = np.zeros(last - first + _WORD_BYTES, dtype=np.uint8)
    padded[: last - first] = raw[first:last]
    every = np.ndarray(shape=(len(padded) - _WORD_BYTES + 1,), dtype="<u8", buffer=padded, strides=(1,))
    found: Words = every[starts - first].astype(np.uint64)
    return found


def _of_lists(values: pa.Array) -> Words:
    """Lists and maps: length and the words of the elements, in order."""
    if pa.types.is_map(values.type):
        entry = pa.struct([("key", values.type.key_type), ("value", values.type.item_type)])
        values = values.cast(pa.list_(entry))
    lengths = values.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    elements = words(plain(values.flatten()))
    found = lengths.astype(np.uint64)
    if len(elements):
        position = np.arange(len(elements)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        found += _summed(elements, position, lengths)
    return mixed(found)


def _of_struct(values: pa.Array) -> Words:
    """Structs: the words of the fields, in the type's order."""
    found = np.zeros(len(values), dtype=np.uint64)
    for at, child in enumerate(values.flatten()):
        found += mixed(words(plain(child)) + np.uint64((at * STEP) & _MASK))
    return mixed(found)


def _summed(read: Words, position: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Words:
    """For each value, the sum of ``mix(word + position * STEP)`` over its words."""
    read = mixed(read + position.astype(np.uint64) * np.uint64(STEP))
    ends = np.cumsum(read, dtype=np.uint64)  # wraps around, as all sums here do
    until = np.concatenate((np.zeros(1, dtype=np.uint64), ends))
    last = np.cumsum(counts)
    found: Words = until[last] - until[last - counts]
    return found


def _offsets(values: pa.Array) -> npt.NDArray[np.int64]:
    if not len(values):
        return np.zeros(1, dtype=np.int64)
    found = np.frombuffer(values.buffers()[1], dtype=np.int64, count=values.offset + len(values) + 1)
    return found[values.offset :]
