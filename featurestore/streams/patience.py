"""Wait for what cannot be used just now, longer each time, until it can or somebody says stop."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, TypeVar

from featurestore.errors import BackendError, FeatureStoreError, OperationError, QueryError, UsageError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from featurestore.streams.tally import Tally

logger = logging.getLogger("featurestore.streams")
Result = TypeVar("Result")

_FIRST_S, _LONGEST_S = 0.1, 15.0
_LOOK_S = 0.5


class Stopped(Exception):  # noqa: N818  no error: somebody asked for it
    """The worker is to end before the work could be done; nothing of it is committed."""


class Patience:
    """Tries again what may come right by itself.

    Args:
        stop: set when the worker is to end.
        tally: told why nothing is taken.
        keep_alive: called while waiting.
        name: of the stream, for the log.
    """

    def __init__(self, stop: threading.Event, tally: Tally, keep_alive: Callable[[], None], *, name: str) -> None:
        self._stop = stop
        self._tally = tally
        self._keep_alive = keep_alive
        self._name = name

    def insist(self, what: str, work: Callable[[], Result], *, gives_up: Callable[[int], bool] | None = None) -> Result:
        """Do some work, as often as it takes.

        Args:
            what: names it in the log.
            work: raises BackendError or OperationError for what may come right; may be done again.
            gives_up: asked with the number of failed tries whether to raise the last BackendError; never by default.

        Raises:
            UsageError, QueryError: what does not come right by itself.
            Stopped: the worker is to end.
        """
        pause_s, tries = _FIRST_S, 0
        while True:
            try:
                done = work()
            except (UsageError, QueryError):
                raise
            except (BackendError, OperationError) as error:
                tries += 1
                self._note(what, error, is_first=tries == 1)
                if gives_up is not None and isinstance(error, BackendError) and gives_up(tries):
                    self._tally.paused = ""
                    raise
                self._wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_S)
            else:
                if tries:
                    logger.info("%s: %s: it works again", self._name, what)
                    self._tally.paused = ""
                return done

    def _note(self, what: str, error: FeatureStoreError, *, is_first: bool) -> None:
        self._tally.retries += 1
        self._tally.paused = f"{what}: {error.message}"
        if is_first:
            logger.warning("%s: %s waits: %s", self._name, what, error)

    def _wait(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s * random.uniform(0.75, 1.25)  # noqa: S311  spreads workers
        while (left_s := until - time.monotonic()) > 0:
            if self._stop.wait(min(left_s, _LOOK_S)):
                raise Stopped
            try:
                self._keep_alive()
            except BackendError:  # the broker is away as well, which the next poll says
                continue
        if self._stop.is_set():
            raise Stopped
