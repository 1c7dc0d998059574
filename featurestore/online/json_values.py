"""Values as JSON can hold them, and back: what ``--json`` prints, the feature server answers and pushes bring."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from featurestore.definitions.types import FLOATS, INTEGERS
from featurestore.online.keys import parse_instant, parse_time, without_numpy

if TYPE_CHECKING:
    from featurestore.definitions.views import Json

Read = Callable[[Any], Any]
"""Turns a JSON value that is not null into a value; raises ValueError or TypeError for another kind."""

_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
_NON_FINITE_TEXTS = frozenset(("NaN", "Infinity", "-Infinity"))


def json_value(value: object) -> Json:
    """Return a value as JSON: times ISO with Z, NaN, infinities, decimals and dates as text, bytes in base64."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NON_FINITE.get(value, "NaN")
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return _json_text(without_numpy(value))


def iso(moment: datetime) -> str:
    """Write a moment in UTC with a Z; naive is UTC (P14)."""
    utc = moment if moment.tzinfo is None else moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{utc.isoformat()}Z"


def _json_text(value: object) -> Json:
    if isinstance(value, (bool, int, float, str)):
        return json_value(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def reader_of(value_type: str) -> Read:
    """Return what reads JSON values of a type, as `json_value` writes them; nothing is rounded, cut or guessed."""
    if value_type in INTEGERS:
        return _integer
    if value_type in FLOATS:
        return _float32 if value_type == "float32" else _float
    if value_type.startswith("decimal("):
        return _decimal
    if value_type.startswith("list<"):
        return _list_reader(value_type[len("list<") : -1])
    if value_type.startswith(("struct<", "map<")):
        return _object
    return _READERS.get(value_type, _anything)


def _integer(value: Any) -> int:  # noqa: ANN401
    """A whole number; written as 3.0 too, as columns of numbers with gaps often are."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        return int(value)
    raise TypeError


def _float(value: Any) -> float:  # noqa: ANN401
    if type(value) is float:
        return value
    if type(value) is int or value in _NON_FINITE_TEXTS:
        number = float(value)
        if type(value) is int and int(number) != value:
            raise ValueError
        return number
    raise TypeError


def _float32(value: Any) -> float:  # noqa: ANN401
    """A number that 32 bits hold: a fraction is rounded to the nearest, a whole number and its size are not."""
    number = _float(value)
    if math.isfinite(number):
        nearest = struct.unpack("<f", struct.pack("<f", number))[0]  # raises OverflowError
        if type(value) is int and nearest != value:
            raise ValueError
    return number


def _decimal(value: Any) -> Decimal:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def _list_reader(item_type: str) -> Read:
    read = reader_of(item_type)

    def read_list(items: Any) -> list[Any]:  # noqa: ANN401
        if not isinstance(items, list):
            raise TypeError
        return [None if item is None else read(item) for item in items]

    return read_list


def _boolean(value: Any) -> bool:  # noqa: ANN401
    if type(value) is bool:
        return value
    raise TypeError


def _text(value: Any) -> str:  # noqa: ANN401
    if type(value) is str:
        return value
    raise TypeError


def _json(value: Any) -> str:  # noqa: ANN401
    return value if type(value) is str else msgspec.json.encode(value).decode()


def _uuid(value: Any) -> str:  # noqa: ANN401
    return str(UUID(_text(value)))


def _bytes(value: Any) -> bytes:  # noqa: ANN401
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise ValueError from None


def _instant(value: Any) -> datetime:  # noqa: ANN401
    return parse_instant(_text(value))


def _naive(value: Any) -> datetime:  # noqa: ANN401
    return _instant(value).astimezone(timezone.utc).replace(tzinfo=None)


def _date(value: Any) -> date:  # noqa: ANN401
    """A day; also written as its first moment, as dates in data frames often are."""
    moment = parse_instant(_text(value))
    if moment.time() != time.min:
        raise ValueError
    return moment.date()


def _time(value: Any) -> time:  # noqa: ANN401
    return parse_time(_text(value))


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401
    if type(value) is dict:
        return value
    raise TypeError


def _anything(value: Any) -> Any:  # noqa: ANN401
    return value


_READERS: dict[str, Read] = {
    "boolean": _boolean,
    "string": _text,
    "json": _json,
    "uuid": _uuid,
    "bytes": _bytes,
    "date": _date,
    "time": _time,
    "timestamptz": _instant,
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), _naive),
}
