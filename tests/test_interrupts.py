"""A Ctrl-C that a test presses reaches it, wherever it lands."""

from __future__ import annotations

import gc
import time

import pytest

from tests.warehouse.interrupts import press_ctrl_c


def test_a_ctrl_c_inside_a_callback_of_the_garbage_collector_is_heard_after_it():
    pressed = []

    def callback(phase, _info):
        if phase == "stop" and not pressed:
            pressed.append(phase)
            press_ctrl_c()
            for _ in range(1000):
                pass  # the handler runs in here, where an exception would be swallowed

    gc.callbacks.append(callback)
    try:
        with pytest.raises(KeyboardInterrupt):
            _collect_and_wait()
    finally:
        gc.callbacks.remove(callback)
    assert pressed


def _collect_and_wait():
    gc.collect()
    time.sleep(60)
