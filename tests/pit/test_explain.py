"""Random cases: the row that an explanation says was taken is the training set's, and every refusal is true."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.sql.candidates import example_query
from featurestore.sql.plan import Retrieval
from featurestore.training.compiled import Compiled
from featurestore.training.explain.example import spine_example
from featurestore.training.explain.run import Asked, explain
from featurestore.training.explain.view import group_of
from tests.pit import oracle
from tests.pit.duckdb_answers import Warehouse
from tests.pit.examples import examples
from tests.pit.strategies import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.training.explain.explanation import Explanation
    from featurestore.training.explain.view import Candidate, ViewExplanation
    from tests.pit.strategies import Case

LIMITS = st.sampled_from((1, 2, 9))


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    """One DuckDB for all cases."""
    opened = Warehouse()
    yield opened
    opened.close()


def explained(warehouse: Warehouse, case: Case, limit: int) -> list[Explanation]:
    """An explanation of every example."""
    warehouse.load(case.world, [case.rows])
    world = case.world
    compiled = Compiled(selection=world.selection, spine=world.spine, options=Retrieval(as_of=world.as_of))
    asked = Asked(compiled=compiled, dialect="duckdb", open_warehouse=None)
    made = []
    for row in range(len(case.rows.spine)):
        found = warehouse.read(example_query(world.spine, row, dialect="duckdb"))
        example = spine_example(world.spine, world.selection, row, found)
        made.append(explain(asked, example, warehouse.read, limit=limit))
    return made


def plain(value: Any) -> Any:
    """A value as the oracle has it: times as microseconds."""
    return oracle.instant(value) if isinstance(value, date) else value


def values_of(explanation: Explanation, case: Case) -> tuple[Any, ...]:
    """The features of an example, in the order of the request."""
    selection = case.world.selection
    by_use = {use: view.values for use, view in zip(selection.uses, explanation.views, strict=True)}
    return tuple(plain(by_use[output.use][output.feature.name]) for output in selection.outputs)


@examples(80)
@given(case=cases(), limit=LIMITS)
def test_the_row_said_to_be_taken_is_the_one_of_the_training_set(warehouse, case, limit):
    """P1-P11: for every example, with all options; against the training set's SQL and against the oracle."""
    numbered = case.numbered().asking(event_timestamps=False)
    trained = sorted(warehouse.answer(numbered), key=lambda row: row[0])
    expected = numbered.answer()
    width = len(numbered.world.spine.output_columns)
    for explanation in explained(warehouse, numbered, limit):
        row = explanation.example.row
        assert values_of(explanation, numbered) == trained[row][width:] == expected[row][width:]


@examples(80)
@given(case=cases(), limit=LIMITS)
def test_every_refusal_is_true(warehouse, case, limit):
    """P2-P9: a row is refused for just the rules that the oracle says it breaks, and none in play is refused."""
    for explanation in explained(warehouse, case, limit):
        example = case.rows.spine[explanation.example.row]
        at = oracle.instant(example[case.world.spine.time])
        for view in explanation.views:
            keys = tuple(example[case.world.spine.column(key).name] for key in view.use.spine_keys)
            if at is None or None in keys:
                assert (view.candidates, view.counts.total, view.taken) == ((), 0, None)
                continue
            rows = [r for r in case.rows.tables[view.use.view.name] if oracle.is_same_key(view.use.view, r, keys)]
            assert (view.counts.in_play, view.counts.passed, view.counts.later) == counts_of(view, rows, at)
            for candidate in view.candidates:
                assert_true(view, candidate, at)


def counts_of(view: ViewExplanation, rows: list[dict[str, Any]], at: int) -> tuple[int, int, int]:
    """How many rows are in play, passed, and later, as the oracle sees them."""
    definition = view.use.view
    seen = [row for row in rows if oracle.is_visible(definition, row, at)]
    in_play = [row for row in seen if oracle.is_alive(definition, row, at) and oracle.is_valid(definition, row, at)]
    return len(in_play), len(seen) - len(in_play), len(rows) - len(seen)


def assert_true(view: ViewExplanation, candidate: Candidate, at: int) -> None:
    """Compare the reasons of one verdict with the oracle's predicates, one by one."""
    definition, row = view.use.view, candidate.row
    as_oracle = {"ev": row.event_us, "cr": row.created_us, "until": row.valid_to_us}
    codes = {reason.code for reason in candidate.verdict.reasons}
    assert candidate.verdict.is_later == (not oracle.is_visible(definition, as_oracle, at))
    assert candidate.verdict.is_later == (group_of(candidate.verdict) == "later")
    if row.event_us is not None and row.event_us <= at:
        assert ("expired" in codes) == (not oracle.is_alive(definition, as_oracle, at))
        assert ("no_longer_valid" in codes) == (not oracle.is_valid(definition, as_oracle, at))
        loaded = definition.as_of == "event" or (row.created_us is not None and row.created_us <= at)
        assert loaded or codes & {"not_yet_known", "never_known"}
    for reason in candidate.verdict.reasons:
        assert reason.by_us is None or reason.by_us >= 0
        assert reason.rule in {"P2", "P3", "P4", "P7", "P8", "P9"}


@examples(30)
@given(case=cases(), limit=LIMITS)
def test_as_many_are_shown_on_each_side_as_asked_and_the_nearest_ones(warehouse, case, limit):
    """Later rows by when they become usable, all others by their event time; the taken one always."""
    for few, all_of_them in zip(explained(warehouse, case, limit), explained(warehouse, case, 99), strict=True):
        for view, whole in zip(few.views, all_of_them.views, strict=True):
            assert whole.not_shown == ()
            assert (view.taken is None) == (whole.taken is None)
            for is_later in (True, False):
                shown, known = side(view, is_later), side(whole, is_later)
                assert len(shown) == min(limit, len(known))
                assert shown == known[: len(shown)]


def side(view: ViewExplanation, is_later: bool) -> list[Any]:
    """The times of the refused rows of one side, nearest first; those that never become usable last."""
    refused = [c for c in view.candidates if not c.verdict.is_taken and c.verdict.is_later == is_later]
    if is_later:
        return sorted((c.row.usable_from_us is None, c.row.usable_from_us or 0) for c in refused)
    return [c.row.event_us for c in refused]
