"""Workers of a whole project, in a thread of the test."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from featurestore.streams.worker import Pace
from tests.streams.scene import PATIENCE_S, wait_for


@contextmanager
def streaming(store):
    """Workers of all streams, until the end of the block; what they raised is raised."""
    stop, done = threading.Event(), []

    def run():
        try:
            done.append(store.run_streams(stop=stop, pace=Pace(wait_s=0.005, flush_s=0.05)))
        except BaseException as problem:  # noqa: BLE001  raised again below
            done.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    if isinstance(done[0], BaseException):
        raise done[0]


def read_all(store):
    with streaming(store):
        wait_for(lambda: [each.waiting for each in store.stream_status()] == [0], "everything is committed")
