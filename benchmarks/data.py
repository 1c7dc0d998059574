"""The benchmark data: made from row numbers by integer mixing alone, so that every DuckDB makes the same rows.

Shape: ``driver_0 .. driver_4`` (driver_id, event_ts, created_ts, 8 features), ``spine`` (spine_id, driver_id,
event_timestamp) and ``spine_tenth``, a tenth of it; in one DuckDB file and as Parquet, in random order.
The traps: 5 % of the rows repeat another's key and event time with another created time; of the examples 1 % have an
unknown key, 1 % lie exactly at an event time, 1 % exactly at an event time plus the ttl, 0.5 % are duplicates.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA_DIR = Path(os.environ.get("FEATURESTORE_BENCH_DATA", Path(__file__).parent / ".data"))
SPAN_S = 90 * 86_400
START = "2026-01-01"
DAYS_OF_TTL = (7, 1, 3, 7, 2)
FEATURES = {
    "trips": "BIGINT",
    "rating": "INTEGER",
    "distance": "DOUBLE",
    "fare": "DOUBLE",
    "share": "FLOAT",
    "city": "VARCHAR",
    "vehicle": "VARCHAR",
    "is_active": "BOOLEAN",
}
"""Features of each view, in order; rating, fare, vehicle and is_active hold NULLs. Wide views repeat them."""

_MIX = (
    # Two rounds of a multiplicative generator modulo 2^31 - 1; every product stays below 2^63.
    "CREATE OR REPLACE TEMP MACRO scramble(x) AS xor(x, x >> 15) * 48271 % 2147483647",
    (
        "CREATE OR REPLACE TEMP MACRO mix(n, salt) AS"
        " scramble(scramble((n * 1103515245 + salt::BIGINT * 362437 + 12345) % 2147483647))"
    ),
    (
        f"CREATE OR REPLACE TEMP MACRO instant(n, salt) AS TIMESTAMP '{START}'"
        f" + to_microseconds(mix(n, salt) % {SPAN_S} * 1000000 + mix(n, salt + 1) % 1000000)"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much data: distinct keys, rows per view, examples, views, features per view."""

    name: str
    entities: int
    rows: int
    examples: int
    views: int = 5
    width: int = len(FEATURES)

    @property
    def features(self) -> dict[str, str]:
        """Names and types of the features of each view, in order: ``trips``, ..., ``trips_1``, ..."""
        repeated = (
            (f"{name}_{block}" if block else name, kind)
            for block in range(self.width)
            for name, kind in FEATURES.items()
        )
        return dict(islice(repeated, self.width))

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return DATA_DIR / f"bench_{self.name.lower()}.duckdb"

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables: the views, and the two spines."""
        return (*(f"driver_{number}" for number in range(self.views)), "spine", "spine_tenth")

    def parquet(self, table: str) -> Path:
        """One table as Parquet."""
        return DATA_DIR / f"bench_{self.name.lower()}" / f"{table}.parquet"


def _sized(name: str, rows: int, examples: int) -> Size:
    """One view with 100 rows per key."""
    return Size(name=name, entities=rows // 100, rows=rows, examples=examples, views=1)


SIZES = {
    size.name: size
    for size in (
        Size(name="S", entities=1_000, rows=100_000, examples=10_000),
        Size(name="SD", entities=50, rows=100_000, examples=10_000, views=3),
        Size(name="M", entities=10_000, rows=1_000_000, examples=100_000),
        Size(name="MD", entities=500, rows=1_000_000, examples=100_000, views=3),
        Size(name="L", entities=100_000, rows=10_000_000, examples=1_000_000, views=1),
        Size(name="L5", entities=100_000, rows=10_000_000, examples=1_000_000),
        Size(name="S50", entities=1_000, rows=20_000, examples=1_000, views=3, width=50),
        Size(name="K10", entities=10_000, rows=10_000, examples=1_000, views=1),
        Size(name="K20", entities=20_000, rows=20_000, examples=1_000, views=1),
        Size(name="K20W200", entities=20_000, rows=20_000, examples=1_000, views=1, width=200),
        Size(name="K20W500", entities=20_000, rows=20_000, examples=1_000, views=1, width=500),
        Size(name="K20W", entities=20_000, rows=20_000, examples=1_000, views=3, width=50),
        Size(name="K100", entities=100_000, rows=100_000, examples=1_000, views=3),
        Size(name="K1M", entities=1_000_000, rows=1_000_000, examples=1_000, views=1),
        Size(name="K3M", entities=3_000_000, rows=3_000_000, examples=1_000, views=1),
        _sized("R10K", 10_000, 1_000),
        _sized("R30K", 30_000, 1_000),
        _sized("R1M", 1_000_000, 100_000),
        _sized("R3M", 3_000_000, 100_000),
        _sized("R10M", 10_000_000, 100_000),
        _sized("R30M", 30_000_000, 100_000),
    )
}
"""S, M, L grow; SD and MD are dense (2,000 rows per key); S50 is wide, for lookups; the K.. have as many keys as
rows, for syncs, K20W.. wide; R.. for growth."""


def view_sql(size: Size, number: int) -> str:
    """The SELECT that makes the rows of one view."""
    salt = 100 * (number + 1)
    originals = size.rows * 95 // 100
    # A repeat takes key and event time of an original, each original at most once.
    key = f"{salt}"
    features = ",\n            ".join(islice(_feature_sql(salt), size.width))
    driver = "n % {entities} + 1" if size.rows == size.entities else f"mix(origin, {key}) % {{entities}} + 1"
    return f"""
        SELECT
            ({driver.format(entities=size.entities)})::BIGINT AS driver_id,
            instant(origin, {salt + 1}) AS event_ts,
            instant(origin, {salt + 1})
                + to_seconds(mix(n, {salt + 3}) % 3600 * 2 + (n <> origin)::INTEGER) AS created_ts,
            {features}
        FROM (
            SELECT range AS n, CASE WHEN range < {originals} THEN range ELSE (range - {originals}) * 19 END AS origin
            FROM range({size.rows})
        )
        ORDER BY mix(n, {salt + 17}), n
    """


def _feature_sql(salt: int) -> Iterator[str]:
    """Say how each feature is made, without end."""
    for block in count():
        n, end = salt + 600 * block, f"_{block}" if block else ""
        yield f"mix(n, {n + 4}) % 1000 AS trips{end}"
        yield f"CASE WHEN mix(n, {n + 5}) % 10 <> 0 THEN (mix(n, {n + 6}) % 77)::INTEGER END AS rating{end}"
        yield f"mix(n, {n + 7}) / 2147483647.0::DOUBLE AS distance{end}"
        yield f"CASE WHEN mix(n, {n + 8}) % 7 <> 0 THEN mix(n, {n + 9}) / 1024.0::DOUBLE END AS fare{end}"
        yield f"(mix(n, {n + 10}) % 4096 / 4096.0)::FLOAT AS share{end}"
        yield f"'city_' || mix(n, {n + 11}) % 20 AS city{end}"
        vehicle = (
            f"'vehicle-' || lpad((mix(n, {n + 13}))::VARCHAR, 10, '0') || lpad((mix(n, {n + 14}))::VARCHAR, 10, '0')"
        )
        yield f"CASE WHEN mix(n, {n + 12}) % 5 <> 0 THEN {vehicle} END AS vehicle{end}"
        yield f"CASE WHEN mix(n, {n + 15}) % 3 <> 0 THEN mix(n, {n + 16}) % 2 = 0 END AS is_active{end}"


def spine_sql(size: Size) -> str:
    """The SELECT that makes the examples; reads the views."""
    edges = "\n".join(
        f"""UNION ALL SELECT {number} AS view, row_number() OVER () - 1 AS at, driver_id, event_ts
            FROM (SELECT driver_id, event_ts FROM driver_{number} LIMIT {size.examples // 20})"""
        for number in range(1, size.views)
    )
    ttl = "CASE e.view " + " ".join(f"WHEN {n} THEN {days}" for n, days in enumerate(DAYS_OF_TTL)) + " END"
    return f"""
        WITH numbered AS (
            SELECT range AS n, CASE WHEN mix(range, 7) % 200 = 0 THEN range // 2 ELSE range END AS spine_id
            FROM range({size.examples})
        ),
        edges AS (
            SELECT 0 AS view, row_number() OVER () - 1 AS at, driver_id, event_ts
            FROM (SELECT driver_id, event_ts FROM driver_0 LIMIT {size.examples // 20})
            {edges}
        ),
        drawn AS (SELECT n, spine_id, mix(spine_id, 11) % 100 AS kind FROM numbered)
        SELECT
            d.spine_id,
            CASE
                WHEN d.kind = 0 THEN {size.entities} + 1 + mix(d.spine_id, 13) % 1000
                WHEN d.kind IN (1, 2) THEN e.driver_id
                ELSE mix(d.spine_id, 17) % {size.entities} + 1
            END AS driver_id,
            CASE
                WHEN d.kind = 1 THEN e.event_ts
                WHEN d.kind = 2 THEN e.event_ts + to_days(({ttl})::INTEGER)
                ELSE instant(d.spine_id, 19)
            END AS event_timestamp
        FROM drawn AS d
        LEFT JOIN edges AS e
            ON d.kind IN (1, 2) AND e.view = d.spine_id % {size.views} AND e.at = d.spine_id % {size.examples // 20}
        ORDER BY mix(d.n, 23), d.n
    """


def ensure(name: str) -> Size:
    """Make the data of a size unless it is there already; returns the size."""
    size = SIZES[name]
    if size.database.exists():
        return size
    partial = size.database.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    size.parquet("spine").parent.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(str(partial), config={"memory_limit": "4GB"})
    for statement in _MIX:
        connection.execute(statement)
    for number in range(size.views):
        connection.execute(f"CREATE TABLE driver_{number} AS {view_sql(size, number)}")
    connection.execute(f"CREATE TABLE spine AS {spine_sql(size)}")
    connection.execute("CREATE TABLE spine_tenth AS SELECT * FROM spine WHERE spine_id % 10 = 3")
    for table in size.tables:
        connection.execute(f"COPY {table} TO '{size.parquet(table)}' (FORMAT parquet, COMPRESSION zstd)")
    connection.close()
    partial.rename(size.database)
    return size


def main() -> None:
    """Make the data of the sizes named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", default=["M"], choices=sorted(SIZES))
    for name in parser.parse_args().sizes:
        print(ensure(name).database)


if __name__ == "__main__":
    main()
