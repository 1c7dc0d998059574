"""Why a row is taken or refused, rule by rule, to the microsecond (SEMANTICS P2-P9)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurestore.definitions.durations import DAY, HOUR, MICROSECOND, MINUTE
from featurestore.definitions.views import Column, Feature, FeatureView
from featurestore.training.explain.verdicts import FeatureRow, beaten, refusals
from featurestore.training.explain.words import moment, span, value

NOON = 1_715_947_200_000_000
PLAIN = FeatureView(
    name="orders",
    relation="orders",
    event_time=Column(name="at", type="timestamp"),
    created_at=Column(name="loaded_at", type="timestamp"),
    features=(Feature(name="x", type="int64"), Feature(name="tags", type="list<string>")),
)
TTL = replace(PLAIN, ttl_us=7 * DAY)
DELAYED = replace(PLAIN, delay_us=HOUR)
KNOWLEDGE = replace(PLAIN, as_of="knowledge")
EXCLUSIVE = replace(PLAIN, boundary="exclusive")
INTERVAL = replace(PLAIN, valid_to=Column(name="until", type="timestamp"))


def row(event=NOON - DAY, created=NOON - DAY, valid_to=None, **values):
    """A row of yesterday, known since."""
    return FeatureRow(
        event_us=event, created_us=created, usable_from_us=event, valid_to_us=valid_to, values={"x": 1, **values}
    )


@pytest.mark.parametrize(
    ("view", "candidate", "said"),
    [
        (PLAIN, row(), []),
        (PLAIN, row(NOON), []),
        (PLAIN, row(NOON + 1), ["P2 in the future by 1us"]),
        (PLAIN, row(NOON + 2 * HOUR), ["P2 in the future by 2h"]),
        (PLAIN, row(None), ["P2 has no event time"]),
        (EXCLUSIVE, row(NOON), ["P2 at this very moment, which the boundary excludes"]),
        (EXCLUSIVE, row(NOON - 1), []),
        (TTL, row(NOON - 7 * DAY), []),
        (TTL, row(NOON - 7 * DAY - 1), ["P3 expired by 1us"]),
        (TTL, row(NOON - 10 * DAY - 4 * HOUR), ["P3 expired by 3d 4h"]),
        (replace(TTL, boundary="exclusive"), row(NOON - 7 * DAY), []),
        (DELAYED, row(NOON - HOUR), []),
        (DELAYED, row(NOON - 30 * MINUTE), ["P7 delayed: usable only 30m later"]),
        (replace(DELAYED, boundary="exclusive"), row(NOON - HOUR),
         ["P7 delayed until this very moment, which is excluded"]),
        (KNOWLEDGE, row(created=NOON), []),
        (KNOWLEDGE, row(created=NOON + 5 * MINUTE), ["P8 not yet known: loaded 5m too late"]),
        (KNOWLEDGE, row(created=None), ["P8 has no created time, so it was never known"]),
        (replace(KNOWLEDGE, boundary="exclusive"), row(created=NOON),
         ["P8 loaded at this very moment, which the boundary excludes"]),
        (PLAIN, row(created=NOON + DAY), []),
        (INTERVAL, row(valid_to=NOON + 1), []),
        (INTERVAL, row(NOON + HOUR), ["P9 not yet valid: begins 1h after"]),
        (INTERVAL, row(valid_to=NOON - HOUR), ["P9 no longer valid: ended 1h before"]),
        (INTERVAL, row(valid_to=NOON), ["P9 no longer valid: ends at this very moment"]),
        (replace(KNOWLEDGE, ttl_us=HOUR, delay_us=2 * DAY), row(created=NOON + HOUR),
         ["P7 delayed: usable only 1d later", "P8 not yet known: loaded 1h too late", "P3 expired by 23h"]),
    ],
)  # fmt: skip
def test_which_rules_refuse_a_row_at_noon(view, candidate, said):
    assert [f"{reason.rule} {reason.text}" for reason in refusals(view, candidate, NOON)] == said


@pytest.mark.parametrize(
    ("loser", "said", "by_us"),
    [
        (row(NOON - 2 * DAY), "older by 1d", DAY),
        (row(created=NOON - DAY - 3 * HOUR), "tied, but created 3h earlier", 3 * HOUR),
        (row(created=None), "tied; without a created time it ranks lowest", None),
        (row(x=0), "tied; lost by the feature x: 0 ranks below 1", None),
        (row(x=None), "tied; lost by the feature x: NULL ranks below 1", None),
        (row(tags=["a"]), "tied in all that orders rows: either may be taken; declare a tie-breaker", None),
        (row(tags=[]), "tied, and equal in everything", None),
    ],
)
def test_what_makes_a_row_come_second_p4(loser, said, by_us):
    winner = row(tags=[])
    reason = beaten(PLAIN, replace_missing(loser, tags=[]), winner, ["x", "tags"])
    assert (reason.rule, reason.text, reason.by_us) == ("P4", said, by_us)


def replace_missing(candidate, **values):
    return replace(candidate, values={**values, **candidate.values})


def test_a_declared_tie_breaker_is_called_one_and_nan_equals_nan():
    view = replace(PLAIN, tie_breakers=("priority",))
    winner = row(x=float("nan"), priority=2)
    assert beaten(view, row(x=float("nan"), priority=1), winner, ["x"]).text == (
        "tied; lost by the tie-breaker priority: 1 ranks below 2"
    )
    assert beaten(view, row(x=float("nan"), priority=2), winner, ["x"]).code == "tied_equal"


def test_a_list_that_nobody_asked_for_leaves_nothing_open():
    assert beaten(PLAIN, row(tags=["a"]), row(tags=[]), ["x"]).code == "tied_equal"


@pytest.mark.parametrize(
    ("microseconds", "written"),
    [
        (0, "0s"), (1, "1us"), (1_500, "1ms 500us"), (1_000_001, "1s"), (61_000_000, "1m 1s"),
        (3 * DAY + 4 * HOUR + MINUTE, "3d 4h"), (400 * DAY, "400d"), (-2 * HOUR, "2h"),
    ],
)  # fmt: skip
def test_a_span_is_written_in_its_two_largest_units(microseconds, written):
    assert span(microseconds) == written


def test_times_are_written_to_the_microsecond_and_so_is_what_no_calendar_has():
    assert moment(NOON + MICROSECOND) == "2024-05-17T12:00:00.000001Z"
    assert [moment(time) for time in (None, 2**63 - 1, -(2**63) + 1)] == ["-", "infinity", "-infinity"]
    assert moment(10**18) == "after the years 1 to 9999"


def test_values_are_written_in_one_line():
    assert [value(given, 9) for given in (None, "a\n b", float("nan"), "abcdefghijkl")] == [
        "NULL", "a b", "NaN", "abcdef...",
    ]  # fmt: skip
