"""Ctrl-C ends a command in order: the first one counts, and those that impatience sends after it change nothing.

The first cancels the query and closes the connection. Another one in the middle of that would leave a thread behind
inside DuckDB, and the process would abort with a message of the C++ runtime in place of ours.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

PATIENCE_S = 5.0
"""How long the end in order may take before another Ctrl-C ends the process at once."""

INTERRUPTED = 130


def hear_once() -> None:
    """Let the first SIGINT raise KeyboardInterrupt; where it is ignored or heard by somebody else, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    heard: list[float] = []

    def hear(_number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        heard.append(now)
        if len(heard) == 1:
            raise KeyboardInterrupt
        if now - heard[0] > PATIENCE_S:
            os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, hear)
