"""The JSON of an answer, written in a few strokes, is that of a plain loop over its columns."""

import json
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from featurestore.online.codec import converter, instant
from featurestore.online.json_values import json_value
from featurestore.serving.columns import Columns, statuses_of, values_of
from featurestore.serving.feast_json import feast_json
from featurestore.serving.judged import JudgedRows
from featurestore.serving.outputs import PlannedOutput, outputs_of

FLOATS = st.floats(width=32) | st.sampled_from([float("nan"), float("inf"), -0.0, 1e300])
TEXTS = st.text(max_size=4) | st.sampled_from(["null", "],[", '","', "a\nb", "n", "é"])
STORED = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": FLOATS,
    "boolean": st.booleans(),
    "string": TEXTS,
    "list<float64>": st.lists(st.none() | FLOATS, max_size=3),
    "list<string>": st.lists(st.none() | TEXTS, max_size=3),
    "decimal(9,2)": st.sampled_from(["1.50", "-0.01"]),
    "date": st.integers(-1_000, 40_000),
}
TIMES_US = st.integers(-(2**40), 2**52)
NOT_PRESENT = st.sampled_from(["NOT_FOUND", "OUTSIDE_MAX_AGE"])


@st.composite
def judged_rows(draw, types, count):
    statuses = draw(st.none() | st.lists(st.just("PRESENT") | NOT_PRESENT, min_size=count, max_size=count))
    event_us = [
        None if statuses is not None and statuses[row] == "NOT_FOUND" else draw(TIMES_US) for row in range(count)
    ]
    is_there = [statuses is None or status == "PRESENT" for status in statuses or [None] * count]
    columns = [
        tuple(draw(st.none() | STORED[value_type]) if there else None for there in is_there) for value_type in types
    ]
    return JudgedRows(columns, statuses, event_us)


@st.composite
def answers(draw):
    count = draw(st.just(1) | st.integers(0, 14))
    types = [
        draw(st.lists(st.sampled_from(sorted(STORED)), min_size=1, max_size=6)) for _ in range(draw(st.integers(1, 3)))
    ]
    rows = [draw(judged_rows(each, count)) for each in types]
    cells = [(use, cell) for use, each in enumerate(types) for cell in range(len(each))]
    order = draw(st.permutations(cells))
    outputs = outputs_of(
        PlannedOutput(name=f"f{place}", type=types[use][cell], use=use, cell=cell, convert=converter(types[use][cell]))
        for place, (use, cell) in enumerate(order)
    )
    keys = draw(st.lists(st.none() | st.integers() | TEXTS | FLOATS, min_size=count, max_size=count))
    entities = Columns(
        outputs_of([PlannedOutput(name="k", type="string", cell=0)]), [JudgedRows([keys], None, [None] * count)]
    )
    return entities, Columns(outputs, rows)


def plainly(columns):
    return [
        {
            "values": [json_value(value) for value in values_of(output, columns.rows[output.use])],
            "statuses": statuses_of(output, columns.rows[output.use]),
            "event_timestamps": [time_of(us) for us in columns.rows[output.use].event_us],
        }
        for output in columns.outputs.columns
    ]


def time_of(us):
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) if us is None else instant(us)
    return moment.replace(tzinfo=None).isoformat() + "Z"


@given(answers())
def test_it_is_what_a_loop_over_the_columns_says(answer):
    """O3: the status of each value is told."""
    entities, features = answer
    written = json.loads(feast_json(entities, features))
    assert written["metadata"] == {"feature_names": [*entities.names, *features.names]}
    assert written["results"] == [*plainly(entities), *plainly(features)]


@given(answers())
def test_rows_are_counted_as_a_loop_over_the_rows_counts_them(answer):
    """O3: of a row, NULL_VALUE says that a feature that was asked for is null."""
    _, features = answer
    counted = features.row_counts()
    for use, rows in enumerate(features.rows):
        outputs = [output for output in features.outputs.columns if output.use == use]
        each = [
            "NULL_VALUE" if "NULL_VALUE" in row else row[0]
            for row in zip(*(statuses_of(output, rows) for output in outputs), strict=True)
        ]
        assert {status: number for status, number in counted[use].items() if number} == {
            status: each.count(status) for status in set(each)
        }


def test_nothing_at_all_is_no_results():
    nothing = Columns(outputs_of([]), [])
    assert json.loads(feast_json(nothing, nothing)) == {"metadata": {"feature_names": []}, "results": []}
