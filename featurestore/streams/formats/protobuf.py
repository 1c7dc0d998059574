"""Protobuf events, by a descriptor set that ``protoc --include_imports --descriptor_set_out=FILE`` wrote.

Shape of a body: the message; with a schema registry the registry's number and the message's place in its .proto file
before it (`schema_registry`). A registry holds .proto texts, which only a compiler can read: so the descriptor set is
needed all the same, the registry is not asked, and the place counts only where the stream names no message; it is then
looked up in the last file of the set, which is the one that protoc was called with.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from featurestore.errors import UsageError, did_you_mean, unknown_name
from featurestore.online.json_values import json_value
from featurestore.streams.decode import needs, shown
from featurestore.streams.formats.schema_registry import HEAD_BYTES, not_bytes, open_registry, unframe
from featurestore.streams.messages import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.decode import Decoder, Fields
    from featurestore.streams.messages import Value

Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NANOS_PER_S = 1_000_000_000
_WHOLE_UP_TO = 2**53
_MOST_NESTED = 100
_LONGEST_VARINT = 5
_WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)


def open_protobuf(stream: Stream, connection: StreamConnection, *, base_dir: Path) -> Decoder:
    """Make the decoder of a stream of Protobuf messages.

    Args:
        stream: ``message`` is the full name of its messages, e.g. ``shop.v1.Purchase``; it may be missing where the
            set's last file has but one, or where each body says its place.
        connection: ``schema``, the file of a descriptor set; ``schema_registry`` where bodies are framed as producers
            do that use one.
        base_dir: what the file is relative to.

    Returns:
        A decoder. Fields are called as in the .proto file. What is not set is None, or its default where Protobuf does
        not tell the two apart. Timestamp is a datetime of UTC, Duration a number of microseconds (both cut to them),
        a wrapper its value, an enum its name (a number that has none, that number as text), Struct and Value are JSON,
        keys of maps are text.

    Raises:
        UsageError: protobuf is not installed; the set cannot be read, or has no such message; an option is unknown.
    """
    try:
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise needs("protobuf", "protobuf", "format `protobuf`") from error
    where = f"featurestore.yml: streams.{stream.name}"
    if not connection.schema:
        hint = "write `schema: event.desc`; `protoc --include_imports --descriptor_set_out=event.desc FILE` makes one"
        raise UsageError("format `protobuf` needs a descriptor set", where=where, hint=hint)
    if connection.schema_registry:
        open_registry(connection.schema_registry, stream=stream.name, base_dir=base_dir)  # its options are checked
    known = _Set(base_dir / connection.schema, f"{where}.schema")
    if connection.schema_registry and not stream.message:
        return ProtobufDecoder(known, None, DecodeError, is_framed=True)
    reading = known.reading(stream.message or known.only_message())
    return ProtobufDecoder(known, reading, DecodeError, is_framed=bool(connection.schema_registry))


class ProtobufDecoder:
    """Bodies of one message type, or of those whose place they say."""

    def __init__(self, known: _Set, reading: _Reading | None, error: type[Exception], *, is_framed: bool) -> None:
        self._known = known
        self._reading = reading
        self._is_framed = is_framed
        self._unreadable = (error, ValueError, OverflowError, RecursionError)

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Read messages."""
        one = self._framed if self._is_framed else self._bare
        return [one(value) if type(value) is bytes else not_bytes(value) for value in values]

    def _bare(self, value: bytes) -> Fields | Problem:
        assert self._reading is not None
        return self._read(self._reading, value, value)

    def _framed(self, value: bytes) -> Fields | Problem:
        number = unframe(value)
        if isinstance(number, Problem):
            return number
        try:
            place, start = _place(value)
        except (ValueError, IndexError):
            return Problem(reason="malformed", detail=f"no message's place behind the schema's number: {shown(value)}")
        reading = self._reading or self._known.reading_at(place)
        if reading is None:
            what = f"schema {number} has a message at {list(place)}, {self._known.last_file} of the set has none there"
            return Problem(reason="malformed", detail=what)
        return self._read(reading, value[start:], value)

    def _read(self, reading: _Reading, body: bytes, value: bytes) -> Fields | Problem:
        try:
            message = reading.parse(body)
            if not message.IsInitialized():
                missing = ", ".join(message.FindInitializationErrors())
                return Problem(reason="malformed", detail=f"no Protobuf '{reading.name}': {missing} is missing")
            return reading.fields(message)
        except self._unreadable as error:
            return Problem(reason="malformed", detail=f"no Protobuf '{reading.name}' ({error}): {shown(value)}")


class _Set:
    """A descriptor set, and how the messages in it are read."""

    def __init__(self, file: Path, where: str) -> None:
        from google.protobuf import descriptor_pb2, descriptor_pool
        from google.protobuf.message import DecodeError

        self._file = file
        self._where = where
        found = descriptor_pb2.FileDescriptorSet()
        try:
            found.ParseFromString(file.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot read {file} ({error.strerror or error})", where=where) from error
        except DecodeError as error:
            raise self._unusable("it is something else") from error
        if not found.file:
            raise self._unusable("it is empty")
        self._files = {each.name: each for each in found.file}
        self._pool = descriptor_pool.DescriptorPool()
        self.repeated: set[tuple[str, str]] = set()
        self._add_all()
        self.last_file: str = found.file[-1].name
        self._names = [name for each in found.file for name, _ in _messages(each.package, each.message_type)]
        self.readings: dict[str, _Reading] = {}

    def only_message(self) -> str:
        """Return the name of the message of the last file. Raises UsageError where it has several or none."""
        last = self._files[self.last_file]
        if len(last.message_type) != 1:
            hint = f"write `message: NAME`; {did_you_mean('', self._names)}"
            raise UsageError(f"{self.last_file} has {len(last.message_type)} messages", where=self._where, hint=hint)
        return next(_messages(last.package, last.message_type))[0]

    def reading(self, name: str) -> _Reading:
        """Return how a message is read, by its full name. Raises UsageError."""
        if name not in self._names:
            raise unknown_name("message", name, self._names, place=str(self._file))
        return self.readings.get(name) or _Reading(self._pool.FindMessageTypeByName(name), self)

    def reading_at(self, place: tuple[int, ...]) -> _Reading | None:
        """Return how the message of a place in the last file is read; None where there is none."""
        held, name = self._files[self.last_file].message_type, self._files[self.last_file].package
        for number in place:
            if not 0 <= number < len(held):
                return None
            name = f"{name}.{held[number].name}".lstrip(".")
            held = held[number].nested_type
        return self.reading(name)

    def _add_all(self) -> None:
        """Put the files into the pool, each behind those that it imports."""
        added: set[str] = set()
        waiting = list(reversed(self._files))
        opened: set[str] = set()
        while waiting:
            name = waiting[-1]
            missing = [each for each in self._proto(name).dependency if each not in added and each not in opened]
            if missing and name not in added:
                opened.add(name)
                waiting += missing
                continue
            waiting.pop()
            if name not in added:
                self._add(name)
                added.add(name)

    def _add(self, name: str) -> None:
        proto = self._proto(name)
        try:
            self._pool.AddSerializedFile(proto.SerializeToString())
        except (TypeError, ValueError, KeyError) as error:
            raise self._unusable(str(error)) from error
        for message, each in _messages(proto.package, proto.message_type):
            self.repeated |= {(message, field.name) for field in each.field if field.label == field.LABEL_REPEATED}

    def _proto(self, name: str) -> Any:  # noqa: ANN401
        """A file of the set, or one that comes with protobuf itself."""
        if name not in self._files:
            from google.protobuf import (  # noqa: F401  each enters the default pool
                any_pb2,
                descriptor_pb2,
                descriptor_pool,
                duration_pb2,
                empty_pb2,
                field_mask_pb2,
                struct_pb2,
                timestamp_pb2,
                wrappers_pb2,
            )

            proto = descriptor_pb2.FileDescriptorProto()
            try:
                descriptor_pool.Default().FindFileByName(name).CopyToProto(proto)
            except KeyError:
                raise self._unusable(f"it lacks {name}, which it imports") from None
            return proto
        return self._files[name]

    def _unusable(self, why: str) -> UsageError:
        hint = "make it with `protoc --include_imports --descriptor_set_out=FILE`"
        return UsageError(f"{self._file} is no descriptor set that can be used: {why}", where=self._where, hint=hint)


class _Reading:
    """How messages of one type become fields: what is taken as it is in one stroke, then what is not, one by one."""

    def __init__(self, descriptor: Any, known: _Set) -> None:  # noqa: ANN401
        from google.protobuf import message_factory

        known.readings[descriptor.full_name] = self  # before its fields, of which one may be of this type
        self.name: str = descriptor.full_name
        self.parse: Convert = message_factory.GetMessageClass(descriptor).FromString
        plain: list[str] = []
        self._others: list[tuple[str, Convert]] = []
        for field in descriptor.fields:
            convert = _converter(field, known)
            take = attrgetter(field.name)
            if (self.name, field.name) in known.repeated:
                self._others.append((field.name, _many(field, take, convert, known)))
            elif field.has_presence:
                self._others.append((field.name, _if_set(field.name, take, convert)))
            elif convert is None:
                plain.append(field.name)
            else:
                self._others.append((field.name, _converted(take, convert)))
        self._plain = tuple(plain)
        # The first name once more: attrgetter gives a tuple only of several.
        self._take = attrgetter(*plain, plain[0]) if plain else None

    def fields(self, message: Any) -> Fields:  # noqa: ANN401
        """Read a message."""
        found: Fields = {} if self._take is None else dict(zip(self._plain, self._take(message), strict=False))
        for name, read in self._others:
            found[name] = read(message)
        return found


def _converter(field: Any, known: _Set) -> Convert | None:  # noqa: ANN401
    """What makes our value of one of Protobuf; None where it is one already."""
    if field.enum_type is not None:
        names = {each.number: each.name for each in reversed(field.enum_type.values)}
        return lambda number: names.get(number) or str(number)
    if field.message_type is None:
        return None
    name = field.message_type.full_name
    if name in _WRAPPERS:
        return attrgetter("value")
    if name in _WELL_KNOWN:
        return _WELL_KNOWN[name]
    return (known.readings.get(name) or _Reading(field.message_type, known)).fields


def _many(field: Any, take: Convert, convert: Convert | None, known: _Set) -> Convert:  # noqa: ANN401
    """What reads a list, or a map, which Protobuf writes as a list of keys and values."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        if field.type == field.TYPE_BYTES:
            convert = json_value
        elif convert is _moment:
            convert = _moment_text
        return _list_of(take, convert)
    is_bool = entry.fields_by_name["key"].cpp_type == field.CPPTYPE_BOOL
    key: Convert = (lambda value: "true" if value else "false") if is_bool else str
    value = _converter(entry.fields_by_name["value"], known)
    if value is None:
        return lambda message: {key(each): item for each, item in take(message).items()}
    return lambda message: {key(each): value(item) for each, item in take(message).items()}


def _list_of(take: Convert, convert: Convert | None) -> Convert:
    if convert is None:
        return lambda message: list(take(message))
    return lambda message: [convert(item) for item in take(message)]


def _if_set(name: str, take: Convert, convert: Convert | None) -> Convert:
    if convert is None:
        return lambda message: take(message) if message.HasField(name) else None
    return lambda message: convert(take(message)) if message.HasField(name) else None


def _converted(take: Convert, convert: Convert) -> Convert:
    return lambda message: convert(take(message))


def _moment(message: Any) -> datetime:  # noqa: ANN401
    if not 0 <= message.nanos < _NANOS_PER_S:
        raise ValueError(f"a Timestamp of {message.nanos} nanoseconds")
    try:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1_000)
    except OverflowError:
        raise ValueError(f"a Timestamp of {message.seconds} seconds, outside of the years 1 to 9999") from None


def _moment_text(message: Any) -> Any:  # noqa: ANN401
    """In a list, where columns take what JSON can hold."""
    return json_value(_moment(message))


def _micros(message: Any) -> int:  # noqa: ANN401
    """Microseconds of a duration, cut towards zero as Protobuf's own ToMicroseconds does."""
    seconds, nanos = message.seconds, message.nanos
    if abs(nanos) >= _NANOS_PER_S or seconds * nanos < 0:
        raise ValueError(f"a Duration of {seconds} seconds and {nanos} nanoseconds")
    micros = abs(nanos) // 1_000
    return int(seconds * 1_000_000 + (micros if nanos >= 0 else -micros))


def _object(message: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: _json(value) for name, value in message.fields.items()}


def _array(message: Any) -> list[Any]:  # noqa: ANN401
    return [_json(value) for value in message.values]


def _json(message: Any) -> Any:  # noqa: ANN401
    """A Value as JSON; whole numbers as such, which it holds as doubles."""
    kind = message.WhichOneof("kind")
    if kind == "number_value":
        number = message.number_value
        return int(number) if number.is_integer() and abs(number) < _WHOLE_UP_TO else number
    if kind == "struct_value":
        return _object(message.struct_value)
    if kind == "list_value":
        return _array(message.list_value)
    if kind == "string_value":
        return message.string_value
    return message.bool_value if kind == "bool_value" else None


_WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.Timestamp": _moment,
    "google.protobuf.Duration": _micros,
    "google.protobuf.Struct": _object,
    "google.protobuf.ListValue": _array,
    "google.protobuf.Value": _json,
}


def _messages(package: str, messages: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Messages and those inside them, by their full names."""
    for each in messages:
        name = f"{package}.{each.name}".lstrip(".")
        yield name, each
        yield from _messages(name, each.nested_type)


def _place(value: bytes) -> tuple[tuple[int, ...], int]:
    """The place of a message in its file, from outside to inside, and where its bytes begin.

    Raises:
        ValueError, IndexError: it is cut off, or not one.
    """
    count, at = _varint(value, HEAD_BYTES)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MOST_NESTED:
        raise ValueError(count)
    place = []
    for _ in range(count):
        number, at = _varint(value, at)
        place.append(number)
    return tuple(place), at


def _varint(value: bytes, at: int) -> tuple[int, int]:
    """A zigzag number, and where the next byte stands."""
    found = 0
    for number in range(_LONGEST_VARINT):
        byte = value[at + number]
        found |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return (found >> 1) ^ -(found & 1), at + number + 1
    raise ValueError(found)
