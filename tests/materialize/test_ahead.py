"""The next batch is made while this one is written."""

from __future__ import annotations

import threading

import pytest

from featurestore.materialize.ahead import one_ahead


def test_items_come_in_order():
    assert list(one_ahead(range(100))) == list(range(100))
    assert list(one_ahead([])) == []


def test_the_next_item_is_made_while_this_one_is_used():
    made = [threading.Event() for _ in range(3)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    ahead = one_ahead(items())
    assert next(ahead) == 0
    assert made[1].wait(timeout=10)
    assert not made[2].is_set()


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise ValueError("broken")

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)
