"""When a process that ended may be started anew: at once if it lived a while, later and later if it did not."""

from __future__ import annotations

import time

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_LIVED_S = 10.0
"""Who lived so long did not die of how it was started."""


class Backoff:
    """The pauses of one kind of process."""

    def __init__(self) -> None:
        self._pause_s = _FIRST_PAUSE_S
        self._start_at = 0.0

    @property
    def may_start(self) -> bool:
        """Whether the pause is over."""
        return time.monotonic() >= self._start_at

    def ended(self, lived_s: float) -> None:
        """Take in that one ended, or could not be started at all."""
        if lived_s > _LIVED_S:
            self._pause_s, self._start_at = _FIRST_PAUSE_S, 0.0
            return
        self._start_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
