"""Events out of order, sent twice, late and malformed, while workers and stores are killed: both sides are exact."""

from __future__ import annotations

import pytest

from tests.streams.storm import Storm, blow

STORMS = [
    Storm(events=20_000, kills=5, broker="redis", warehouse="duckdb", seed=11),
    Storm(events=10_000, kills=2, broker="kafka", warehouse="postgres", seed=12),
]


@pytest.mark.slow
@pytest.mark.parametrize("storm", STORMS, ids=[f"{each.broker}-{each.warehouse}" for each in STORMS])
def test_nothing_is_lost_and_nothing_doubled(storm, tmp_path):
    """O1, O7: online the newest by (event time, created time); offline each valid event once; each bad one a letter."""
    done = blow(storm, tmp_path)
    assert done["messages"] == storm.events
    assert done["rows_offline"] >= done["valid"]
