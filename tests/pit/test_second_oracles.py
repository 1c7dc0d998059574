"""pandas `merge_asof` and polars `join_asof` as second oracles, and where they differ from us.

Random worlds of what both can say: event time, ttl, boundary, keys, ties. What they cannot (delay, knowledge time,
validity) is left out. Each finds the number of the row that an example sees; rows are sorted by the whole order of P4.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from featurestore.definitions.views import Column
from tests.pit.batches import drawn
from tests.pit.duckdb_answers import Warehouse
from tests.pit.world import HOUR, NOON, ORDERS, SECOND, orders_seen_at
from tests.pit.world import World as Shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.definitions.references import ViewUse
    from featurestore.definitions.views import FeatureView
    from tests.pit.oracle import Row
    from tests.pit.strategies import Case, World

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

NANOSECONDS = 1_000  # in a microsecond
US = "datetime64[us]"
pytestmark = pytest.mark.filterwarnings("ignore:Sortedness of columns cannot be checked:UserWarning")


class AsOfJoin(Protocol):
    """Which row each example sees.

    Args:
        view: its ttl and boundary.
        examples: (number, keys, time), sorted by time.
        rows: (number, keys, time), sorted so that the last of equal times is the one to take.

    Returns:
        Number of the row by number of the example; none for an example that sees nothing.
    """

    def __call__(self, view: FeatureView, examples: Sequence[Key], rows: Sequence[Key]) -> dict[int, int]: ...


Key = tuple[int, tuple[Any, ...], "int | None"]


def pandas_join(view: FeatureView, examples: Sequence[Key], rows: Sequence[Key]) -> dict[int, int]:
    """`merge_asof`; NULL keys and NULL times are taken away from it first, see the tests of its differences."""
    keys = [f"key_{number}" for number in range(len(view.join_keys))]
    kinds = ["string" if key.type == "string" else "int64" for key in view.join_keys]

    def frame(lines: Sequence[Key], number: str) -> Any:
        whole = [line for line in lines if line[2] is not None and None not in line[1]]
        columns = {name: [line[1][n] for line in whole] for n, name in enumerate(keys)}
        return pd.DataFrame(
            {number: pd.array([line[0] for line in whole], dtype="Int64")}
            | {name: pd.array(columns[name], dtype=kind) for name, kind in zip(keys, kinds, strict=True)}
            | {"at": pd.Series([line[2] for line in whole], dtype="int64").astype(US)}
        )

    seen = pd.merge_asof(
        frame(examples, "example"),
        frame(rows, "row"),
        on="at",
        by=keys or None,
        tolerance=None if view.ttl_us is None else pd.Timedelta(view.ttl_us * NANOSECONDS),
        allow_exact_matches=view.boundary == "inclusive",
    ).dropna(subset="row")
    return dict(zip(seen["example"].tolist(), seen["row"].tolist(), strict=True))


def polars_join(view: FeatureView, examples: Sequence[Key], rows: Sequence[Key]) -> dict[int, int]:
    """`join_asof`; it takes NULLs on the examples' side as we do."""
    keys = [f"key_{number}" for number in range(len(view.join_keys))]
    kinds = [pl.String if key.type == "string" else pl.Int64 for key in view.join_keys]

    def frame(lines: Sequence[Key], number: str) -> Any:
        schema = {number: pl.Int64, **dict(zip(keys, kinds, strict=True)), "at": pl.Int64}
        made = pl.DataFrame([(line[0], *line[1], line[2]) for line in lines], schema=schema, orient="row")
        return made.with_columns(pl.col("at").cast(pl.Datetime("us")))

    seen = frame(examples, "example").join_asof(
        frame([line for line in rows if line[2] is not None], "row"),
        on="at",
        by=keys or None,
        tolerance=None if view.ttl_us is None else f"{view.ttl_us}us",
        allow_exact_matches=view.boundary == "inclusive",
    )
    return dict(seen.select("example", "row").drop_nulls().iter_rows())


JOINS = [pytest.param(pandas_join, id="pandas"), pytest.param(polars_join, id="polars")]


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("number", range(30))
def test_our_sql_answers_as_they_do(warehouse, join, number):
    """P1-P6, P10-P12: a hundred random cases at a time, told apart by one more join key."""
    case = drawn(f"second oracles/{number}", cases=100, change=expressible)
    got, expected = Counter(warehouse.answer(case)), Counter(answer(case, join))
    assert got == expected, (
        f"ours {list((got - expected).elements())[:3]}, theirs {list((expected - got).elements())[:3]}"
    )


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    """One DuckDB for all cases."""
    opened = Warehouse()
    yield opened
    opened.close()


def expressible(world: World) -> World:
    """The world without what an as-of join of frames has no word for."""
    views = tuple(replace(view, delay_us=0, as_of="event", valid_to=None) for view in world.views)
    return replace(world, views=views, as_of=None, event_timestamps=False)


def answer(case: Case, join: AsOfJoin) -> list[tuple[Any, ...]]:
    """The training set, with every view's rows found by the join."""
    selection, columns = case.world.selection, case.world.spine.output_columns
    seen = {id(use): _seen(case, use, join) for use in selection.uses}
    return [
        (
            *(example[name] for name in columns),
            *(_value(seen[id(output.use)].get(number), output.feature.name) for output in selection.outputs),
        )
        for number, example in enumerate(case.rows.spine)
    ]


def _seen(case: Case, use: ViewUse, join: AsOfJoin) -> dict[int, Row]:
    spine, rows = case.world.spine, case.rows.tables[use.view.name]
    names = [spine.column(key).name for key in use.spine_keys]
    time = spine.column(spine.time).name
    examples = [
        (number, tuple(_key(example[name]) for name in names), example[time])
        for number, example in enumerate(case.rows.spine)
    ]
    order = sorted(range(len(rows)), key=lambda number: _rank(use.view, rows[number]))
    lines = [
        (
            number,
            tuple(_key(rows[number][key.name]) for key in use.view.join_keys),
            rows[number][use.view.event_time.name],
        )
        for number in order
    ]
    found = join(use.view, sorted(examples, key=lambda line: (line[2] is not None, line[2] or 0)), lines)
    return {example: rows[row] for example, row in found.items()}


def _key(value: Any) -> Any:
    """A key as text or as a whole number, which is all that the two are given."""
    return int(value * 100) if isinstance(value, (float, Decimal)) else value


def _rank(view: FeatureView, row: Row) -> tuple[Any, ...]:
    """P4: event time, created time, tie-breakers, features; NULLs lowest."""
    created = [] if view.created_at is None else [view.created_at.name]
    names = [view.event_time.name, *created, *view.tie_breakers, *(feature.name for feature in view.features)]
    return tuple(part for name in names for part in (row[name] is not None, 0 if row[name] is None else row[name]))


def _value(row: Row | None, feature: str) -> Any:
    return None if row is None else row[feature]


def frames(rows: Sequence[tuple[Any, Any, int]], examples: Sequence[tuple[Any, Any]]) -> tuple[Any, Any, Any, Any]:
    """The same rows (key, time, value) and examples (key, time) as frames of pandas, then of polars."""
    keys = [key for key, *_ in (*rows, *examples)]
    is_text = any(isinstance(key, str) for key in keys)
    pandas_key, polars_key = ("string", pl.String) if is_text else ("Int64", pl.Int64)
    made: list[Any] = []
    for lines, names in ((examples, ("k", "at")), (rows, ("k", "at", "x"))):
        columns = {name: [line[n] for line in lines] for n, name in enumerate(names)}
        types = {"k": polars_key, "at": pl.Datetime("us"), "x": pl.Int64}
        made.append(
            pd.DataFrame(columns | {"k": pd.array(columns["k"], pandas_key), "at": pd.array(columns["at"], US)})
        )
        made.append(pl.DataFrame(columns, schema={name: types[name] for name in names}))
    return made[0], made[2], made[1], made[3]


def ours(rows: Sequence[tuple[Any, Any, int]], examples: Sequence[tuple[Any, Any]]) -> list[int | None]:
    """What we answer, example by example."""
    world = Shop()
    world.view(ORDERS, {"user_id": "varchar", "at": "timestamp", "orders_7d": "bigint"}, rows)
    columns = {"no": "integer", "user_id": "varchar", "seen_at": "timestamp"}
    table = world.ask([(no, *example) for no, example in enumerate(examples)], ["orders"], columns=columns)
    return table.sort_by("no")["orders_7d"].to_pylist()


def test_pandas_finds_a_null_key_equal_to_a_null_key_and_we_and_polars_do_not():
    """P2."""
    rows, examples = [(None, NOON, 7)], [(None, NOON)]
    pandas_left, pandas_right, left, right = frames(rows, examples)
    assert pd.merge_asof(pandas_left, pandas_right, on="at", by="k")["x"].tolist() == [7]
    assert left.join_asof(right, on="at", by="k")["x"].to_list() == [None]
    assert ours(rows, examples) == [None]


@pytest.mark.parametrize("values", [(1, 2), (2, 1)])
def test_of_equal_times_they_take_the_last_row_and_we_the_greatest(values):
    """P4: theirs hangs on how the rows lie, ours does not."""
    rows, examples = [("u1", NOON, value) for value in values], [("u1", NOON)]
    pandas_left, pandas_right, left, right = frames(rows, examples)
    assert pd.merge_asof(pandas_left, pandas_right, on="at", by="k")["x"].tolist() == [values[-1]]
    assert left.join_asof(right, on="at", by="k")["x"].to_list() == [values[-1]]
    assert ours(rows, examples) == [2]


def test_an_example_without_a_time_is_an_error_in_pandas_and_sees_nothing_in_polars_and_here():
    """P2."""
    rows, examples = [("u1", NOON, 1)], [("u1", None), ("u1", NOON)]
    pandas_left, pandas_right, left, right = frames(rows, examples)
    with pytest.raises(ValueError, match="null values on left side"):
        pd.merge_asof(pandas_left, pandas_right, on="at", by="k")
    assert left.join_asof(right, on="at", by="k")["x"].to_list() == [None, 1]
    assert ours(rows, examples) == [None, 1]


def test_a_row_without_a_time_is_an_error_in_pandas_and_is_never_seen_in_polars_and_here():
    """P2."""
    rows, examples = [("u1", None, 9), ("u1", NOON, 1)], [("u1", NOON)]
    pandas_left, pandas_right, left, right = frames(rows, examples)
    with pytest.raises(ValueError, match="null values on right side"):
        pd.merge_asof(pandas_left, pandas_right, on="at", by="k")
    assert left.join_asof(right, on="at", by="k")["x"].to_list() == [1]
    assert ours(rows, examples) == [1]


def test_unsorted_rows_are_an_error_in_pandas_a_wrong_answer_in_polars_and_all_the_same_here():
    """P1, P4: polars looks at the order only where there is no key."""
    rows, examples = [("u1", NOON + HOUR, 9), ("u1", NOON - HOUR, 1)], [("u1", NOON)]
    pandas_left, pandas_right, left, right = frames(rows, examples)
    with pytest.raises(ValueError, match="must be sorted"):
        pd.merge_asof(pandas_left, pandas_right, on="at", by="k")
    assert left.join_asof(right, on="at", by="k")["x"].to_list() == [None]
    with pytest.raises(pl.exceptions.InvalidOperationError, match="not sorted"):
        left.join_asof(right, on="at")
    assert ours(rows, examples) == [1]


def test_keys_of_different_width_are_an_error_in_both_and_equal_here():
    """P2."""
    pandas_left, pandas_right, left, right = frames([(7, NOON, 1)], [(7, NOON)])
    with pytest.raises(pd.errors.MergeError, match="incompatible merge keys"):
        pd.merge_asof(pandas_left.astype({"k": "Int32"}), pandas_right, on="at", by="k")
    with pytest.raises(pl.exceptions.ComputeError, match="mismatching dtypes"):
        left.with_columns(pl.col("k").cast(pl.Int32)).join_asof(right, on="at", by="k")
    world = Shop()
    view = replace(ORDERS, join_keys=(Column(name="user_id", type="int64"),))
    world.view(view, {"user_id": "bigint", "at": "timestamp", "orders_7d": "bigint"}, [(7, NOON, 1)])
    answered = world.ask([(7, NOON)], ["orders"], columns={"user_id": "integer", "seen_at": "timestamp"})
    assert answered["orders_7d"].to_pylist() == [1]


@pytest.mark.parametrize(("age", "seen"), [(SECOND, 1), (SECOND + SECOND / 1_000_000, None)])
def test_a_tolerance_is_our_ttl_its_last_instant_included(age, seen):
    """P3: all three agree."""
    pandas_left, pandas_right, left, right = frames([("u1", NOON - age, 1)], [("u1", NOON)])
    joined = pd.merge_asof(pandas_left, pandas_right, on="at", by="k", tolerance=pd.Timedelta(SECOND))
    assert joined["x"].isna().tolist() == [seen is None]
    assert left.join_asof(right, on="at", by="k", tolerance="1s")["x"].to_list() == [seen]
    assert orders_seen_at(NOON, [(NOON - age, 1)], ttl_us=1_000_000) == seen
