"""What one worker counts: plain numbers by service and view, since a lookup pays for being counted.

Shape: `Tallies` counts; `series` says it all as (name of a sample, its label values) -> number, as Prometheus has it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

from featurestore.online.redis.replies import BreakerOpenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from featurestore.prometheus import Series
    from featurestore.server.served import Planned
    from featurestore.serving.judged import Status
    from featurestore.serving.response import OnlineResponse

LATENCIES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
ENTITIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
_BREAKER_SEEN_S = 5.0


class Histogram:
    """How many values fell into each bucket.

    Attributes:
        bounds: the greatest value of each bucket; one more is for what is beyond.
        counts: by bucket.
        total: of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def series(self, name: str, *labels: str) -> Iterator[tuple[tuple[str, ...], float]]:
        """Say it: buckets add up, as Prometheus has them."""
        bounds = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        for bound, count in zip(bounds, accumulate(self.counts), strict=True):
            yield (f"{name}_bucket", *labels, bound), count
        yield (f"{name}_sum", *labels), self.total
        yield (f"{name}_count", *labels), sum(self.counts)


class Tallies:
    """The numbers of one worker; for its event loop. Labels are names of the registry, endpoints, and codes."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._entities = Histogram(ENTITIES)
        self._rows: Counter[tuple[str, Status]] = Counter()
        self._store_errors: Counter[str] = Counter()
        self._breaker_seen_at = float("-inf")

    def answered(self, endpoint: str, code: int) -> None:
        """Count an answer."""
        self._answers[endpoint, code] += 1

    def looked_up(self, planned: Planned, seconds: float, response: OnlineResponse | None) -> None:
        """Count a lookup: how long it took, and what it found, row by row; None when it failed."""
        took = self._seconds.get(planned.service)
        if took is None:
            took = self._seconds[planned.service] = Histogram(LATENCIES_S)
        took.counts[bisect_left(LATENCIES_S, seconds)] += 1
        took.total += seconds
        if response is None:
            return
        count, entities, rows = response.count, self._entities, self._rows
        entities.counts[bisect_left(ENTITIES, count)] += 1
        entities.total += count
        for view, counts in zip(planned.views, response.row_counts()):  # noqa: B905  strict takes time
            for status, number in counts.items():
                rows[view, status] += number

    def store_failed(self, problem: BaseException) -> None:
        """Count a lookup that the store did not answer."""
        if isinstance(problem.__cause__, BreakerOpenError):
            self._breaker_seen_at = time.monotonic()
            self._store_errors["breaker open"] += 1
        else:
            self._store_errors["failed"] += 1

    def series(self) -> Series:
        """Say everything that only grows."""
        series: Series = {}
        for (endpoint, code), count in self._answers.items():
            series["featurestore_requests_total", endpoint, str(code)] = count
        for service, seconds in self._seconds.items():
            series.update(seconds.series("featurestore_lookup_seconds", service))
        series.update(self._entities.series("featurestore_lookup_entities"))
        for (view, status), count in self._rows.items():
            series["featurestore_rows_total", view, status] = count
        for reason, count in self._store_errors.items():
            series["featurestore_store_errors_total", reason] = count
        return series

    @property
    def is_breaker_open(self) -> bool:
        """Whether lookups of the last seconds failed without being tried."""
        return time.monotonic() - self._breaker_seen_at < _BREAKER_SEEN_S
