"""Whether the process lives (``/health``), and whether lookups can be answered (``/ready``, SEMANTICS O8).

The rule: anybody may ask, so an answer holds no address, no text of an exception, and no name where names are secret.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.errors import without_secrets
from featurestore.serving.client import StoreStatus
from featurestore.serving.lookup import EMPTY

if TYPE_CHECKING:
    from featurestore.server.served import Newest

logger = logging.getLogger("featurestore.server")

_KEPT_S = 1.0
_AWAY = "the online store cannot be read; the server's log says why"


class Readiness:
    """What the store said, asked at most once a second.

    Args:
        newest: what is served.
        tells_names: whether anybody may hear the names of views.
    """

    def __init__(self, newest: Newest, *, tells_names: bool) -> None:
        self._newest = newest
        self._tells_names = tells_names
        self._status = StoreStatus(is_ready=False, reason="not asked yet")
        self._said = ""
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def status(self) -> StoreStatus:
        """Whether lookups can be answered, and if not, why."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= _KEPT_S:
                self._status = self._told(await asyncio.to_thread(self._newest.now.client.status))
                self._asked_at = time.monotonic()
            return self._status

    def _told(self, status: StoreStatus) -> StoreStatus:
        """What everybody may hear of it; the rest is logged when it changes."""
        reason = status.reason
        if reason != self._said:
            self._said = reason
            if reason:
                logger.error("not ready: %s", without_secrets(reason))
            else:
                logger.info("ready again")
        if reason and not reason.startswith(EMPTY):
            status = replace(status, reason=_AWAY)
        return status if self._tells_names else replace(status, not_synced=(), generation=None)
