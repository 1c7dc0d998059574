"""Keys, times and ties of types that few projects have: the answer is that of the rules, by every strategy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.part import Part
from featurestore.definitions.project import Project
from featurestore.definitions.types import parse_type
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import NameClashError, UsageError
from featurestore.sql.dialects import dialect_named
from featurestore.training.hash import hash_table
from featurestore.training.request import Question, Surroundings, ask
from tests.shop_in_memory import shop_warehouse

NOON = datetime(2026, 6, 1, 12)
NOON_UTC = NOON.replace(tzinfo=timezone.utc)
UUID = "f0000000-0000-4000-8000-00000000000a"
STRATEGIES = dialect_named("duckdb").strategies
VIEW = FeatureView(
    name="orders",
    relation='"shop"."main"."orders"',
    entities=("customer",),
    join_keys=(Column(name="k", type="int64"),),
    event_time=Column(name="at", type="timestamp"),
    features=(Feature(name="x", type="int64"),),
)
by_every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


@pytest.fixture
def asked(tmp_path):
    """A function that makes the table `orders` and asks for what examples see of it."""

    def ask_it(statement, spine, view=VIEW, **question):
        with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
            connection.execute(f"create or replace table orders as {statement}")
        around = Surroundings(
            project=Project(name="shop", views=(view,)),
            registry_version=1,
            model=lambda name: None,
            open_warehouse=lambda read_only: shop_warehouse(tmp_path, read_only),
            cards_dir=tmp_path,
        )
        return ask(Question(**{"spine": spine, "features": ("orders",), **question}), around)

    return ask_it


def keyed(kind):
    return replace(VIEW, join_keys=(Column(name="k", type=parse_type(kind)),))


@by_every_strategy
@pytest.mark.parametrize("first", ["z", "a"])
def test_an_enum_breaks_a_tie_as_the_text_it_is(asked, strategy, first):
    """P4: 'z' is greater than 'a', as on every engine, wherever the type has it."""
    second = {"z": "a", "a": "z"}[first]
    rows = " union all ".join(
        f"select 1::bigint as k, timestamp '{NOON}' as at, '{x}'::enum('z', 'a') as x" for x in (first, second)
    )
    view = replace(VIEW, features=(Feature(name="x", type="string"),))
    job = asked(rows, {"k": [1], "event_timestamp": [NOON]}, view, strategy=strategy)
    assert job.to_arrow().column("x").to_pylist() == ["z"]
    assert job.explain_row(0).views[0].values == {"x": "z"}


@by_every_strategy
def test_times_count_to_the_microsecond_also_where_a_table_has_nanoseconds(asked, strategy):
    """P2, P4: two rows of one microsecond are tied, and the years after 2262 are as good as any."""
    view = replace(VIEW, event_time=Column(name="at", type="timestamp_ns"))
    rows = f"select 1::bigint as k, unnest([2, 1]) as x, unnest([timestamp_ns '{NOON}', '{NOON}.0000001']) as at"
    rows += " union all select 2, 3, 'infinity'::timestamp_ns union all select 3, 4, '-infinity'::timestamp_ns"
    times = [NOON, NOON - timedelta(microseconds=1), datetime(9999, 12, 31), datetime(9999, 12, 31), datetime(1, 1, 1)]
    job = asked(rows, {"k": [1, 1, 1, 2, 3], "event_timestamp": times}, view, strategy=strategy)
    assert job.to_arrow().column("x").to_pylist() == [2, None, 2, None, 4]


@by_every_strategy
@pytest.mark.parametrize("at", [NOON, datetime(1960, 1, 1)])
def test_nanoseconds_of_an_example_never_let_it_see_the_next_microsecond(asked, strategy, at):
    """P2: a time is cut to the microsecond, not rounded up to one that has not come yet."""
    frame = duckdb.sql(f"select 1::bigint as k, timestamp_ns '{at}.000000999' as event_timestamp").to_arrow_table()
    rows = f"select 1::bigint as k, timestamp '{at}' + to_microseconds(x) as at, x from range(2) t(x)"
    job = asked(rows, frame, strategy=strategy)
    assert job.to_arrow().column("x").to_pylist() == [0]
    assert job.explain_row(0).views[0].values == {"x": 0}


def test_nanoseconds_with_a_zone_meet_rows_that_are_valid_until_9999(asked):
    """P9: as pandas has times, and as models write the end of what has not ended."""
    times = pa.array([int(NOON_UTC.timestamp()) * 10**9 + 999], pa.timestamp("ns", "Asia/Tokyo"))
    rows = f"""select 1::bigint as k, timestamp '{NOON}' + to_microseconds(x) as at, timestamp '9999-12-31' as until, x
            from range(2) t(x)"""
    view = replace(VIEW, valid_to=Column(name="until", type="timestamp"))
    for each in (VIEW, view):
        job = asked(rows, pa.table({"k": [1], "t": times}), each)
        assert job.to_arrow().select(["t", "x"]).to_pydict() == {"t": times.to_pylist(), "x": [0]}
        assert job.explain_row(0).views[0].values == {"x": 0}


@by_every_strategy
@pytest.mark.parametrize("ttl_us", [None, 1])
def test_the_two_zeros_are_one_key_and_nan_is_one_too(asked, strategy, ttl_us):
    """P2: they are equal in SQL, so in every hash and every order, too."""
    rows = f"select unnest([0.0, 1, 'nan'::double]) as k, timestamp '{NOON}' as at, unnest([1, 2, 3]) as x"
    spine = pa.table({"k": [-0.0, 0.0, -1.0, float("nan"), None], "event_timestamp": [NOON] * 5})
    job = asked(rows, spine, replace(keyed("double"), ttl_us=ttl_us), strategy=strategy)
    assert job.to_arrow().column("x").to_pylist() == [1, 1, None, 3, None]


@by_every_strategy
@pytest.mark.parametrize("text", [UUID, UUID.upper()])
def test_a_uuid_that_a_frame_has_as_text_meets_the_views_uuid(asked, strategy, text):
    """P2: it is compared as a UUID, so its spelling does not matter; the frame's column stays as it was (P1)."""
    rows = f"select '{UUID}'::uuid as k, timestamp '{NOON}' as at, 7::bigint as x"
    job = asked(rows, {"k": [text, None], "event_timestamp": [NOON, NOON]}, keyed("uuid"), strategy=strategy)
    assert job.to_arrow().select(["k", "x"]).to_pylist() == [{"k": text, "x": 7}, {"k": None, "x": None}]
    assert job.explain_row(0).views[0].values == {"x": 7}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("time", "'12:00:00.000001'"),
        ("bigint[]", "[1]"),
        ("timestamp_ns", "'2026-06-01 12:00:00.000000001'"),
        ("tinyint", "-1"),
        ("ubigint", "18446744073709551615"),
        ("timestamptz", "'2026-06-01 12:00:00+00'"),
    ],
)
def test_a_key_that_was_read_from_the_warehouse_can_be_asked_for_again(asked, kind, value):
    """P2: a frame has the warehouse's types, so its keys equal themselves."""
    rows = f"select {value}::{kind} as k, timestamp '{NOON}' as at, 7::bigint as x"
    frame = duckdb.sql(f"select {value}::{kind} as k").to_arrow_table()
    job = asked(rows, frame.append_column("seen_at", [[NOON]]), keyed(kind), time="seen_at")
    assert job.to_arrow().column("x").to_pylist() == [7]
    if "[" not in kind:
        assert job.explain_row(0).views[0].values == {"x": 7}
    sample = asked(
        rows, frame.append_column("seen_at", [[NOON]]), keyed(kind), time="seen_at", part=Part(sample_rows=1)
    )
    assert sample.to_arrow().column("x").to_pylist() == [7]


def test_a_time_with_a_zone_is_one_also_behind_a_dictionary(asked):
    """P14."""
    times = pa.array([NOON], pa.timestamp("us", "Asia/Kolkata")).dictionary_encode()
    job = asked(f"select 1::bigint as k, timestamp '{NOON}' as at, 7::bigint as x", pa.table({"k": [1], "t": times}))
    assert job.compiled.spine.column("t").type == "timestamptz"
    assert job.to_arrow().column("x").to_pylist() == [7]


def test_categories_of_polars_are_written_and_hashed(asked, tmp_path):
    """P1, P13: polars hands texts on as views, categories too."""
    spine = pl.DataFrame(
        {
            "k": [1, 1],
            "event_timestamp": [NOON, NOON],
            "plan": pl.Series(["free", None], dtype=pl.Categorical),
            "tier": pl.Series(["gold", "silver"], dtype=pl.Enum(["silver", "gold"])),
        }
    )
    card = asked("select 1::bigint as k, timestamp '2026-06-01' as at, 7::bigint as x", spine).to_parquet(
        tmp_path / "train.parquet"
    )
    written = pq.read_table(tmp_path / "train.parquet")
    assert hash_table(written) == card.data_hash
    assert written.select(["plan", "tier"]).to_pylist() == [
        {"plan": "free", "tier": "gold"},
        {"plan": None, "tier": "silver"},
    ]


@pytest.mark.parametrize(("sign", "said"), [(1, "infinity"), (-1, "-infinity")])
def test_an_example_at_the_end_of_time_has_an_answer_but_no_explanation(asked, sign, said):
    """P2: a row is before infinity; a timeline cannot be drawn from there."""
    times = pa.array([sign * (2**63 - 1)], pa.timestamp("us"))
    job = asked(f"select 1::bigint as k, timestamp '{NOON}' as at, 7::bigint as x", pa.table({"k": [1], "t": times}))
    assert job.to_arrow().column("x").to_pylist() == [7 if sign > 0 else None]
    with pytest.raises(UsageError, match=f"an example at {said} cannot be explained"):
        job.explain_row(0)


@pytest.mark.parametrize(
    "without_a_spine", [{"at": NOON_UTC}, {"start": NOON_UTC, "end": NOON_UTC}], ids=["at", "range"]
)
@pytest.mark.parametrize(
    ("key", "name", "said"),
    [("k=X", "X", "'x': column 'X' of the spine and"), ("k=event_timestamp", "event_timestamp", "a join key, and the")],
)
def test_no_two_columns_of_a_snapshot_or_a_range_have_one_name(asked, without_a_spine, key, name, said):
    """P12, P16: the keys are columns of the result, under the names that the request gives them."""
    rows = f"select 1::bigint as k, timestamp '{NOON}' as at, 7::bigint as x"
    with pytest.raises(NameClashError, match=said):
        asked(rows, None, features=(f"orders[{key}]:x",), **without_a_spine)
    if name == "X":
        job = asked(rows, None, features=(f"orders[{key}]:x",), full_feature_names=True, **without_a_spine)
        assert job.to_arrow().select(["X", "orders__x"]).to_pylist() == [{"X": 1, "orders__x": 7}]
