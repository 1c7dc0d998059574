"""Python's collector of circular garbage, told to wait where very many small objects are made that all stay.

It looks at everything that is alive again and again as objects grow in number, and finds nothing here: for a thousand
views of fifty features that is a third of the time.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the collector wait; what was free to collect before is so again afterwards."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
