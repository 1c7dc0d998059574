"""What a failing store does to a lookup: it raises, or it gives an answer that says that it is incomplete."""

from __future__ import annotations

import pytest

from featurestore.errors import OnlineStoreError, UsageError
from featurestore.serving import connect
from tests.serving.conftest import NOON, Listening, project, sync, view

ORDERS = view()
ASKED = {"customer_id": [1, 2, 1]}


@pytest.fixture
def broken(store):
    sync(store, ORDERS, {"customer_id": 1, "orders_7d": 3, "spend": 0.5})
    listening = Listening(store)
    listening.refuses = lambda keys, notes: True
    return listening


def test_with_null_every_value_is_null_and_the_answer_says_that_and_why(broken):
    client = connect(project(ORDERS), broken, on_error="null")
    response = client.get_online_features(["orders"], ASKED, now=NOON)
    assert response.to_dict() == {"customer_id": [1, 2, 1], "orders_7d": [None] * 3, "spend": [None] * 3}
    assert response.statuses["spend"] == ["NOT_FOUND"] * 3
    assert response.event_timestamps["spend"] == [None] * 3
    assert (response.is_complete, response.error) == (False, "refused")
    assert "nothing was read: refused" in repr(response)
    assert "nothing was read: refused" in response._repr_html_()
    broken.refuses = lambda keys, notes: False
    response = client.get_online_features(["orders"], ASKED, now=NOON)
    assert (response.is_complete, response.error) == (True, "")
    assert response.to_dict()["orders_7d"] == [3, None, 3]


def test_a_request_may_say_otherwise_than_its_client(broken):
    raising, null = connect(project(ORDERS), broken), connect(project(ORDERS), broken, on_error="null")
    assert not raising.get_online_features(["orders"], ASKED, on_error="null").is_complete
    for ask in (
        lambda: raising.get_online_features(["orders"], ASKED),
        lambda: null.get_online_features(["orders"], ASKED, on_error="raise"),
    ):
        with pytest.raises(OnlineStoreError, match="refused"):
            ask()


def test_a_request_that_cannot_be_meant_is_raised_all_the_same(broken):
    client = connect(project(ORDERS), broken, on_error="null")
    for features, entities in (
        (["ordrs"], ASKED),
        (["orders"], {"custmer_id": [1]}),
        (["orders"], {"customer_id": ["x"]}),
    ):
        with pytest.raises(UsageError):
            client.get_online_features(features, entities)


@pytest.mark.parametrize("said", ["ignore", None])
def test_there_are_two_ways_only(store, said):
    with pytest.raises(UsageError, match="expected on_error to be 'raise' or 'null'"):
        connect(project(ORDERS), store, on_error=said)
    if said is not None:
        with pytest.raises(UsageError, match="expected on_error to be 'raise' or 'null'"):
            connect(project(ORDERS), store).get_online_features(["orders"], ASKED, on_error=said)
