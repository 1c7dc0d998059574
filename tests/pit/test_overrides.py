"""A request's own rules of time answer as if the views had been declared with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.definitions.durations import DAY, HOUR, SECOND, format_duration
from featurestore.definitions.rules import read_overrides, with_rules
from featurestore.sql.plan import Retrieval
from featurestore.sql.point_in_time import training_plan
from tests.pit.duckdb_answers import Warehouse, rows_of, same_rows
from tests.pit.examples import examples
from tests.pit.strategies import cases

LENGTHS = st.sampled_from([1, 2 * SECOND, HOUR, DAY])


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse()
    yield opened
    opened.close()


@st.composite
def options_of(draw, view):
    """What a request may say of a view, and the view as it would be declared."""
    said, declared = {}, {}
    if draw(st.booleans()):
        declared["ttl_us"] = draw(st.none() | LENGTHS)
        said["ttl"] = "none" if declared["ttl_us"] is None else format_duration(declared["ttl_us"])
    if view.valid_to is None and draw(st.booleans()):
        declared["delay_us"] = draw(st.just(0) | LENGTHS)
        said["delay"] = format_duration(declared["delay_us"])
    if view.valid_to is None and draw(st.booleans()):
        said["boundary"] = declared["boundary"] = draw(st.sampled_from(["inclusive", "exclusive"]))
    if view.valid_to is None and view.created_at is not None and draw(st.booleans()):
        said["as_of"] = declared["as_of"] = draw(st.sampled_from(["event", "knowledge"]))
    return said, declared


@examples(150)
@given(case=cases(), data=st.data())
def test_a_request_overrides_what_a_view_declares(warehouse, case, data):
    """P2, P3, P7, P8."""
    said, views = {}, []
    for view in case.world.views:
        said[view.name], declared = data.draw(options_of(view))
        general = {} if case.world.as_of is None else {"as_of": case.world.as_of}
        views.append(replace(view, **{**general, **declared}))
    expected = case.asking(views=tuple(views), as_of=None).answer()
    selection = with_rules(case.world.selection, as_of=case.world.as_of, overrides=read_overrides(said))
    warehouse.load(case.world, [case.rows])
    options = Retrieval(event_timestamps=case.world.event_timestamps)
    plan = training_plan(case.world.spine, selection, options=options)
    for is_staged in (False, True):
        assert same_rows(rows_of(warehouse.run(plan, is_staged=is_staged)), expected)
