"""Join keys out of online keys, and join keys that nobody has: what a comparison asks for beside the model's own keys.

The entity text of an online key is read back into values (`docs/online-format.md`), so that the warehouse can be asked
about keys that exist online only.
"""

from __future__ import annotations

import random
import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from uuid import UUID

from featurestore.definitions.types import INTEGERS
from featurestore.errors import UsageError
from featurestore.online.arrow_types import arrow_type
from featurestore.online.keys import entity_key, integer_key, key_text, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

    from featurestore.definitions.views import Column, FeatureView

_ESCAPE = re.compile(r"%(25|7C|7B|7D)")
_FIRST_DAY = date(1970, 1, 1)
_DAYS = 40_000
_AWKWARD = ("absent {}", "absent|{}", "absent%7C{}", "{{{}}}", "{}")
KeyValues = tuple[object, ...]


def online_key(prefix: bytes, values: KeyValues, columns: Sequence[Column]) -> bytes | None:
    """The key of an entity; None when a part is NULL or is no value of its type, which no online key can have."""
    if len(columns) == 1 and type(values[0]) is int and columns[0].type in INTEGERS:
        return integer_key(prefix, values[0])
    try:
        texts = [key_text(value, column) for value, column in zip(values, columns, strict=True)]
    except UsageError:
        return None
    known = [text for text in texts if text is not None]
    return entity_key(prefix, known) if len(known) == len(texts) else None


def values_of(key: bytes, prefix: bytes, columns: Sequence[Column]) -> KeyValues | None:
    """Read an online key back into values; None if it is none that a sync of this view would write."""
    try:
        entity = key.removeprefix(prefix).decode()
    except UnicodeDecodeError:
        return None
    if not entity.endswith("}"):
        return None
    texts = entity[:-1].split("|") if columns else []
    if len(texts) != len(columns):
        return None
    try:
        values = tuple(_value(_unescaped(text), column.type) for text, column in zip(texts, columns, strict=True))
    except (ValueError, OverflowError, InvalidOperation):
        return None
    return values if online_key(prefix, values, columns) == key else None


def absent_keys(view: FeatureView, count: int, rng: random.Random) -> list[KeyValues]:
    """Draw keys that hardly anybody has, those with awkward characters among them; for most types none exists."""
    draws = [_drawer(column.type, rng) for column in view.join_keys]
    return [tuple(draw() for draw in draws) for _ in range(count)]


def key_arrays(keys: Iterable[KeyValues], columns: Sequence[Column]) -> list[pa.Array]:
    """One Arrow array per join key; UUIDs as text, which meets a view's UUIDs too.

    Raises:
        pyarrow.ArrowException, OverflowError: a value is beyond its type.
    """
    import pyarrow as pa

    parts: list[Sequence[object]] = list(zip(*keys, strict=True)) or [() for _ in columns]
    kinds = [arrow_type(column.type) or pa.string() for column in columns]
    return [pa.array(part, kind) for part, kind in zip(parts, kinds, strict=True)]


def fitting_keys(keys: list[KeyValues], columns: Sequence[Column]) -> list[KeyValues]:
    """The keys whose values are all within their types."""
    if _fit(keys, columns):
        return keys
    return [values for values in keys if _fit([values], columns)]


def _fit(keys: Sequence[KeyValues], columns: Sequence[Column]) -> bool:
    import pyarrow as pa

    try:
        key_arrays(keys, columns)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _value(text: str, value_type: str) -> object:
    if value_type in INTEGERS:
        return int(text)
    if value_type.startswith("decimal("):
        return Decimal(text)
    read = _READERS.get(value_type)
    return text if read is None else read(text)


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _naive(text: str) -> datetime:
    return parse_instant(text).replace(tzinfo=None)


_READERS: dict[str, Callable[[str], object]] = {
    "boolean": _boolean,
    "float32": float,
    "float64": float,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": _naive,
    "timestamptz": parse_instant,
    "bytes": bytes.fromhex,
}


def _drawer(value_type: str, rng: random.Random) -> Callable[[], object]:
    """What draws a value of a type."""
    if value_type in INTEGERS:
        bits = 100 if value_type == "int128" else int(re.sub(r"\D", "", value_type))
        return lambda: rng.getrandbits(bits) if value_type.startswith("u") else rng.getrandbits(bits - 1)
    if value_type.startswith("decimal("):
        digits, scale = map(int, re.findall(r"-?\d+", value_type))
        return lambda: Decimal(rng.randrange(10**digits)).scaleb(-scale)
    draw: Callable[[], object] = {
        "boolean": lambda: rng.random() < 0.5,
        "float32": lambda: float(rng.getrandbits(24)),
        "float64": lambda: rng.uniform(-1e300, 1e300),
        "date": lambda: _FIRST_DAY + timedelta(days=rng.randrange(_DAYS)),
        "time": lambda: _moment(rng).time(),
        "timestamp": lambda: _moment(rng).replace(tzinfo=None),
        "timestamptz": lambda: _moment(rng),
        "uuid": lambda: str(UUID(int=rng.getrandbits(128))),
        "bytes": lambda: rng.randbytes(8),
    }.get(value_type, lambda: rng.choice(_AWKWARD).format(f"{rng.getrandbits(64):016x}"))
    return draw


def _moment(rng: random.Random) -> datetime:
    whole = timedelta(days=rng.randrange(_DAYS), microseconds=rng.randrange(86_400_000_000))
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + whole
