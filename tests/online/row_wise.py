"""A second encoder, a few lines and slow: every row in Python, packed by msgspec. What `RowEncoder` must equal."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from featurestore.online.codec import HEADER_CELLS, header, microseconds
from featurestore.online.encode import EXPIRY_IN_TTLS
from featurestore.online.keys import entity_key, key_prefix, key_text
from featurestore.online.protocol import NO_CREATED_TIME

MICROSECOND = timedelta(microseconds=1)


def encode_row_wise(view, batch, project="shop"):
    """Rows as (key, value, event time, created time, expiry), of those that have a key and an event time."""
    return [row(view, each, project) for each in batch.to_pylist() if has_key_and_time(view, each)]


def has_key_and_time(view, values):
    return all(values[column.name] is not None for column in (*view.join_keys, view.event_time))


def row(view, values, project):
    key = entity_key(key_prefix(project, view), [key_text(values[each.name], each) for each in view.join_keys])
    event_us = microseconds(values[view.event_time.name])
    created = None if view.created_at is None else values[view.created_at.name]
    created_us = NO_CREATED_TIME if created is None else microseconds(created)
    cells = [cell(values[column.name], column.type) for column in view.online_columns]
    packed = b"".join(msgspec.msgpack.encode(each) for each in cells)
    value = header(HEADER_CELLS + len(cells), event_us, created_us, view.fingerprint) + packed
    return key, value, event_us, created_us, expiry(event_us, view.ttl_us)


def expiry(event_us, ttl_us):
    if ttl_us is None:
        return None
    exact = min(max(1, (event_us + EXPIRY_IN_TTLS * ttl_us + 999) // 1000), 2**62)
    step = min(max(1, ttl_us // 32_000), 2**40)
    return -(-exact // step) * step


def cell(value, value_type):
    """A value as to_pylist gives it, as a row holds it."""
    if value is None:
        return None
    if value_type.startswith("list<"):
        return [cell(item, value_type[len("list<") : -1]) for item in value]
    if value_type.startswith("map<"):
        return dict(value)
    if isinstance(value, datetime):
        return microseconds(value)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    if value_type == "time":
        return (datetime.combine(date.min, value) - datetime.min) // MICROSECOND
    if value_type == "uuid":
        return str(UUID(bytes=value) if isinstance(value, bytes) else UUID(str(value)))
    if value_type in {"float32", "float64"}:
        return float(value)
    return str(value) if isinstance(value, Decimal) else value
