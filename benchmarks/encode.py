"""How fast Arrow batches become online rows: rows per second of one core, ours and one row after the other in Python.

Both sides must give the same bytes. ``python -m benchmarks.encode SIDE FEATURES BATCHES`` runs one of them.
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

from benchmarks.bench import Case, Goal, Line, Options, Recorder, compare, run
from benchmarks.clock import measured, report

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from featurestore.definitions.views import FeatureView
    from featurestore.online.protocol import RowBatch

NAME = "encode"
MEASURES = ("rows_per_s", "cpu_s", "peak_mib")
BATCH_ROWS = 16_384
FEATURES = {
    "8": {"float64": 4, "int64": 2, "string": 1, "boolean": 1},
    "50": {"float64": 25, "int64": 15, "string": 5, "boolean": 5},
}
"""How many features of each type: floats, integers of one to five bytes, texts of ten letters, booleans with NULLs."""
SIDES = ("ours", "row by row")


def main(options: Options) -> None:
    """Measure both sides of each view."""
    batches = 4 if options.quick else 128
    cases = [
        Case(name=f"{side}, {features} features", question=features, measure=_measure(side, features, batches))
        for features in options.chosen(FEATURES)
        for side in SIDES
    ]
    recorder = Recorder(name=NAME)
    compare(cases, recorder, options.rounds)
    goal = Goal(measure="rows_per_s", of="ours, 8 features", at_least=1.5e6)
    recorder.summarize(MEASURES, ours=cases[0].name, other=cases[1].name, goals=[goal])


def _measure(side: str, features: str, batches: int) -> Callable[[], Line]:
    return lambda: run("encode", side, features, str(batches))[-1]


def encode(side: str, features: str, batches: int) -> None:
    """Encode one batch again and again; prints what that took and a checksum of the rows."""
    view, batch = _view(features), _batch(features)
    work = _ours(view) if side == "ours" else _row_by_row(view)
    rows = work(batch)
    with measured() as used:
        for _ in range(batches):
            work(batch)
    digest = hashlib.sha256(b"".join(rows.keys.to_pylist() + rows.values.to_pylist())).hexdigest()[:16]
    report(used, rows_per_s=round(batches * batch.num_rows / used.cpu_s), checksum=digest)


def _ours(view: FeatureView) -> Callable[[pa.RecordBatch], RowBatch]:
    from featurestore.online.encode import RowEncoder

    encoder = RowEncoder(view, project="bench")
    return lambda batch: encoder.encode(batch).rows


def _row_by_row(view: FeatureView) -> Callable[[pa.RecordBatch], RowBatch]:
    """Lists of Python values, each row packed by msgspec: the fastest that Python does without numpy."""
    import msgspec
    import pyarrow as pa

    from featurestore.online.batches import batch_of
    from featurestore.online.codec import HEADER_CELLS, header
    from featurestore.online.keys import integer_key, key_prefix
    from featurestore.online.protocol import NO_CREATED_TIME

    prefix, pack, cells = key_prefix("bench", view), msgspec.msgpack.Encoder().encode, len(view.features)
    mark_bytes, fingerprint = 1 if cells <= 15 else 3, view.fingerprint

    def work(batch: pa.RecordBatch) -> RowBatch:
        event_us = batch["observed_at"].cast(pa.int64()).to_pylist()
        rows = zip(event_us, zip(*[batch[each.name].to_pylist() for each in view.features], strict=True), strict=True)
        return batch_of(
            [integer_key(prefix, number) for number in batch["user_id"].to_pylist()],
            [
                header(HEADER_CELLS + cells, us, NO_CREATED_TIME, fingerprint) + pack(row)[mark_bytes:]
                for us, row in rows
            ],
            event_us=event_us,
            created_us=[NO_CREATED_TIME] * batch.num_rows,
        )

    return work


def _types(features: str) -> list[str]:
    return [each for each, count in FEATURES[features].items() for _ in range(count)]


def _view(features: str) -> FeatureView:
    from featurestore.definitions.views import Column, Feature, FeatureView

    return FeatureView(
        name="orders",
        relation="orders",
        join_keys=(Column(name="user_id", type="int64"),),
        event_time=Column(name="observed_at", type="timestamp"),
        features=tuple(Feature(name=f"f{place}", type=each) for place, each in enumerate(_types(features))),
    )


def _batch(features: str) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    random, rows = np.random.default_rng(7), BATCH_ROWS
    make = {
        "float64": lambda: pa.array(random.normal(size=rows)),
        "int64": lambda: pa.array(random.integers(0, 10 ** random.integers(2, 7), rows)),
        "string": lambda: pa.array([f"segment_{number}" for number in random.integers(0, 100, rows)]),
        "boolean": lambda: pa.array(random.integers(0, 2, rows) == 1, mask=random.integers(0, 5, rows) == 0),
    }
    times = pa.array(random.integers(1_700_000_000, 1_770_000_000, rows) * 1_000_000, pa.timestamp("us"))
    columns = {f"f{place}": make[each]() for place, each in enumerate(_types(features))}
    return pa.record_batch({"user_id": pa.array(random.permutation(rows)), "observed_at": times, **columns})


if __name__ == "__main__":
    encode(sys.argv[1], sys.argv[2], int(sys.argv[3]))
