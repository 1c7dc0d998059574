"""The circuit breaker of lookups: after some failures in a row they fail at once, and one tries again now and then."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

from featurestore.online.redis.replies import BreakerOpenError


class Breaker:
    """Counts failures of one server's lookups; shared by threads and event loops.

    Args:
        failures: in a row, after which it opens; 0 is never.
        pause_s: how long nobody is let through; then one, and the others when that one succeeded.
    """

    def __init__(self, failures: int, pause_s: float) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._failed = 0
        self._since: datetime | None = None
        self._next_try = 0.0

    def check(self) -> None:
        """Raise BreakerOpenError unless a lookup may be sent; costs nothing while all is well."""
        if self._failed and self._since is not None:
            self._let_one_through(self._since)

    def succeeded(self) -> None:
        """Close it."""
        if self._failed:
            with self._lock:
                self._failed, self._since = 0, None

    def failed(self) -> None:
        """Count one failure more."""
        with self._lock:
            self._failed += 1
            if self._most and self._failed >= self._most:
                self._since = self._since or datetime.now(timezone.utc)
                self._next_try = time.monotonic() + self._pause_s

    def _let_one_through(self, since: datetime) -> None:
        with self._lock:
            now = time.monotonic()
            if now >= self._next_try:
                self._next_try = now + self._pause_s
                return
            failed = self._failed
        said = f"{since:%Y-%m-%d %H:%M:%S} UTC"
        raise BreakerOpenError(
            f"does not answer: the last {failed} tries failed, so none was made since {said} but one"
            f" every {self._pause_s:g} s"
        )
