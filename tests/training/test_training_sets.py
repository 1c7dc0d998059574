"""A training set from every kind of examples, into every kind of result."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.definitions.moments import parse_moment
from featurestore.definitions.views import Column
from featurestore.errors import NameClashError, OperationError, QueryError, SpineError, UsageError
from featurestore.training.request import Question, ask
from tests.shop_in_memory import around_shop, change_shop, make_shop

JUNE_4 = datetime(2026, 6, 4)
JUNE_9 = datetime(2026, 6, 9)
COUNT = ("orders:order_count",)


@pytest.fixture
def shop(tmp_path):
    make_shop(tmp_path)
    return tmp_path


def ask_shop(folder, spine=None, features=COUNT, **question):
    return ask(Question(spine=spine, features=features, **question), around_shop(folder))


FRAMES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.table,
    "a mapping": lambda columns: columns,
    "rows": lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_any_frame_is_a_spine(shop, frame):
    spine = frame({"customer_id": [1, 2, 1], "event_timestamp": [JUNE_9, JUNE_9, JUNE_4]})
    assert ask_shop(shop, spine).to_arrow().column("order_count").to_pylist() == [2, 1, 1]


def test_rows_of_a_frame_come_back_in_order_with_duplicates(shop):
    """P1: ten thousand examples in an order that no sort gives, each twice."""
    ids = [(n * 7919) % 4 for n in range(10_000)] * 2
    spine = pl.DataFrame({"customer_id": ids, "event_timestamp": [JUNE_9] * 20_000, "n": range(20_000)})
    result = ask_shop(shop, spine).to_polars()
    assert result["n"].to_list() == list(range(20_000))
    assert result["order_count"].to_list() == [{1: 2, 2: 1}.get(i) for i in ids]


def test_a_pandas_frame_keeps_its_index_and_columns(shop):
    """P1: the index, the categorical and the zone of the time are the user's own."""
    spine = pd.DataFrame(
        {
            "customer_id": np.array([2, 1], dtype="int32"),
            "event_timestamp": pd.to_datetime(["2026-06-09 02:00", "2026-06-09 02:00"]).tz_localize("Europe/Berlin"),
            "segment": pd.Categorical(["b", "a"]),
        },
        index=pd.Index(["second", "first"], name="who"),
    )
    result = ask_shop(shop, spine).to_df()
    pd.testing.assert_frame_equal(result[list(spine.columns)], spine)
    assert result["order_count"].to_list() == [1, 2]


def test_a_frame_is_written_to_parquet_with_its_own_columns(shop):
    """P1: what was uploaded is not what comes back: the warehouse knows neither this zone nor this dictionary."""
    zoned = pa.array([datetime(2026, 6, 9)], pa.timestamp("us", "Europe/Berlin"))
    segment = pa.array(["a"]).dictionary_encode()
    spine = pa.table({"customer_id": pa.array([1], pa.int16()), "event_timestamp": zoned, "segment": segment})
    ask_shop(shop, spine).to_parquet(shop / "train.parquet")
    written = pq.read_table(shop / "train.parquet")
    assert written.select(spine.column_names).schema == spine.schema
    assert written.column("order_count").to_pylist() == [2]


def test_a_frame_meets_no_view_of_the_same_name(shop):
    spine = {"customer_id": [1], "event_timestamp": [JUNE_9]}
    result = ask_shop(shop, spine, features=("orders as examples:order_count",)).to_arrow()
    assert result.column("order_count").to_pylist() == [2]


@pytest.mark.parametrize(
    ("spine", "says"),
    [
        ({"customer_id": [1, 2], "event_timestamp": [JUNE_9]}, "this dict as examples: "),
        ({"customer_id": 1, "event_timestamp": JUNE_9}, "this dict as examples: "),
        ({"customer_id": [2**70], "event_timestamp": [JUNE_9]}, "this dict as examples: "),
        (pd.DataFrame({"x": [1, "a"]}), "this DataFrame as examples: Conversion failed for column x with type object"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "this DataFrame as examples: Duplicate column names"),
        (pd.Series([1]), "Series as examples"),
        (pl.Series([1]), "Series as examples"),
        ({"customer_id": [1], "event_timestamp": [JUNE_9], "__example": [5]}, "'__example' is reserved"),
        ("select * from {{ ref('labels') }}", "spine: the SQL holds Jinja, which only dbt renders"),
    ],
)
def test_what_arrow_or_sql_cannot_hold_is_refused_by_name(shop, spine, says):
    with pytest.raises(SpineError) as caught:
        ask_shop(shop, spine)
    assert says in str(caught.value)


def test_a_column_that_the_warehouse_cannot_read_is_refused(shop):
    halves = pa.array([np.float16(1.5)], pa.float16())
    spine = pa.table({"customer_id": [1], "event_timestamp": [JUNE_9], "half": halves})
    with pytest.raises(QueryError, match="Unsupported Internal Arrow Type"):
        ask_shop(shop, spine).to_arrow()


def test_the_usual_time_column_is_found_in_any_case(shop):
    spine = 'select customer_id, label_at as "EVENT_TIMESTAMP", now() as other from labels'
    assert ask_shop(shop, spine).time == "EVENT_TIMESTAMP"


def test_values_keep_the_types_of_the_warehouse(shop):
    """P13: integers with NULLs stay integers, decimals decimals, an empty list is not a NULL list."""
    spine = pd.DataFrame({"customer_id": [1, 2, 3], "event_timestamp": [JUNE_9] * 3})
    job = ask_shop(shop, spine, features=("orders",))
    table = job.to_arrow()
    assert table.schema.field("order_count").type == pa.int64()
    assert table.column("amount").to_pylist() == [Decimal("30.00"), Decimal("5.25"), None]
    assert table.column("tags").to_pylist() == [[], None, None]
    frame = job.to_df()
    assert frame["order_count"].dtype == "Int64"
    assert frame["order_count"].isna().to_list() == [False, False, True]


@pytest.mark.parametrize(
    "spine",
    [
        "labels",
        "ref('labels')",
        '{{ ref("labels") }}',
        "select * from labels",
        "-- mine\nwith l as (select * from labels) select * from l;",
        '"shop"."main"."labels"',
    ],
)
def test_a_table_a_model_or_sql_is_a_spine(shop, spine):
    result = ask_shop(shop, spine).to_arrow().sort_by("customer_id").to_pydict()
    assert result["order_count"] == [1, None]
    assert result["bought"] == [True, False]


@pytest.mark.parametrize("name", ["spine.csv", "spine.parquet", "spine.tsv"])
def test_a_file_is_a_spine(shop, name, monkeypatch):
    monkeypatch.chdir(shop)
    frame = pd.DataFrame({"customer_id": [1], "event_timestamp": [JUNE_9]})
    writers = {
        "csv": lambda: frame.to_csv(name, index=False),
        "tsv": lambda: frame.to_csv(name, index=False, sep="\t"),
        "parquet": lambda: frame.to_parquet(name),
    }
    writers[name.rpartition(".")[2]]()
    assert ask_shop(shop, name).to_arrow().column("order_count").to_pylist() == [2]


def test_a_sql_file_is_a_spine(shop):
    path = shop / "spine.sql"
    path.write_text("select 1 as customer_id, timestamp '2026-06-09' as at", encoding="utf-8")
    assert ask_shop(shop, path).to_arrow().column("order_count").to_pylist() == [2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xef\xbb\xbfselect * from labels", None),
        ("select 1 as \u00e9".encode("latin-1"), "expected text in UTF-8"),
        (b"select * from {{ ref('labels') }}", "the SQL holds Jinja"),
    ],
    ids=["a byte order mark", "latin-1", "jinja"],
)
def test_a_sql_file_is_utf_8_without_jinja(shop, text, says):
    path = shop / "spine.sql"
    path.write_bytes(text)
    if says is None:
        assert ask_shop(shop, path).to_arrow().num_rows == 2
        return
    with pytest.raises(SpineError, match=says) as caught:
        ask_shop(shop, path)
    assert caught.value.where == str(path)


def test_an_empty_spine_gives_a_typed_empty_result(shop):
    result = ask_shop(shop, "select * from labels where false", features=("orders",)).to_arrow()
    assert result.num_rows == 0
    assert result.schema.field("amount").type == pa.decimal128(10, 2)


def test_an_empty_frame_gives_a_typed_empty_result(shop):
    spine = pa.table({"customer_id": pa.array([], pa.int64()), "event_timestamp": pa.array([], pa.timestamp("us"))})
    result = ask_shop(shop, spine).to_arrow()
    assert (result.num_rows, result.schema.field("order_count").type) == (0, pa.int64())


def test_sql_is_text_and_speaks_other_dialects(shop):
    job = ask_shop(shop, "labels")
    assert "ASOF JOIN" in job.sql
    assert "ASOF" not in job.sql(dialect="postgres")
    assert job.sql(dialect="duckdb") == job.sql


def test_sql_connects_to_nothing_when_the_columns_are_given(tmp_path):
    """There is no database file here at all."""
    columns = (Column(name="customer_id", type="int64"), Column(name="label_at", type="timestamp"))
    job = ask_shop(tmp_path, "select * from labels", spine_columns=columns)
    assert "ASOF JOIN" in job.sql


def test_a_written_training_set_has_its_record_beside_it(shop):
    path = shop / "train.parquet"
    job = ask_shop(shop, "labels", features=None, feature_service="churn")
    job.to_parquet(path)
    record = json.loads((shop / "train.parquet.json").read_text(encoding="utf-8"))
    assert pq.read_table(path).num_rows == record["rows"] == 2
    assert record["features"] == ["orders:order_count", "orders:amount"]
    assert (record["feature_service"], record["registry_version"], record["dialect"]) == ("churn", 7, "duckdb")
    assert len(record["sql_sha256"]) == 64
    assert list(shop.glob(".*.partial")) == []


def test_a_training_set_can_be_a_table(shop):
    record = ask_shop(shop, "labels").to_table("train_v1")
    assert record.rows == 2
    again = ask_shop(shop, "select customer_id, label_at from train_v1").to_arrow()
    assert again.num_rows == 2
    with pytest.raises(QueryError, match="already exists"):
        ask_shop(shop, "labels").to_table("train_v1")


def test_a_file_that_cannot_be_written_leaves_nothing(shop):
    with pytest.raises(OperationError, match="cannot write"):
        ask_shop(shop, "labels").to_parquet(shop / "missing" / "train.parquet")


@pytest.mark.parametrize("name", ["file/train.parquet", "", f"{'x' * 250}.parquet"], ids=["no folder", "none", "long"])
def test_a_path_that_cannot_be_a_file_is_refused(shop, name, monkeypatch):
    monkeypatch.chdir(shop)
    (shop / "file").touch()
    with pytest.raises(OperationError, match="cannot write"):
        ask_shop(shop, "labels").to_parquet(name)


def test_a_column_that_parquet_lacks_is_told(shop):
    spine = "select *, interval 1 day as length from labels"
    with pytest.raises(OperationError, match="month_day_nano_interval"):
        ask_shop(shop, spine).to_parquet(shop / "train.parquet")
    assert list(shop.glob("*train*")) == []


def test_a_record_that_cannot_be_written_leaves_the_one_before(shop):
    (shop / "cards").mkdir()
    (shop / "cards" / "t.json").mkdir()
    with pytest.raises(OperationError, match="cannot write"):
        ask_shop(shop, "labels").to_table("t")
    assert [path.name for path in (shop / "cards").iterdir()] == ["t.json"]


@pytest.mark.parametrize(
    "name", ["x as select 1; create table evil as select 1; create table y", "my table", "", 'a"b', "a..b", '""']
)
def test_what_is_no_table_name_never_reaches_the_warehouse(shop, name):
    with pytest.raises(UsageError, match="expected the name of a table"):
        ask_shop(shop, "labels").to_table(name)
    with pytest.raises(SpineError, match="evil"):
        ask_shop(shop, "evil")


@pytest.mark.parametrize(
    ("name", "record"),
    [('"my table"', "my table.json"), ('"../a""/b"', "%22..%2Fa%22%22%2Fb%22.json"), ("main.t", "main.t.json")],
)
def test_a_record_of_a_table_stays_in_its_folder(shop, name, record):
    ask_shop(shop, "labels").to_table(name)
    assert [path.name for path in (shop / "cards").rglob("*")] == [record]


def test_a_snapshot_has_one_row_per_entity(shop):
    """P16: equal to a spine of all distinct keys at that time."""
    at = datetime(2026, 6, 4, tzinfo=timezone.utc)
    result = ask_shop(shop, at=at).to_arrow().sort_by("customer_id").to_pydict()
    assert result["customer_id"] == [1, 2, 3]
    assert result["order_count"] == [1, 1, None]


@pytest.mark.parametrize("day", [date(2026, 6, 4), datetime(2026, 6, 4), "2026-06-04", "2026-06-04T02:00:00+02:00"])
def test_a_moment_may_be_a_date_a_time_or_text(day):
    assert parse_moment(day) == datetime(2026, 6, 4, tzinfo=timezone.utc)


@pytest.mark.parametrize("given", [7, "soon", "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_refused(given):
    with pytest.raises(UsageError, match="at: expected a time such as 2026-06-01"):
        parse_moment(given, where="at")


def test_a_range_has_every_row_both_ends_included(shop):
    """P16."""
    first = datetime(2026, 6, 1, 10, tzinfo=timezone.utc)
    last = datetime(2026, 6, 3, 10, tzinfo=timezone.utc)
    result = ask_shop(shop, start=first, end=last).to_arrow().sort_by("customer_id").to_pydict()
    assert result["customer_id"] == [1, 2, 3]


@pytest.mark.parametrize("options", [{"as_of": "knowledge"}, {"event_timestamps": True}])
def test_a_range_refuses_options_that_it_would_not_heed(shop, options):
    day = datetime(2026, 6, 1, tzinfo=timezone.utc)
    with pytest.raises(UsageError, match="start and end give every row as it is"):
        ask_shop(shop, start=day, end=day, **options)


@pytest.mark.parametrize("given", ["start", "end"])
def test_one_end_of_a_range_is_not_enough(shop, given):
    with pytest.raises(UsageError, match=f"start and end go together, got only {given}"):
        ask_shop(shop, **{given: parse_moment("2026-06-05")})


def test_an_unknown_rule_of_knowledge_is_refused(shop):
    """P8: a slip of the pen must not mean `event`."""
    with pytest.raises(UsageError, match="expected as_of to be event or knowledge, got 'later'"):
        ask_shop(shop, "labels", as_of="later")


def test_knowledge_time_can_be_asked_for_one_request(shop):
    """P8: the row of 10:00 was loaded at 11:00."""
    spine = {"customer_id": [1], "event_timestamp": [datetime(2026, 6, 1, 10, 30)]}
    assert ask_shop(shop, spine).to_arrow().column("order_count").to_pylist() == [1]
    assert ask_shop(shop, spine, as_of="knowledge").to_arrow().column("order_count").to_pylist() == [None]


def test_no_row_and_a_null_value_can_be_told_apart(shop):
    """P6."""
    spine = {"customer_id": [3, 9], "event_timestamp": [JUNE_9, JUNE_9]}
    result = ask_shop(shop, spine, event_timestamps=True).to_arrow().to_pydict()
    assert result["order_count"] == [None, None]
    assert result["orders__found"] == [True, False]
    assert result["orders__event_timestamp"] == [datetime(2026, 6, 3, 10), None]


def test_a_large_result_comes_back_whole(shop):
    change_shop(shop, "create table many as select 1 + range % 2 as customer_id, timestamp '2026-06-09' as at "
                      "from range(300000)")  # fmt: skip
    counts = ask_shop(shop, "many").to_polars()["order_count"].value_counts().sort("order_count")
    assert counts.rows() == [(1, 150_000), (2, 150_000)]


@pytest.mark.parametrize(
    ("spine", "error", "says"),
    [
        ("select 1 as customer_id", SpineError, "time column is unclear: expected 'event_timestamp' or one timestamp"),
        ("select timestamp '2026-06-04' as at", SpineError, "the spine has no column 'customer_id'"),
        ("select 1 as customer_id, now() as a, now() as b", SpineError, "got a, b"),
        ("select 1 as customer_id, '2026-06-04' as event_timestamp", SpineError, "is string, expected a timestamp"),
        ("select 'x' as customer_id, now() as at", SpineError, "is string in the spine but int64 in orders"),
        ("select 1; select 2", SpineError, "must be one SELECT, got 2 statements"),
        ("labels;", SpineError, "got labels;\n  -> write `select * from <table>`"),
        ("ref('labels', v=2)", SpineError, "no dbt model 'labels@v2' in the manifest"),
        ("delete from labels", SpineError, "must be one SELECT, got DELETE"),
        ("drop table labels", SpineError, "must be one SELECT, got DROP"),
        ("select * frm labels where", SpineError, "cannot read the spine's SQL"),
        ("no_such_table", SpineError, "no_such_table"),
        ("missing.csv", SpineError, "no file at missing.csv"),
        ("ref('nowhere')", SpineError, "no dbt model 'nowhere'"),
        (42, SpineError, "cannot use int as examples"),
        (None, UsageError, "for which examples?"),
        ("select 1 as customer_id, now() as at, 3 as order_count", NameClashError, "column 'order_count' of the spine"),
        ("select 1 as customer_id, now() as at, 2 as __x", SpineError, "'__x' is reserved"),
    ],
)
def test_a_spine_that_cannot_be_used_is_refused(shop, spine, error, says):
    with pytest.raises(error) as caught:
        ask_shop(shop, spine)
    assert says in str(caught.value)


def test_a_spine_may_end_in_semicolons_and_a_comment(shop):
    assert ask_shop(shop, "select * from labels;; -- the end").to_arrow() == ask_shop(shop, "labels").to_arrow()


def test_examples_without_a_time_get_nulls(shop):
    """P2: a NULL time matches nothing and loses no row."""
    spine = pa.table({"customer_id": [1, 1], "event_timestamp": pa.array([None, JUNE_9], pa.timestamp("us"))})
    assert ask_shop(shop, spine).to_arrow().column("order_count").to_pylist() == [None, 2]


def test_a_notebook_shows_columns_and_sql(shop):
    shown = ask_shop(shop, "labels")._repr_html_()
    assert "order_count" in shown
    assert "ASOF JOIN" in shown
