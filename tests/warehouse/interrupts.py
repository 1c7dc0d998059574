"""Ctrl-C during a query, here in the test's own process: it is heard by the query, or the test would end with it."""

from __future__ import annotations

import os
import signal
import threading


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def interrupted(work, *, after_s=0.5):
    """Do the work, and press Ctrl-C meanwhile; call it where the KeyboardInterrupt is expected."""
    timer = threading.Timer(after_s, press_ctrl_c)
    timer.start()
    try:
        work()
    finally:
        timer.cancel()
        timer.join()
