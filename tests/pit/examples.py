"""How many random cases a test tries; ``FEWER_EXAMPLES=4`` tries a quarter, where another run tries them all."""

from __future__ import annotations

import os

from hypothesis import settings

_SHARE = int(os.environ.get("FEWER_EXAMPLES", "1"))


def examples(count: int) -> settings:
    """Try so many cases, or the share of them that is asked for."""
    return settings(max_examples=max(1, count // _SHARE))
