"""Random cases: DuckDB's answers equal the oracle's, and stay equal under every change that must not matter."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.sql.dialects import dialect_named
from featurestore.sql.newest import SyncWindow, newest_query
from featurestore.sql.point_in_time import training_plan
from featurestore.sql.spineless import range_plan, snapshot_spine
from tests.pit import oracle
from tests.pit.duckdb_answers import Warehouse, newest_values, plan_of, rows_of, same_rows, utc
from tests.pit.examples import examples
from tests.pit.strategies import Case, cases, draw_rows, draw_world, selection_of_one

if TYPE_CHECKING:
    from collections.abc import Iterator


STRATEGIES = dialect_named("duckdb").strategies


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    """One DuckDB for all cases."""
    opened = Warehouse()
    yield opened
    opened.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(100)
@given(case=cases())
def test_one_select_answers_what_the_rules_say(warehouse, strategy, case):
    """P1-P11, P14."""
    assert same_rows(warehouse.answer(case, strategy=strategy), case.answer())


@pytest.mark.parametrize("strategy", STRATEGIES)
@examples(70)
@given(case=cases())
def test_stages_answer_what_the_rules_say(warehouse, strategy, case):
    """P1-P11, P14."""
    assert same_rows(warehouse.answer(case, is_staged=True, strategy=strategy), case.answer())


@examples(60)
@given(case=cases())
def test_every_example_comes_back_once_and_untouched(warehouse, case):
    """P1."""
    columns = case.world.spine.output_columns
    answered = [row[: len(columns)] for row in warehouse.answer(case)]
    assert same_rows(answered, [tuple(example[name] for name in columns) for example in case.rows.spine])


@examples(60)
@given(case=cases(), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(warehouse, case, order):
    """P1, P4."""
    shuffled = case.holding(
        spine=order.sample(case.rows.spine, len(case.rows.spine)),
        tables={name: order.sample(rows, len(rows)) for name, rows in case.rows.tables.items()},
    )
    assert same_rows(warehouse.answer(case), warehouse.answer(shuffled))


@examples(60)
@given(case=cases())
def test_rows_from_the_future_change_nothing(warehouse, case):
    """P2, P7, P8: the training set of yesterday is the same tomorrow."""
    times = [oracle.instant(example[case.world.spine.time]) for example in case.rows.spine]
    last = max((time for time in times if time is not None), default=0)
    seen, whole = {}, case.rows.tables
    for view in case.world.views:
        seen[view.name] = tuple(
            row for row in whole[view.name] if oracle.is_visible(view, row, last, as_of=case.world.as_of)
        )
    assert same_rows(warehouse.answer(case.holding(tables=seen)), warehouse.answer(case))


@examples(60)
@given(case=cases(), is_staged=st.booleans())
def test_pruning_changes_nothing(warehouse, case, is_staged):
    """P15."""
    pruned = warehouse.answer(case, is_staged=is_staged, prune=True)
    assert same_rows(pruned, warehouse.answer(case, is_staged=is_staged, prune=False))


@examples(80)
@given(case=cases(), at=st.integers(0, 7))
def test_knowledge_at_a_moment_is_the_table_as_it_was_then(warehouse, case, at):
    """P8: knowledge time at T equals event time on the rows that had been loaded by T."""
    moment = case.world.instants[at]
    views = tuple(replace(view, boundary="inclusive") for view in case.world.views if view.created_at is not None)
    if len(views) < len(case.world.views) or case.world.spine.column(case.world.spine.time).type == "date":
        return
    spine = [{**example, case.world.spine.time: moment} for example in case.rows.spine]
    loaded = {}
    for view in views:
        created = [oracle.instant(row[view.created_at.name]) for row in case.rows.tables[view.name]]
        rows = zip(case.rows.tables[view.name], created, strict=True)
        loaded[view.name] = tuple(row for row, known in rows if known is not None and known <= moment)
    knowing = case.holding(spine=spine).asking(views=views, as_of="knowledge")
    assert same_rows(warehouse.answer(knowing), warehouse.answer(knowing.holding(tables=loaded).asking(as_of="event")))


@examples(60)
@given(case=cases(), shorter=st.sampled_from([1, 1_000_000, 2_000_000, 3_600_000_000]))
def test_a_shorter_ttl_only_turns_values_into_null(warehouse, case, shorter):
    """P3."""
    numbered = case.asking(event_timestamps=True).numbered()
    views = tuple(replace(view, ttl_us=min(shorter, view.ttl_us or shorter)) for view in case.world.views)
    longer = sorted(warehouse.answer(numbered), key=lambda row: row[0])
    for before, after in zip(
        longer, sorted(warehouse.answer(numbered.asking(views=views)), key=lambda row: row[0]), strict=True
    ):
        pairs = zip(before, after, strict=True)
        assert all(new == old or new is None or new is False for old, new in pairs)


@examples(150)
@given(case=cases(), end=st.integers(0, 7), start=st.none() | st.integers(0, 7), is_sparse=st.booleans())
def test_a_sync_moves_the_newest_row_per_key(warehouse, case, end, start, is_sparse):
    """O5, P4."""
    last = case.world.instants[end]
    first = None if start is None else case.world.instants[start]
    warehouse.load(case.world, [case.rows])
    for view in case.world.views:
        window = SyncWindow(end=utc(last), start=None if first is None else utc(first))
        expected = oracle.newest_rows(view, case.rows.tables[view.name], last, start=first)
        sql = newest_query(view, window, is_sparse=is_sparse)
        assert same_rows(rows_of(warehouse.read(sql)), newest_values(view, expected))


@examples(150)
@given(case=cases(), end=st.integers(0, 7))
def test_online_equals_the_training_set_at_the_time_of_the_sync(warehouse, case, end):
    """P17: for every key there is, and one that is not there."""
    at = case.world.instants[end]
    warehouse.load(case.world, [case.rows])
    for view in case.world.views:
        synced = warehouse.read(newest_query(view, SyncWindow(end=utc(at))))
        stored = {
            row[: len(view.join_keys)]: dict(zip(synced.column_names, row, strict=True)) for row in rows_of(synced)
        }
        keys = {tuple(row[key.name] for key in view.join_keys) for row in case.rows.tables[view.name]}
        for key in [key for key in keys if None not in key]:
            seen = oracle.seen_at(view, case.rows.tables[view.name], key, at, as_of=view.as_of)
            for feature in view.features:
                value, status = oracle.online_status(view, stored.get(key), feature.name, at)
                assert value == (None if seen is None else seen[feature.name]), (key, status)
                assert (status in {oracle.PRESENT, oracle.NULL_VALUE}) == (seen is not None), (key, status)


@examples(100)
@given(case=cases(), at=st.integers(0, 7))
def test_a_snapshot_is_a_spine_of_all_keys_at_one_time(warehouse, case, at):
    """P16."""
    moment = case.world.instants[at]
    warehouse.load(case.world, [case.rows])
    for view in case.world.views:
        selection = selection_of_one(view)
        plan = training_plan(snapshot_spine(selection, utc(moment)), selection)
        expected = oracle.snapshot(view, case.rows.tables[view.name], moment)
        answer = rows_of(warehouse.run(plan, is_staged=False))
        features = [feature.name for feature in view.features]
        assert same_rows(
            answer,
            [
                (*key, moment, *(None if row is None else row[name] for name in features))
                for key, row in expected.items()
            ],
        )


@examples(100)
@given(case=cases(), start=st.integers(0, 7), end=st.integers(0, 7))
def test_a_range_is_every_row_in_it(warehouse, case, start, end):
    """P16."""
    first, last = (case.world.instants[number] for number in sorted((start, end)))
    warehouse.load(case.world, [case.rows])
    for view in case.world.views:
        plan = range_plan(selection_of_one(view), utc(first), utc(last))
        rows = oracle.rows_between(view, case.rows.tables[view.name], first, last)
        names = [*(key.name for key in view.join_keys), view.event_time.name, *(f.name for f in view.features)]
        assert same_rows(
            rows_of(warehouse.run(plan, is_staged=False)), [tuple(row[name] for name in names) for row in rows]
        )


@examples(40)
@given(case=cases())
def test_types_are_those_of_the_warehouse(warehouse, case):
    """P13: of the spine's columns, and of the features, also where everything is NULL."""
    warehouse.load(case.world, [case.rows])
    answer = warehouse.run(plan_of(case.world), is_staged=False).schema
    spine = warehouse.read("select * from spine limit 0").schema
    expected = [spine.field(name).type for name in case.world.spine.output_columns]
    for output in case.world.selection.outputs:
        source = warehouse.read(f"select * from {output.use.view.name} limit 0").schema
        expected += [source.field(output.feature.name).type]
    assert answer.types[: len(expected)] == expected


def test_the_domains_hit_the_edges():
    """A random case that never expires, ties or is NULL would prove nothing."""
    hits = _hits(2000)
    assert min(hits.values()) > 50, hits


def _hits(number: int) -> dict[str, int]:
    """How often the edges are hit in so many fast random cases."""
    choose = random.Random(7).choice
    hits = dict.fromkeys(
        ("value", "no row", "NULL in the newest row", "ttl edge", "moment edge", "tie", "duplicate"), 0
    )
    for _ in range(number):
        world = draw_world(choose)
        case = Case(world=world, rows=draw_rows(choose, world))
        _count(case, hits)
    return hits


def _count(case: Case, hits: dict[str, int]) -> None:
    spine = case.rows.spine
    hits["duplicate"] += len({tuple(example.values()) for example in spine}) < len(spine)
    for use in case.world.selection.uses:
        for example in spine:
            at = oracle.instant(example[case.world.spine.time])
            key = tuple(example[case.world.spine.column(name).name] for name in use.spine_keys)
            rows = case.rows.tables[use.view.name]
            row = oracle.seen_at(use.view, rows, key, at, as_of=case.world.as_of)
            hits["no row"] += row is None
            if row is None:
                continue
            hits["value"] += 1
            hits["NULL in the newest row"] += any(row[feature.name] is None for feature in use.view.features)
            hits["ttl edge"] += row[use.view.event_time.name] == at - (use.view.ttl_us or -1)
            hits["moment edge"] += row[use.view.event_time.name] == at
            same = [r for r in rows if oracle.is_same_key(use.view, r, key) and r["ev"] == row["ev"]]
            hits["tie"] += len(same) > 1
