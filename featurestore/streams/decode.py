"""Bodies of messages as fields by name; a body that cannot be read is a `Problem` in its place.

Shape: ``[bytes, ...] -> [{field: value}, ...]``. JSON's values are JSON's; Avro's and Protobuf's are brought to those
(`online.json_values`), so that all formats are typed by the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from featurestore.definitions.streams import RAW_COLUMN
from featurestore.errors import UsageError
from featurestore.streams.messages import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from featurestore.definitions.streams import Stream, StreamConnection
    from featurestore.streams.messages import Value

Fields = dict[str, Any]
MOST_BYTES = 1 << 20
"""Of a message; larger ones are dead letters."""
_SHOWN = 60


class Decoder(Protocol):
    """One way to write an event."""

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Read bodies, none of them None, in their order."""
        ...


def open_decoder(stream: Stream, connection: StreamConnection, *, base_dir: Path) -> Decoder:
    """Make the decoder of a stream's format.

    Raises:
        UsageError: a package or a schema is missing.
    """
    if stream.format == "avro":
        from featurestore.streams.formats.avro import open_avro

        return open_avro(stream, connection, base_dir=base_dir)
    if stream.format == "protobuf":
        from featurestore.streams.formats.protobuf import open_protobuf

        return open_protobuf(stream, connection, base_dir=base_dir)
    if stream.format == "raw":
        return RawDecoder()
    return FieldsDecoder() if stream.format == "fields" else JsonDecoder()


class JsonDecoder:
    """One JSON object per message."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder().decode

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Read JSON objects."""
        decode = self._decode
        found: list[Fields | Problem] = []
        for value in values:
            try:
                fields = decode(value)  # type: ignore[arg-type]  # what is no bytes is refused below
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
                found.append(_unreadable("JSON", value, error))
                continue
            if type(fields) is dict:
                found.append(fields)
            else:
                found.append(Problem(reason="malformed", detail=f"expected a JSON object, got {shown(value)}"))
        return found


class FieldsDecoder:
    """The text fields of an entry of a Redis stream."""

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Take the fields; a field is text until its column's type is known."""
        return [
            dict(value)
            if isinstance(value, dict)
            else Problem(reason="malformed", detail="format `fields` is for entries of Redis streams; this is a body")
            for value in values
        ]


class RawDecoder:
    """Bodies as they are, in the column ``value``."""

    def decode(self, values: Sequence[Value]) -> list[Fields | Problem]:
        """Hand on the bytes."""
        return [{RAW_COLUMN.name: value} for value in values]


def _unreadable(what: str, value: Value, error: Exception) -> Problem:
    if isinstance(value, dict):
        known = ", ".join(value)
        return Problem(
            reason="malformed", detail=f"the entry has no field for the event, only {known}; format `fields`?"
        )
    return Problem(reason="malformed", detail=f"no {what} ({error}): {shown(value)}")


def shown(value: Value) -> str:
    """Write the begin of a body for a message."""
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def needs(package: str, extra: str, what: str) -> UsageError:
    """The error for a package that is not installed."""
    return UsageError(f"{what} needs the package {package}", hint=f"pip install 'featurestore[{extra}]'")
