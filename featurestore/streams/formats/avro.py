"""Avro events, by the schema that each was written with: a schema registry's, or the one of a file.

Shape of a body: a number of the registry and then bare Avro (`schema_registry`); without a registry bare Avro, or the
single-object encoding of Avro, which begins with the schema's fingerprint. Where both a registry and a file are given,
events are written in the registry's schema and read in the file's, by Avro's rules of schema resolution.
The rule: a body is one record, whole, and nothing after it; whatever else is a `Problem` in its place.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from featurestore.errors import UsageError, unknown_name
from featurestore.online.json_values import json_value
from featurestore.streams.decode import needs, shown
from featurestore.streams.formats.schema_registry import (
    HEAD_BYTES,
    RegisteredSchema,
    SchemaRegistry,
    not_bytes,
    open_registry,
    unframe,
)
from featurestore.streams.messages import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.decode import Decoder, Fields
    from featurestore.streams.messages import Value

_SINGLE_OBJECT = b"\xc3\x01"
_FINGERPRINT_BYTES = 8
_RECORDS = frozenset(("record", "error"))
_CONTAINERS = frozenset(("array", "map", *_RECORDS))
_BYTES = frozenset(("bytes", "fixed"))
_NOT_TAKEN_AS_THEY_ARE = frozenset(("time-millis", "time-micros", "uuid"))
_UNREADABLE = (EOFError, LookupError, ValueError, ArithmeticError, TypeError, AttributeError, RecursionError)
"""What fastavro raises for a body that is not of its schema."""


def open_avro(stream: Stream, connection: StreamConnection, *, base_dir: Path) -> Decoder:
    """Make the decoder of a stream of Avro records.

    Args:
        stream: ``message`` names the record of the file where that holds several.
        connection: ``schema_registry``, or ``schema``, a file with a schema in JSON (``.avsc``), or both.
        base_dir: what the file is relative to.

    Returns:
        A decoder that raises StreamError while the registry cannot be asked. Logical types come as Python's datetime,
        date and Decimal; times of day and UUIDs as text; what Avro has no reader for (``duration``,
        ``timestamp-nanos``) as the bytes or number that it is written as.

    Raises:
        UsageError: fastavro is not installed; there is no schema, or it cannot be read; an option is unknown.
    """
    try:
        import fastavro
    except ImportError as error:
        raise needs("fastavro", "avro", "format `avro`") from error
    given = _schema_of_file(base_dir / connection.schema, stream) if connection.schema else None
    if connection.schema_registry:
        registry = open_registry(connection.schema_registry, stream=stream.name, base_dir=base_dir)
        return RegisteredAvroDecoder(registry, reader=given)
    if given is None:
        where = f"featurestore.yml: streams.{stream.name}"
        hint = "write `schema_registry: {url: http://localhost:8081}`, or `schema: event.avsc`"
        raise UsageError("format `avro` needs a schema", where=where, hint=hint)
    canonical = fastavro.schema.to_parsing_canonical_form(given)
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    return BareAvroDecoder(AvroReading(given), _SINGLE_OBJECT + fingerprint)


class AvroReading:
    """How bodies of one schema are read.

    A schema that contains itself is read by fastavro's reader in Python: the one in C has no limit to how deep a body
    goes, so that one of some hundred kilobytes could end the process.

    Args:
        writer: the schema that bodies were written with, parsed and whole.
        reader: the schema that they are read in, where that is another one.

    Raises:
        ValueError: the schema is not a record's, or its bodies cannot be read safely.
    """

    def __init__(self, writer: Any, reader: Any = None) -> None:  # noqa: ANN401
        from fastavro.read import SchemaResolutionError

        schemas = [_Types(writer)] if reader is None else [_Types(writer), _Types(reader)]
        if not all(each.are_of_records() for each in schemas):
            raise ValueError("its top level is not a record")
        if schemas[0].have_endless_arrays():
            raise ValueError("it has an array of items that take no bytes; one body could fill the memory")
        if any(each.are_recursive() for each in schemas):
            from fastavro._read_py import schemaless_reader
        else:
            from fastavro import schemaless_reader
        self.name = _name_of(writer)
        self._read = schemaless_reader
        self._writer = writer
        self._reader = reader
        self._unreadable = (*_UNREADABLE, SchemaResolutionError)
        self._as_json = tuple(sorted({name for each in schemas for name in each.fields_for_json()}))

    def read(self, body: bytes, start: int = 0) -> Fields | Problem:
        """Read the one record that stands in a body from `start` on."""
        stream = BytesIO(body)
        stream.seek(start)
        try:
            fields: Any = self._read(stream, self._writer, self._reader)
            if type(fields) is not dict:
                raise TypeError(f"it is {fields!r:.60}")
            for name in self._as_json:
                if fields.get(name) is not None:
                    fields[name] = json_value(fields[name])
        except self._unreadable as error:
            return self._problem(_why(error), body)
        left = len(body) - stream.tell()
        if left:
            return self._problem(f"{left} bytes are left behind it", body)
        read: Fields = fields
        return read

    def _problem(self, why: str, body: bytes) -> Problem:
        return Problem(reason="malformed", detail=f"no Avro record '{self.name}' ({why}): {shown(body)}")


class BareAvroDecoder:
    """Bodies of one schema, bare or with its fingerprint before them."""

    def __init__(self, reading: AvroReading, head: bytes) -> None:
        self._reading = reading
        self._head = head

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Read records."""
        return [self._one(value) for value in values]

    def _one(self, value: Value) -> Fields | Problem:
        if type(value) is not bytes:
            return not_bytes(value)
        if value.startswith(self._head):
            return self._reading.read(value, len(self._head))
        found = self._reading.read(value)  # a bare record may begin with the two bytes of the marker
        if isinstance(found, Problem) and value.startswith(_SINGLE_OBJECT):
            theirs, ours = value[len(_SINGLE_OBJECT) : len(self._head)].hex(), self._head[len(_SINGLE_OBJECT) :].hex()
            what = f"it was written with the schema of fingerprint {theirs}, and the file's has {ours}"
            return Problem(reason="malformed", detail=what)
        return found


class RegisteredAvroDecoder:
    """Bodies that name a schema of a registry."""

    def __init__(self, registry: SchemaRegistry, reader: Any = None) -> None:  # noqa: ANN401
        self._registry = registry
        self._reader = reader
        self._readings: dict[int, AvroReading | Problem] = {}

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Read records. Raises StreamError when a schema cannot be asked for."""
        return [self._one(value) for value in values]

    def _one(self, value: Value) -> Fields | Problem:
        number = unframe(value)
        if isinstance(number, Problem):
            return number
        reading = self._readings.get(number) or self._ask(number)
        if isinstance(reading, Problem):
            return reading
        assert type(value) is bytes  # else `unframe` had refused it
        return reading.read(value, HEAD_BYTES)

    def _ask(self, number: int) -> AvroReading | Problem:
        schema = self._registry.schema(number)
        if isinstance(schema, Problem):
            return schema  # not kept: the registry may learn it
        try:
            made: AvroReading | Problem = AvroReading(_registered(schema), self._reader)
        except (ValueError, RecursionError) as error:
            what = f"schema {number} of the registry cannot be used: {error}"
            made = Problem(reason="malformed", detail=what)
        self._readings[number] = made
        return made


class _Types:
    """A parsed schema and all types in it, looked at once to know how its bodies are to be read."""

    def __init__(self, top: Any) -> None:  # noqa: ANN401
        self._top = top
        self._named: dict[str, Any] = {}
        _collect_named(top, self._named)

    def are_of_records(self) -> bool:
        """Whether a body is a record; or one of several, or null, which its value then tells."""
        tops = self._top if isinstance(self._top, list) else [self._top]
        kinds = {_kind(self._resolved(each)) for each in tops}
        return not kinds.isdisjoint(_RECORDS) and "map" not in kinds

    def are_recursive(self) -> bool:
        """Whether a type contains itself."""
        return any(
            name in {_name_of(each) for part in _inside(whole) for each in self._all(part)}
            for name, whole in self._named.items()
        )

    def have_endless_arrays(self) -> bool:
        """Whether there is an array that may say any count of items without a byte for them."""
        return any(_kind(each) == "array" and self._takes_no_bytes(each["items"]) for each in self._all(self._top))

    def fields_for_json(self) -> Iterator[str]:
        """Names of fields that hold what columns do not take as it is: times of day, UUIDs, lists of dates and such."""
        for top in self._top if isinstance(self._top, list) else [self._top]:
            for each in self._resolved(top).get("fields", ()) if isinstance(self._resolved(top), dict) else ():
                branches = each["type"] if isinstance(each["type"], list) else [each["type"]]
                if any(self._is_for_json(self._resolved(branch)) for branch in branches):
                    yield each["name"]

    def _is_for_json(self, schema: Any) -> bool:  # noqa: ANN401
        if _kind(schema) in _CONTAINERS:
            return any(_kind(each) in _BYTES or _logical(each) for each in self._all(schema))
        return _logical(schema) in _NOT_TAKEN_AS_THEY_ARE

    def _takes_no_bytes(self, schema: Any, within: frozenset[str] = frozenset()) -> bool:  # noqa: ANN401
        schema = self._resolved(schema)
        kind, name = _kind(schema), _name_of(schema)
        if kind in _RECORDS and name not in within:
            return all(self._takes_no_bytes(each["type"], within | {name}) for each in schema["fields"])
        return kind == "null" or (kind == "fixed" and int(schema["size"]) == 0)

    def _all(self, schema: Any) -> Iterator[Any]:  # noqa: ANN401
        """A type and all that it holds, each named one once."""
        waiting, seen = [schema], set()
        while waiting:
            each = self._resolved(waiting.pop())
            name = _name_of(each)
            if name not in seen:
                yield each
                waiting += _inside(each)
                seen |= {name} if name else set()

    def _resolved(self, schema: Any) -> Any:  # noqa: ANN401
        kind = _kind(schema)
        return self._named.get(kind, schema) if isinstance(kind, str) else schema


def _kind(schema: Any) -> Any:  # noqa: ANN401
    return schema["type"] if isinstance(schema, dict) else "union" if isinstance(schema, list) else schema


def _logical(schema: Any) -> str:  # noqa: ANN401
    return str(schema.get("logicalType") or "") if isinstance(schema, dict) else ""


def _name_of(schema: Any) -> str:  # noqa: ANN401
    return str(schema.get("name") or "") if isinstance(schema, dict) else ""


def _inside(schema: Any) -> list[Any]:  # noqa: ANN401
    """The types that a type is made of."""
    if isinstance(schema, list):
        return schema
    if not isinstance(schema, dict):
        return []
    held = [schema[key] for key in ("items", "values") if key in schema]
    return [*held, *(each["type"] for each in schema.get("fields", ()))]


def _collect_named(schema: Any, named: dict[str, Any]) -> None:  # noqa: ANN401
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if _name_of(each):
            named[_name_of(each)] = each
        waiting += _inside(each)


def _whole(schema: Any, named: Mapping[str, Any], written: set[str]) -> Any:  # noqa: ANN401
    """A schema with the definition of each type where it is named first."""
    if isinstance(schema, str):
        return schema if schema in written or schema not in named else _whole(named[schema], named, written)
    if isinstance(schema, list):
        return [_whole(each, named, written) for each in schema]
    written |= {_name_of(schema)}
    made = {key: value for key, value in schema.items() if not key.startswith("__")}
    for key in made.keys() & {"items", "values"}:
        made[key] = _whole(made[key], named, written)
    if "fields" in made:
        made["fields"] = [{**each, "type": _whole(each["type"], named, written)} for each in made["fields"]]
    return made


def _parsed(text: str, named: dict[str, Any]) -> Any:  # noqa: ANN401
    """Parse a schema, and add its types to those that are known. Raises ValueError."""
    from fastavro.schema import SchemaParseException, parse_schema

    try:
        return parse_schema(json.loads(text), named)
    except (SchemaParseException, *_UNREADABLE) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _registered(schema: RegisteredSchema) -> Any:  # noqa: ANN401
    """A schema of the registry, parsed and whole. Raises ValueError."""
    if schema.kind != "AVRO":
        raise ValueError(f"it is {schema.kind}, not AVRO")
    named: dict[str, Any] = {}
    for text in schema.references:
        _parsed(text, named)
    return _parsed(json.dumps(_whole(_parsed(schema.text, named), named, set())), {})


def _schema_of_file(file: Path, stream: Stream) -> Any:  # noqa: ANN401
    """The schema of a file, or of the record in it that the stream names. Raises UsageError."""
    where = f"featurestore.yml: streams.{stream.name}.schema"
    named: dict[str, Any] = {}
    try:
        top = _parsed(file.read_text(encoding="utf-8"), named)
        if stream.message:
            if stream.message not in named:
                raise unknown_name("record", stream.message, named, place=str(file))
            top = stream.message
        elif isinstance(top, list):
            raise UsageError(f"{file} holds several types", where=where, hint="name the record: `message: NAME`")
        made = _parsed(json.dumps(_whole(top, named, set())), {})
        AvroReading(made)
    except OSError as error:
        raise UsageError(f"cannot read {file} ({error.strerror or error})", where=where) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no Avro schema that can be used: {error}", where=where) from error
    _make_defaults_native(made)
    return made


def _make_defaults_native(schema: dict[str, Any]) -> None:
    """Bring defaults to what values of their types are read as; fastavro fills in what the JSON says."""
    from fastavro.read import LOGICAL_READERS

    for each in schema["fields"]:
        default = each.get("default")
        kind = each["type"][0] if isinstance(each["type"], list) else each["type"]
        if default is None or isinstance(default, (dict, list)):
            continue
        if _kind(kind) in _BYTES and isinstance(default, str):
            default = default.encode("latin-1")
        read = LOGICAL_READERS.get(f"{_kind(kind)}-{_logical(kind)}")
        each["default"] = default if read is None else read(default, kind, None)


def _why(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it ends too soon"
    if isinstance(error, LookupError):
        return "it ends too soon, or says something that the schema does not have"
    return str(error) or type(error).__name__
