"""How long lookups take on a machine that may be busy: of a dozen measurements one must keep the bound."""

from __future__ import annotations

import contextlib
import math
import threading
import time

import pytest

from featurestore.errors import OnlineStoreError

TRIES = 12


def seconds_of(look_up):
    """What it costs, answered or not."""
    before = time.perf_counter()
    with contextlib.suppress(OnlineStoreError):
        look_up()
    return time.perf_counter() - before


def seconds_until_answered(look_up, answer):
    """What it costs; endless with an error, and fails with another answer."""
    before = time.perf_counter()
    try:
        assert look_up() == answer
    except OnlineStoreError:
        return math.inf
    return time.perf_counter() - before


def seconds_until_refused(look_up, match):
    """What it costs; fails if it is answered, or with another error."""
    before = time.perf_counter()
    with pytest.raises(OnlineStoreError, match=match):
        look_up()
    return time.perf_counter() - before


def expect_within(seconds, measure):
    """Fail unless one of a dozen measurements, in seconds, is below that."""
    took = []
    while len(took) < TRIES:
        took.append(measure())
        if took[-1] < seconds:
            return
    raise AssertionError(f"each of {took} s is more than {seconds} s")


def in_time(do):
    """What it returns; where it is an error, since a limit that must be short was too short, it is done again."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(OnlineStoreError):
            return do()
    return do()


def in_threads(count, do):
    """What each of so many threads returns."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(do())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
