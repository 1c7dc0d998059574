"""What a worker has to be seen by: its numbers and its access log, and the task that hands them on."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.server.access_log import AccessLog
from featurestore.server.log.at_worker import log_series
from featurestore.server.log.feature_log import FeatureLog
from featurestore.server.metrics import Metrics
from featurestore.server.tallies import Tallies
from featurestore.server.watch import Watch

if TYPE_CHECKING:
    from featurestore.prometheus import Series
    from featurestore.server.config import ServerConfig
    from featurestore.server.served import Newest
    from featurestore.server.turns import Turns

_LOG_S, _FLUSHES_PER_WRITE = 0.2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """The instruments of one worker.

    Attributes:
        watch: counts and logs requests.
        metrics: the numbers of all workers.
        feature_log: keeps what was answered.
    """

    watch: Watch
    metrics: Metrics
    feature_log: FeatureLog

    async def run(self) -> None:
        """Hand on what was noted, until cancelled: the log five times a second, the numbers each second."""
        while True:
            await self.metrics.flush()
            for _ in range(_FLUSHES_PER_WRITE):
                await asyncio.sleep(_LOG_S)
                if self.watch.log is not None:
                    self.watch.log.flush()

    async def close(self) -> None:
        """Hand on the rest."""
        await asyncio.to_thread(self.feature_log.close)
        if self.watch.log is not None:
            await asyncio.to_thread(self.watch.log.close)
        await self.metrics.close()


def make_instruments(config: ServerConfig, newest: Newest) -> Instruments:
    """Make the instruments of a worker.

    Args:
        config: whether there is an access log, and the folder for the numbers.
        newest: what is served.
    """
    log = AccessLog(sys.stdout.fileno()) if config.has_access_log else None
    tallies, metrics = Tallies(), Metrics(config.state_dir)
    feature_log = FeatureLog(config.spool)

    def of_worker() -> Series:
        return {
            ("featurestore_registry_version",): newest.now.version,
            ("featurestore_registry_current",): int(not newest.problem),
            ("featurestore_registry_look_failures_total",): newest.failures,
            ("featurestore_breaker_open",): int(tallies.is_breaker_open),
            ("featurestore_access_log_dropped_total",): 0 if log is None else log.dropped,
        }

    metrics.add(tallies.series)
    metrics.add(of_worker)
    metrics.add(lambda: log_series(feature_log))
    return Instruments(watch=Watch(tallies, log), metrics=metrics, feature_log=feature_log)


def turn_series(turns: Turns, most: int) -> Series:
    """Say how many lookups ask the store, of so many turns, and how many wait."""
    return {
        ("featurestore_lookups_under_way",): most - turns.free,
        ("featurestore_lookups_waiting",): turns.waiting,
    }
