"""Ctrl-C during a query, here in the test's own process: it is heard by the query, or the test would end with it."""

from __future__ import annotations

import os
import signal
import threading


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def interrupted(work, *, after_s=0.5):
    """Do the work, and press Ctrl-C meanwhile; call it where the KeyboardInterrupt is expected.

    It is pressed again after a minute: where Python swallows it, as in a `__del__`, the work would never end.
    """
    has_ended = threading.Event()

    def press():
        pause_s = after_s
        while not has_ended.wait(pause_s):
            press_ctrl_c()
            pause_s = 60.0

    thread = threading.Thread(target=press)
    try:
        thread.start()
        work()
    finally:
        has_ended.set()
        thread.join()
