"""Random cases asked in another way: the answer stays the same, or changes as it must, with no oracle needed.

More of them, on rows and their order, pruning, ttl and knowledge time, stand in `test_properties.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.pit.batches import drawn
from tests.pit.duckdb_answers import Warehouse, same_rows
from tests.pit.strategies import EVENT_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pit.strategies import Case

pytestmark = pytest.mark.parametrize("number", range(10))
CASES = 60  # to each number


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    """One DuckDB for all cases."""
    opened = Warehouse()
    yield opened
    opened.close()


def test_a_view_asked_once_more_under_another_name_answers_the_same(warehouse, number):
    """P11: and changes nothing else."""
    case = drawn(f"metamorphic/{number}", cases=CASES).asking(full_names=True, event_timestamps=False)
    first, *others = case.world.references
    head, colon, feature = first.partition(":")
    again = case.asking(references=(first, *others, f"{head} as another{colon}{feature}"))
    count = sum(output.use.name == "another" for output in again.world.selection.outputs)
    start = len(case.world.spine.output_columns)
    answered = warehouse.answer(again)
    assert all(row[start : start + count] == row[-count:] for row in answered)
    assert same_rows([row[:-count] for row in answered], warehouse.answer(case))


def test_a_mapped_key_is_a_renamed_column(warehouse, number):
    """P11."""
    case = drawn(f"metamorphic/{number}", cases=CASES)
    assert same_rows(warehouse.answer(case), warehouse.answer(_renamed(case)))


def _renamed(case: Case) -> Case:
    """The column ``id`` of each view is called ``k1``, as in the spine, so that the mapping is not needed."""

    def rename(values: dict[str, Any]) -> dict[str, Any]:
        return {"k1" if name == "id" else name: value for name, value in values.items()}

    views = tuple(
        replace(
            view,
            join_keys=tuple(replace(key, name="k1") if key.name == "id" else key for key in view.join_keys),
            entities=tuple("k1" if name == "id" else name for name in view.entities),
        )
        for view in case.world.views
    )
    references = tuple(
        reference.replace("[id=k1]", "").replace("[id=k2]", "[k1=k2]") for reference in case.world.references
    )
    tables = {name: tuple(map(rename, rows)) for name, rows in case.rows.tables.items()}
    return case.asking(views=views, references=references).holding(tables=tables)


def test_examples_asked_in_two_parts_answer_the_same(warehouse, number):
    """P1, P15: what an example sees does not hang on which others are asked with it."""
    case = drawn(f"metamorphic/{number}", cases=CASES)
    is_staged = number % 2 == 1
    parts = [case.holding(spine=case.rows.spine[start::2]) for start in (0, 1)]
    answered = [row for part in parts for row in warehouse.answer(part, is_staged=is_staged)]
    assert same_rows(answered, warehouse.answer(case, is_staged=is_staged))


def test_views_asked_one_by_one_answer_the_same(warehouse, number):
    """P1, P5: no view's rows touch another's."""
    case = drawn(f"metamorphic/{number}", cases=CASES).asking(event_timestamps=False).numbered()
    together = sorted(warehouse.answer(case), key=lambda row: row[0])
    spine = len(case.world.spine.output_columns)
    alone = [row[:spine] for row in together]
    for reference in case.world.references:
        answered = sorted(warehouse.answer(case.asking(references=(reference,))), key=lambda row: row[0])
        alone = [before + row[spine:] for before, row in zip(alone, answered, strict=True)]
    assert alone == together


def test_the_time_zone_of_the_session_changes_nothing(warehouse, number):
    """P14."""
    case = drawn(f"metamorphic/{number}", cases=CASES)
    answers = [warehouse.answer(case.asking(time_zone=zone)) for zone in ("UTC", "Asia/Kolkata", "America/New_York")]
    assert same_rows(answers[0], answers[1])
    assert same_rows(answers[0], answers[2])


def test_a_delay_is_a_later_event_time_where_nothing_expires(warehouse, number):
    """P7: with a ttl it is not, since that counts from the event."""
    case = drawn(f"metamorphic/{number}", cases=CASES)
    delay = (1, 1_000_000, 3_600_000_000)[number % 3]
    views = tuple(
        replace(view, event_time=replace(view.event_time, type="timestamp"), ttl_us=None, valid_to=None, delay_us=0)
        for view in case.world.views
    )
    plain = case.asking(views=views, event_timestamps=False)
    later = {name: tuple(_later(row, delay) for row in rows) for name, rows in case.rows.tables.items()}
    delayed = plain.asking(views=tuple(replace(view, delay_us=delay) for view in views))
    assert same_rows(warehouse.answer(delayed), warehouse.answer(plain.holding(tables=later)))


def _later(row: dict[str, Any], delay: int) -> dict[str, Any]:
    return row if row[EVENT_TIME] is None else {**row, EVENT_TIME: row[EVENT_TIME] + delay}
