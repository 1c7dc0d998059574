"""The next batch is made while this one is written."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from featurestore.materialize.ahead import in_threads, one_ahead
from tests.warehouse.interrupts import press_ctrl_c


def never():
    raise AssertionError("all items were wanted")


def test_items_come_in_order():
    assert list(one_ahead(range(100), abandon=never)) == list(range(100))
    assert list(one_ahead([], abandon=never)) == []


def test_the_next_item_is_made_while_this_one_is_used():
    made = [threading.Event() for _ in range(3)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    ahead = one_ahead(items(), abandon=lambda: None)
    assert next(ahead) == 0
    assert made[1].wait(timeout=120)
    assert not made[2].is_set()


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise ValueError("broken")

    ahead = one_ahead(items(), abandon=lambda: None)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError])
def test_when_nobody_wants_the_rest_the_item_being_made_is_not_waited_for(problem):
    """Ctrl-C reaches the caller, never the thread."""
    stopped = threading.Event()

    def items():
        yield 1
        assert stopped.wait(timeout=120)

    with pytest.raises(problem), closing(one_ahead(items(), abandon=stopped.set)) as ahead:  # noqa: PT012
        assert next(ahead) == 1
        raise problem
    assert stopped.is_set()


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_query_that_begins_only_after_it_was_given_up_is_given_up_again(lost):
    """What has not begun in the warehouse cannot be stopped there."""
    given_up, stopped = [], threading.Event()

    def items():
        press_ctrl_c()
        assert stopped.wait(timeout=120)
        yield 1

    def abandon():
        given_up.append(1)
        if len(given_up) > lost:
            stopped.set()

    with pytest.raises(KeyboardInterrupt):
        list(one_ahead(items(), abandon=abandon))
    assert stopped.is_set()


def test_items_are_used_in_several_threads_and_come_back_in_order():
    both = threading.Barrier(2, timeout=120)

    def use(number):
        if number < 2:
            both.wait()
        return number * 10

    assert list(in_threads(use, range(20), threads=2)) == [(number, number * 10) for number in range(20)]


def test_few_items_are_held_at_a_time():
    taken = []
    used = in_threads(lambda number: number, iter_noting(taken), threads=3)
    next(used)
    assert len(taken) == 4
    used.close()


def iter_noting(taken):
    for number in range(100):
        taken.append(number)
        yield number


def test_after_an_error_in_a_thread_nothing_more_is_begun():
    begun = []

    def use(number):
        begun.append(number)
        if number == 1:
            raise ZeroDivisionError
        return number

    with pytest.raises(ZeroDivisionError):
        list(in_threads(use, range(100), threads=2))
    assert len(begun) <= 5
