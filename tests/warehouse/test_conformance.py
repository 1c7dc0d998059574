"""Every warehouse does what the protocol says; what one cannot do is marked, with a reason, in `warehouses`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from featurestore.definitions.durations import HOUR
from featurestore.definitions.project import Project
from featurestore.definitions.references import select
from featurestore.definitions.spine import Spine
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.errors import QueryError
from featurestore.sql.choice import Measured
from featurestore.sql.dialects import dialect_named
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from featurestore.warehouse.protocol import TableWrite
from tests.pit.world import DAY, NOON
from tests.warehouse.interrupts import interrupted
from tests.warehouse.warehouses import BEHAVIOURS, WAREHOUSES
from tests.warehouse.write_docs import PAGE, rewritten

LATE = NOON + timedelta(hours=2)
VALUES = pa.table(
    {
        "flag": pa.array([True, None]),
        "i16": pa.array([1, None], pa.int16()),
        "i32": pa.array([2, None], pa.int32()),
        "i64": pa.array([2**62, None], pa.int64()),
        "f32": pa.array([1.5, None], pa.float32()),
        "f64": pa.array([0.1, None], pa.float64()),
        "price": pa.array([Decimal("12345678.90"), None], pa.decimal128(10, 2)),
        "word": pa.array(["é'\"\\", None]),
        "raw": pa.array([b"\x00\xff", None]),
        "day": pa.array([date(2024, 5, 17), None]),
        "naive": pa.array([datetime(2024, 5, 17, 12, 0, 0, 1), None], pa.timestamp("us")),
        "zoned": pa.array([datetime(2024, 5, 17, 12, tzinfo=timezone.utc), None], pa.timestamp("us", "UTC")),
        "numbers": pa.array([[1, None], None], pa.list_(pa.int64())),
        "words": pa.array([["a", None], []], pa.list_(pa.string())),
        'odd "Name"': pa.array([1, None], pa.int64()),
    }
)
TYPES = (
    "boolean", "int16", "int32", "int64", "float32", "float64", "decimal(10,2)", "string", "bytes", "date", "timestamp",
    "timestamptz", "list<int64>", "list<string>", "int64",
)  # fmt: skip
ORDERS = FeatureView(
    name="orders",
    relation="",
    entities=("user",),
    join_keys=(Column(name="user_id", type="int64"),),
    event_time=Column(name="at", type="timestamptz"),
    created_at=Column(name="loaded", type="timestamp"),
    ttl_us=3 * HOUR,
    features=(Feature(name="n", type="int64"), Feature(name="tags", type="list<string>")),
)
ORDER_ROWS = pa.table(
    {
        "user_id": pa.array([1, 1, 1, 2, 2, None], pa.int64()),
        "at": pa.array(
            [NOON - DAY, NOON, LATE, NOON, NOON, NOON], pa.timestamp("us", "UTC")
        ),
        "loaded": pa.array([NOON, NOON, LATE, NOON, LATE, LATE], pa.timestamp("us")),
        "until": pa.array([NOON, LATE, None, LATE, LATE, None], pa.timestamp("us")),
        "n": pa.array([1, 2, 3, 4, None, 6], pa.int64()),
        "tags": pa.array([["old"], ["new", None], [], None, ["late"], []], pa.list_(pa.string())),
    }
)  # fmt: skip
EXAMPLES = pa.table(
    {
        "user_id": pa.array([1, 1, 2, 2, 3, None, 1], pa.int64()),
        "ts": pa.array([LATE, NOON, LATE, LATE, NOON, NOON, None], pa.timestamp("us")),
        "label": pa.array([7, 6, 5, 5, 4, None, 2], pa.int64()),
    }
)
SEEN = [(3, []), (2, ["new", None]), (None, ["late"]), (None, ["late"]), (None, None), (None, None), (None, None)]


def seen(opened, given=SEEN):
    """What the examples see, in a warehouse that may have no NULL lists."""
    return [(n, tags if opened.has_null_lists else tags or []) for n, tags in given]


def behaviour_of(name):
    return name.removeprefix("test_")


def pytest_generate_tests(metafunc):
    if "opened" not in metafunc.fixturenames:
        return
    cases = []
    for tested in WAREHOUSES:
        mark = tested.mark(behaviour_of(metafunc.function.__name__))
        marks = [] if mark is None else [pytest.mark.xfail(reason=f"{mark.status}: {mark.reason}", strict=True)]
        if tested.opens is not None and (mark is None or mark.status != "text"):
            marks.extend([pytest.mark.xdist_group("spark"), pytest.mark.spark] if tested.name == "spark" else [])
            cases.append(pytest.param(tested, id=tested.name, marks=marks))
    metafunc.parametrize("tested", cases)


@pytest.fixture
def opened(tested, request):
    with tested.opens(request) as opened:
        yield opened


@pytest.fixture
def warehouse(opened):
    return opened.warehouse


@pytest.fixture
def store(opened):
    """A function that stores an Arrow table in the warehouse for good; returns its relation."""

    def store_one(name, table):
        opened.warehouse.upload(f"of {name}", table)
        relation = opened.relation(name)
        assert opened.warehouse.write_table(TableWrite(relation=relation), [], everything_of(f"of {name}", opened)) == (
            table.num_rows
        )
        return relation

    return store_one


def everything_of(name, opened):
    """SELECT every row of an uploaded relation."""
    relation = exp.table_(exp.to_identifier(name, quoted=True))
    return exp.select("*").from_(relation).sql(dialect=opened.warehouse.dialect)


def rows(warehouse, sql):
    return warehouse.read(sql).read_all().to_pylist()


def test_columns(opened, store):
    relation = store("values", VALUES)
    missing = opened.relation("missing")
    found = opened.warehouse.columns([relation, missing])
    assert list(found) == [relation]
    assert tuple((column.name, column.type) for column in found[relation]) == tuple(
        zip(VALUES.column_names, TYPES, strict=True)
    )


def test_schema(opened, store):
    relation = store("values", VALUES)
    found = opened.warehouse.schema(f"select * from {relation}")
    assert tuple(column.type for column in found) == TYPES
    assert [column.name for column in found] == VALUES.column_names
    assert opened.warehouse.schema("select 1 / 0 as x from (select 1 as y) t")[0].name == "x"


def test_values(opened, store):
    back = opened.warehouse.read(f"select * from {store('values', VALUES)}", batch_rows=1).read_all()
    assert back.to_pylist() == VALUES.to_pylist()
    assert [same(field.type) for field in back.schema] == [same(field.type) for field in VALUES.schema]


def same(arrow):
    """A type, whatever its list's elements are called and however its zone of UTC is."""
    if pa.types.is_list(arrow):
        return f"list of {arrow.value_type}"
    return "instant" if pa.types.is_timestamp(arrow) and arrow.tz else str(arrow)


def test_upload(opened):
    opened.warehouse.upload("the examples", VALUES)
    assert rows(opened.warehouse, everything_of("the examples", opened)) == VALUES.to_pylist()
    opened.warehouse.upload("the examples", VALUES.slice(0, 1))
    assert rows(opened.warehouse, everything_of("the examples", opened)) == VALUES.slice(0, 1).to_pylist()


def test_upload_of_nothing(opened):
    opened.warehouse.upload("nothing", VALUES.slice(0, 0))
    back = opened.warehouse.read(everything_of("nothing", opened)).read_all()
    assert back.num_rows == 0
    assert [same(field.type) for field in back.schema] == [same(field.type) for field in VALUES.schema]


def test_scan(opened, tmp_path):
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "a.parquet")
    sql = opened.warehouse.scan(tmp_path / "a.parquet")
    assert rows(opened.warehouse, sql) == [{"x": 1}, {"x": 2}]


def test_refusal(opened):
    for run in (opened.warehouse.execute, opened.warehouse.schema, lambda sql: opened.warehouse.read(sql).read_all()):
        with pytest.raises(QueryError, match="nope") as caught:
            run("select nope from (select 1 as x) t")
        assert caught.value.exit_code == 1
        assert "\n" not in caught.value.what
    assert rows(opened.warehouse, "select 1 as x") == [{"x": 1}]


def test_missing_table(opened):
    with pytest.raises(QueryError, match=r"missing[\s\S]*-> run dbt build"):
        rows(opened.warehouse, f"select * from {opened.relation('missing')}")


def test_temporary_tables(opened):
    assert "temporary_tables" not in opened.warehouse.lacks
    dialect = dialect_named(opened.warehouse.dialect)
    for statement in dialect.store("__kept", exp.select("1 AS x")):
        opened.warehouse.execute(statement.sql(dialect=dialect.name))
    assert rows(opened.warehouse, everything_of("__kept", opened)) == [{"x": 1}]
    assert opened.warehouse.columns([opened.relation("__kept")]) == {}


def test_create(opened, store):
    there = store("there", pa.table({"x": [1]}))
    ran = []
    with pytest.raises(QueryError, match="there"):
        opened.warehouse.write_table(TableWrite(relation=there), (ran.append(n) for n in (1,)), "select 2 as x")
    assert ran == []
    assert rows(opened.warehouse, f"select * from {there}") == [{"x": 1}]


def test_replace(opened, store):
    relation = store("t", pa.table({"x": [1, 2]}))
    write = TableWrite(relation=relation, mode="replace")
    assert opened.warehouse.write_table(write, [], "select 'new' as y union all select 'other' as y") == 2
    assert sorted(row["y"] for row in rows(opened.warehouse, f"select y from {relation}")) == ["new", "other"]
    fresh = opened.relation("fresh")
    assert opened.warehouse.write_table(TableWrite(relation=fresh, mode="replace"), [], "select 1 as x") == 1


def test_append(opened, store):
    relation = store("t", pa.table({"x": [1], "y": ["a"]}))
    write = TableWrite(relation=relation, mode="append")
    assert (
        opened.warehouse.write_table(write, [], "select 'b' as y, cast(2 as bigint) as x") == 1
    )  # by name, not by place
    assert rows(opened.warehouse, f"select x, y from {relation} order by x") == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    with pytest.raises(QueryError, match="the table has no column 'unknown'"):
        opened.warehouse.write_table(write, [], "select cast(3 as bigint) as x, 'c' as y, 'd' as unknown")
    fresh = TableWrite(relation=opened.relation("fresh"), mode="append")
    assert [opened.warehouse.write_table(fresh, [], "select 1 as x") for _ in range(2)] == [1, 1]


def test_partition(opened, store):
    days = pa.table({"x": [1, 2, 3], "day": ["2024-05-16", "2024-05-17", "2024-05-17"]})
    relation = store("t", days)
    write = TableWrite(relation=relation, mode="append", partition=("day", "2024-05-17"))
    assert opened.warehouse.write_table(write, [], "select cast(9 as bigint) as x") == 1
    assert rows(opened.warehouse, f"select x, day from {relation} order by x") == [
        {"x": 1, "day": "2024-05-16"},
        {"x": 9, "day": "2024-05-17"},
    ]


def test_all_or_nothing(opened, store):
    relation = store("t", pa.table({"x": [1], "day": ["2024-05-17"]}))
    fails = "select cast(word as bigint) as x from (select 'no number' as word) w"
    with_day = f"select x, 'any' as day from ({fails}) f"
    for write, sql in (
        (TableWrite(relation=opened.relation("fresh")), fails),
        (TableWrite(relation=relation, mode="replace"), fails),
        (TableWrite(relation=relation, mode="append"), with_day),
        (TableWrite(relation=relation, mode="append", partition=("day", "2024-05-17")), fails),
    ):
        with pytest.raises(QueryError, match="no number"):
            opened.warehouse.write_table(write, [], sql)
    assert rows(opened.warehouse, f"select * from {relation}") == [{"x": 1, "day": "2024-05-17"}]
    assert opened.warehouse.columns([opened.relation("fresh")]) == {}


@pytest.mark.parametrize("loaded", ["", "polars"])
def test_cancel(opened, loaded):
    """Also where polars is imported, which has a waiting main thread sleep on through a signal."""
    if loaded:
        pytest.importorskip(loaded)
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: rows(opened.warehouse, opened.endless))
    assert rows(opened.warehouse, "select 1 as x") == [{"x": 1}]


def test_abandon(opened, store):
    relation = store("t", pa.table({"x": list(range(100_000))}))
    endless = opened.stream or f"select a.x from {relation} a cross join {relation} b"
    stream = opened.warehouse.read(endless, batch_rows=100)
    assert next(stream).num_rows > 0
    opened.warehouse.abandon()
    assert rows(opened.warehouse, "select 1 as x") == [{"x": 1}]


def answers(opened, store, view=ORDERS, *, strategy=None, is_indexed=True, ordered=False):
    """What each example sees, in the order of the examples; as one SELECT and in stages, which have to agree."""
    view = replace(view, relation=opened.relation("orders"))
    if not opened.warehouse.columns([view.relation]):
        store("orders", ORDER_ROWS)
    numbered = EXAMPLES.append_column("__example", pa.array(range(EXAMPLES.num_rows), pa.int64()))
    opened.warehouse.upload("the examples", numbered)
    columns = tuple(
        Column(name=name, type=kind) for name, kind in (("user_id", "int64"), ("ts", "timestamp"), ("label", "int64"))
    )
    dialect = opened.warehouse.dialect
    spine = Spine(
        sql=everything_of("the examples", opened), columns=columns, time="ts", row_number="__example", dialect=dialect
    )
    plan = training_plan(
        spine,
        select(Project(name="shop", views=(view,)), ["orders"], taken=spine.output_columns),
        dialect=dialect,
        options=Retrieval(
            strategy=strategy, ordered=True, measured=(Measured(has_index=is_indexed),), lacks=opened.warehouse.lacks
        ),
    )
    at_once = rows(opened.warehouse, plan.select())
    statements, last = tuple(plan.statements()), plan.last()
    for statement in statements:
        opened.warehouse.execute(statement.sql)
    assert rows(opened.warehouse, last) == at_once
    assert [row["label"] for row in at_once] == EXAMPLES.column("label").to_pylist()
    return [(row["n"], row["tags"]) for row in at_once]


def test_asof(opened, store):
    if "asof" in opened.warehouse.lacks:
        pytest.skip("this version has no ASOF join")
    assert answers(opened, store, strategy="asof") == seen(opened)


def test_range_argmax(opened, store):
    assert answers(opened, store, strategy="range_argmax") == seen(opened)


@pytest.mark.parametrize("is_indexed", [True, False], ids=["down an index", "down a copy"])
def test_lateral(opened, store, is_indexed):
    assert answers(opened, store, strategy="lateral", is_indexed=is_indexed) == seen(opened)


def test_union_first(opened, store):
    assert answers(opened, store, strategy="union_first") == seen(opened)


def test_interval(opened, store):
    view = replace(ORDERS, valid_to=Column(name="until", type="timestamp"))
    ended = [(3, []), (2, ["new", None]), (None, None), (None, None), (None, None), (None, None), (None, None)]
    assert answers(opened, store, view) == seen(opened, ended)


def test_time_zone(opened, store):
    """The examples' times are naive, the view's are instants: an hour is wrong at once if the session says so."""
    opened.warehouse.execute(opened.set_zone)
    assert answers(opened, store) == seen(opened)


def test_frame(opened, store):
    assert answers(opened, store, ordered=True) == seen(opened)


def test_no_examples(opened, store):
    view = replace(ORDERS, relation=store("orders", ORDER_ROWS))
    opened.warehouse.upload("none", EXAMPLES.slice(0, 0))
    columns = (Column(name="user_id", type="int64"), Column(name="ts", type="timestamp"))
    spine = Spine(sql=everything_of("none", opened), columns=columns, time="ts", dialect=opened.warehouse.dialect)
    selection = select(Project(name="shop", views=(view,)), ["orders"])
    options = Retrieval(lacks=opened.warehouse.lacks)
    plan = training_plan(spine, selection, dialect=opened.warehouse.dialect, options=options)
    back = opened.warehouse.read(plan.select()).read_all()
    assert (back.num_rows, back.column_names) == (0, ["user_id", "ts", "n", "tags"])


def test_every_behaviour_has_a_test_and_every_mark_a_behaviour():
    tests = {behaviour_of(name) for name, test in globals().items() if name.startswith("test_") and callable(test)}
    assert set(BEHAVIOURS) <= tests
    for tested in WAREHOUSES:
        assert set(tested.marks) <= set(BEHAVIOURS)
        assert tested.opens is not None or tested.otherwise is not None
        assert all(tested.mark(behaviour) is None or tested.mark(behaviour).reason for behaviour in BEHAVIOURS)


def test_the_page_of_warehouses_shows_what_is_tested():
    page = PAGE.read_text(encoding="utf-8")
    assert page == rewritten(page), "run: python -m tests.warehouse.write_docs"
