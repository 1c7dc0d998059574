"""Whether the process lives (``/health``), and whether lookups can be answered (``/ready``, SEMANTICS O8)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from featurestore.serving.client import StoreStatus

if TYPE_CHECKING:
    from featurestore.server.served import Newest

_KEPT_S = 1.0


class Readiness:
    """What the store said, asked at most once a second."""

    def __init__(self, newest: Newest) -> None:
        self._newest = newest
        self._status = StoreStatus(is_ready=False, reason="not asked yet")
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def status(self) -> StoreStatus:
        """Whether lookups can be answered, and if not, why."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= _KEPT_S:
                self._status = await asyncio.to_thread(self._newest.now.client.status)
                self._asked_at = time.monotonic()
            return self._status
