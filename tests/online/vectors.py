"""The test vectors of docs/online-format.md: what to store, and what a reader must find in it.

``python -m tests.online.vectors`` writes docs/online-format-vectors.json anew. Keys and rows come from the package's
encoder; the cells beside them from the row-by-row encoder of the tests.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa

from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.online.arrow_types import arrow_type
from featurestore.online.codec import NO_CREATED_TIME, tombstone
from featurestore.online.encode import RowEncoder
from featurestore.online.keys import key_text
from featurestore.online.layouts import layout_note
from featurestore.online.state import RowSet, ViewState, format_state, join_keys_of, made_set, state_note
from tests.online.row_wise import cell

DOCS = Path(__file__).parents[2] / "docs"
VECTORS = DOCS / "online-format-vectors.json"
NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
ABOUT = "Test vectors of the online format; docs/online-format.md explains them."

SCALARS = {
    "boolean": (True, False),
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "int128": (Decimal(-(10**37)), Decimal(10**37)),
    "float32": (-math.inf, 0.5),
    "float64": (math.nan, -0.0),
    "decimal(9,2)": (Decimal("-9999999.99"), Decimal("10.50")),
    "string": ("", "\ufeffключ 🏠"),
    "json": ('{"a": [1, null]}', "null"),
    "uuid": (UUID(int=0), UUID("123e4567-e89b-12d3-a456-426614174000")),
    "bytes": (b"", b"\x00\xff"),
    "date": (date(1, 1, 1), date(2026, 1, 31)),
    "time": (time(0), time(23, 59, 59, 999_999)),
    "timestamp": (datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(2026, 1, 31, 12)),
    "timestamptz": (datetime(1, 1, 1, tzinfo=timezone.utc), NOON),
}
NESTED = {
    "list<float32>": ([], [0.5, None, -1.5]),
    "list<list<int64>>": ([[], None], [[1, 2**40], [-1]]),
    "struct<at timestamp, money decimal>": ({"at": NOON, "money": Decimal("1.50")}, {"at": None, "money": None}),
    "map<varchar, integer>": ([("a", 1), ("b", None)], []),
}
NESTED_IN_A_ROW = {
    "struct<at timestamp, money decimal>": (
        {"at": "2026-01-31T12:00:00Z", "money": "1.50"},
        {"at": None, "money": None},
    )
}
INTEGERS = sorted(
    {sign * 2**bits + step for bits in (5, 7, 8, 15, 16, 31, 32, 62) for step in (-1, 0) for sign in (1, -1)}
)
LENGTHS = (0, 1, 31, 32, 255, 256)
KEYS = {
    "int64": -1,
    "int128": 10**37,
    "string": "50%|{a}:@+",
    "boolean": True,
    "decimal(9,2)": Decimal("1.50"),
    "float64": 1e-7,
    "float32": 1.0,
    "date": date(2026, 1, 31),
    "time": time(12, 30),
    "timestamp": datetime(2026, 1, 31, 12),
    "timestamptz": NOON,
    "uuid": UUID("123E4567-E89B-12D3-A456-426614174000"),
    "bytes": b"\x00\xff",
}


def vectors():
    """The whole document."""
    return {"about": ABOUT, "views": [*every_type(), integers(), texts(), wide(), key_texts(), second_set(), keyless()]}


def every_type():
    types = {**SCALARS, **NESTED}
    rows = [(number, [values[number] for values in types.values()]) for number in range(2)]
    cells = [[NESTED_IN_A_ROW.get(each, values)[number] for each, values in types.items()] for number in range(2)]
    nothing = [None] * len(types)
    view = view_of("every_type", types, created_at=Column(name="loaded_at", type="timestamptz"))
    yield vector(view, [((k,), row) for k, row in [*rows, (2, nothing)]], [*cells, nothing], gone=(3,))


def integers():
    rows = [((place,), [value]) for place, value in enumerate(INTEGERS)]
    return vector(view_of("integers", ["int64"]), rows)


def texts():
    rows = [((length,), ["x" * length, b"x" * length, [True] * length]) for length in LENGTHS]
    return vector(view_of("texts", ["string", "bytes", "list<boolean>"]), rows)


def wide():
    """More columns than a short MessagePack array holds."""
    return vector(view_of("wide", ["int64"] * 20), [((1,), list(range(20)))])


def key_texts():
    return vector(view_of("key_texts", ["int64"], keys=tuple(KEYS), version="1.0+a"), [(tuple(KEYS.values()), [7])])


def second_set():
    """Readers of this view ask its set of rows 1: set 2 is not whole, set 0 was made with another join key."""
    view = view_of("orders: big@", ["int64"], keys=("string", "int64"), version="2")
    retired = RowSet(number=0, join_keys=(("k0", "string"),), definition="0123456789abcdef", retired_at=NOON)
    loading = replace(made_set(view, 2), retired_at=NOON, is_whole=False)
    state = ViewState(sets=(loading, made_set(view, 1), retired), last_number=2)
    rows = [(("a|b", 1), [1]), (("a", 1), [2]), (("", 0), [3]), (("%7C", 0), [4])]
    return vector(view, rows, state=state, project="shop:eu")


def keyless():
    return vector(view_of("rates", ["float64"], keys=()), [((), [1.25])])


def view_of(name, types, keys=("int64",), **options):
    return FeatureView(
        name=name,
        relation="r",
        join_keys=tuple(Column(name=f"k{place}", type=each) for place, each in enumerate(keys)),
        event_time=Column(name="observed_at", type="timestamp"),
        features=tuple(Feature(name=f"c{place}", type=each) for place, each in enumerate(types)),
        **options,
    )


def vector(view, rows, cells=None, *, gone=None, state=None, project="shop"):
    """One view: what a reader knows of it, the notes in the store, and its rows.

    Args:
        rows: pairs of key values and column values.
        cells: what stands in the rows, where it is not what the values are.
        gone: key values of a tombstone.
        state: the note about the view, if the store has one.
    """
    cells = [row for _, row in rows] if cells is None else cells
    row_set = 0 if state is None else state.set_for(view)
    encoder = RowEncoder(view, project=project, row_set=row_set)
    entities = [key for key, _ in rows] + ([] if gone is None else [gone])
    encoded = encoder.encode(batch(view, entities, [row for _, row in rows] + [[None] * len(view.features)])).rows
    values = encoded.values.to_pylist()[: len(rows)]
    written = [*zip(values, cells, strict=True)]
    if gone is not None:
        written.append((tombstone(encoded.event_us[-1].as_py(), None, view.fingerprint), None))
    found = [*zip(encoded.keys.to_pylist(), entities, written, encoded.event_us.to_pylist(), strict=True)]
    notes = {} if state is None else {state_note(view): format_state(state).decode()}
    layout = [[column.name, column.type] for column in view.online_columns]
    return {
        "project": project,
        "view": view.name,
        "version": view.version,
        "join_keys": [list(pair) for pair in join_keys_of(view)],
        "columns": layout,
        "fingerprint": view.fingerprint,
        "notes": {**notes, layout_note(view, view.fingerprint): json.dumps(layout, separators=(",", ":"))},
        "rows": [documented_row(view, *each) for each in found],
    }


def documented_row(view, key, entity, written, event_us):
    value, cells = written
    created = int.from_bytes(value[13:21], "big", signed=True)
    return {
        "entity": [key_text(each, column) for each, column in zip(entity, view.join_keys, strict=True)],
        "key": key.decode(),
        "value": value.hex(),
        "event_us": event_us,
        "created_us": None if created == NO_CREATED_TIME else created,
        "cells": None if cells is None else tagged_cells(view, cells),
    }


def tagged_cells(view, cells):
    return [tagged(cell(each, column.type)) for each, column in zip(cells, view.online_columns, strict=True)]


def tagged(value):
    """A cell as the document writes it, so that no JSON reader takes it for something else."""
    if isinstance(value, float):
        return {
            "float": value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity"}.get(str(value), "-Infinity")
        }
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[tagged(key), tagged(item)] for key, item in value.items()]}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"integer": str(value)}
    return value


def batch(view, entities, rows):
    count = len(entities)
    columns = {
        column.name: arrow(column.type, [entity[place] for entity in entities])
        for place, column in enumerate(view.join_keys)
    }
    columns["observed_at"] = pa.array([NOON.replace(tzinfo=None)] * count, pa.timestamp("us"))
    if view.created_at is not None:
        loaded = [NOON + timedelta(minutes=5), *[None] * (count - 1)]
        columns[view.created_at.name] = pa.array(loaded, pa.timestamp("us", "UTC"))
    for place, column in enumerate(view.online_columns):
        columns[column.name] = arrow(column.type, [row[place] for row in rows[:count]])
    return pa.record_batch(columns)


def arrow(value_type, values):
    special = {
        "struct<at timestamp, money decimal>": pa.struct(
            {"at": pa.timestamp("us", "UTC"), "money": pa.decimal128(9, 2)}
        ),
        "map<varchar, integer>": pa.map_(pa.string(), pa.int32()),
    }
    if value_type == "uuid":
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    if value_type == "int128":
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, special.get(value_type) or arrow_type(value_type))


def text():
    """The file: a line per row."""
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    views = []
    for view in vectors()["views"]:
        head = ", ".join(
            f"{json.dumps(name)}: {json.dumps(view[name], ensure_ascii=False)}" for name in view if name != "rows"
        )
        rows = ",\n    ".join(json.dumps(row, **compact) for row in view["rows"])
        views.append(f'  {{{head}, "rows": [\n    {rows}\n  ]}}')
    return f'{{"about": {json.dumps(ABOUT)}, "views": [\n' + ",\n".join(views) + "\n]}\n"


if __name__ == "__main__":
    VECTORS.write_text(text(), encoding="utf-8")
