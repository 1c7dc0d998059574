"""Ctrl-C stops what runs in the warehouse, however early it comes, and is raised when that has ended."""

from __future__ import annotations

import threading

import pytest

from featurestore.warehouse.worker import Worker
from tests.warehouse.interrupts import press_ctrl_c


class Query:
    """Runs until it is cancelled; the first cancels come before it has begun, and are lost."""

    def __init__(self, *, lost):
        self.lost, self.cancels, self.is_cancelled = lost, 0, threading.Event()

    def run(self):
        press_ctrl_c()
        assert self.is_cancelled.wait(60)

    def cancel(self):
        self.cancels += 1
        if self.cancels > self.lost:
            self.is_cancelled.set()


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_query_that_begins_after_the_first_cancel_is_stopped_by_another(lost):
    query = Query(lost=lost)
    worker = Worker("test", query.cancel)
    with pytest.raises(KeyboardInterrupt):
        worker.run(query.run)
    assert query.is_cancelled.is_set()
    assert worker.run(lambda: "the next") == "the next"
    worker.close()


def test_another_ctrl_c_does_not_wait_for_a_query_that_cannot_be_stopped():
    has_ended = threading.Event()
    worker = Worker("test", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        worker.run(lambda: (press_ctrl_c(), has_ended.wait(60)))
    assert not has_ended.is_set()
    has_ended.set()
    worker.close()
