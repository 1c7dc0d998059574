"""Of a batch's rows of one key only the newest is sent, and that changes nothing of what is served (SEMANTICS O1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from featurestore.online.batches import batch_of
from featurestore.streams.online_rows import newest_only

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2), st.integers(-2, 2)), max_size=12)


@given(ROWS)
def test_of_each_key_the_newest_row_stays_and_of_equal_ones_the_last(rows):
    batch = batch_of(
        [b"k%d" % key for key, _, _ in rows],
        [b"v%d" % place for place in range(len(rows))],
        event_us=[event for _, event, _ in rows],
        created_us=[created for _, _, created in rows],
    )
    expected = {}
    for place, (key, event, created) in enumerate(rows):
        if key not in expected or (event, created) >= expected[key][:2]:
            expected[key] = (event, created, place)
    found = newest_only(batch)
    assert sorted(found.values.to_pylist()) == sorted(b"v%d" % place for _, _, place in expected.values())
    places = [int(value[1:]) for value in found.values.to_pylist()]
    assert places == sorted(places)
