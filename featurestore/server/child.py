"""A process that the supervisor starts: one of our modules, the sockets it is handed, its config on its input.

The child sees the end of its input when the supervisor is gone, whatever ended it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Child:
    """A running process.

    Args:
        module: what it runs.
        line: its first line of input.
        sockets: file descriptors that it inherits, and whose numbers are its arguments; its status pipe comes last.

    Attributes:
        status: the end of a pipe into which it writes when it is ready.
        is_ready: whether it has.
        started_at: monotonic seconds.

    Raises:
        OSError: the machine has no room for another process now.
    """

    def __init__(self, module: str, line: bytes, sockets: Sequence[int]) -> None:
        self.status, status = os.pipe()
        handed = (*sockets, status)
        command = [sys.executable, "-m", module, *map(str, handed)]
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                command, stdin=subprocess.PIPE, pass_fds=handed, start_new_session=True
            )
        except OSError:
            os.close(self.status)
            raise
        finally:
            os.close(status)
        self.started_at = time.monotonic()
        self.is_ready = False
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, which is seen
            self._process.stdin.write(line)
            self._process.stdin.flush()

    @property
    def number(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def read_status(self) -> None:
        """Take in that it is ready, or that it ended before."""
        self.is_ready = self.is_ready or bool(os.read(self.status, 64))

    def wait_until_ready(self, until: float) -> None:
        """Wait until it is ready or has ended, but not beyond a time, monotonic seconds."""
        while not self.is_ready and self.exit_code is None and time.monotonic() < until:
            if select.select([self.status], [], [], max(0.0, until - time.monotonic()))[0]:
                self.read_status()
                if not self.is_ready:  # the pipe was closed: it ends
                    return

    def send(self, signal: int) -> None:
        """Send it a signal."""
        self._process.send_signal(signal)

    def end(self, until: float) -> None:
        """Wait until it has ended; kill it at a time, monotonic seconds."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.release()

    def release(self) -> None:
        """Give back what the supervisor holds of it."""
        os.close(self.status)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
