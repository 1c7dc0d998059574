"""A request to an object store that Ctrl-C can end: `obstore` itself would wait for the answer first, up to 15 s.

The rule: what was asked is not taken back. Whoever is interrupted does not know whether a write was done.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


def heard(ask: Callable[[], Answer]) -> Answer:
    """Ask in a thread of its own, while this one waits and can be interrupted; only the main thread ever is.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C; the request goes on, and its answer is lost.
        Exception: whatever `ask` raises.
    """
    if threading.current_thread() is not threading.main_thread():
        return ask()
    from concurrent.futures import Future

    from featurestore.waiting import result_of

    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            answer.set_exception(error)

    threading.Thread(target=work, name="featurestore-bucket", daemon=True).start()
    return result_of(answer)
