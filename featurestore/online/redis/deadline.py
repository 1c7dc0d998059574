"""Moments on the monotonic clock by which something must be done, and how several share the time until then."""

from __future__ import annotations

import time

SAYS_WHY_S = 0.005
"""For a task that others wait for and that ends by its own limit at the same moment: it knows the reason."""
_LEAST_S = 0.001
_HANG_AT_MOST = 3


def left_s(until: float) -> float:
    """Say how many seconds are left; never nothing, which sockets take for another mode."""
    return max(until - time.monotonic(), _LEAST_S)


def turn_ends(until: float, waiting: int) -> float:
    """Say when the first of several that are tried one after another must make way for the next.

    Args:
        until: when all must be done.
        waiting: how many there are, this one included; a third of the time is the least that one gets.
    """
    now = time.monotonic()
    return now + (until - now) / min(waiting, _HANG_AT_MOST)
