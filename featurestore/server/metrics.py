"""``GET /metrics``: the numbers of all workers as one, in Prometheus' text format, whichever worker is asked.

Shape: each worker writes its numbers into a file of its own, each second and before it answers a scrape; a scrape adds
the files up, so what other workers did in the last second may be missing. A worker that takes another's place goes on
from its file; a lock says whose it is. The rule: no counter ever goes back.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import platform
import time
from itertools import count
from typing import IO, TYPE_CHECKING

import msgspec

from featurestore import __version__
from featurestore.prometheus import format_metrics
from featurestore.server.metric_families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from featurestore.prometheus import Series

logger = logging.getLogger("featurestore.server")

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4_096
_STARTS = ("_starts",)
_Stored = list[tuple[tuple[str, ...], float]]


class Metrics:
    """The numbers of one worker, and the way to those of the others; for its event loop.

    Args:
        folder: where the workers' files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._worker, self._lock = _claim(folder)
        self._file = folder / f"metrics-{self._worker}"
        self._sources: list[Callable[[], Series]] = [self._own]
        self._before = {key: value for key, value in _read(self._file).items() if _grows(key[0])}
        self._writing = asyncio.Lock()
        self._is_broken = False

    def add(self, source: Callable[[], Series]) -> None:
        """Add numbers, to be asked for each second.

        Args:
            source: says the samples of some of `FAMILIES` that this worker has, by name and label values; what only
                grows is counted from the worker's start.
        """
        self._sources.append(source)

    async def flush(self) -> None:
        """Write this worker's numbers; that they cannot be written is logged once each time, and harms nothing else."""
        async with self._writing:
            stored = msgspec.json.encode(list(self._series().items()))
            try:
                await asyncio.to_thread(_write, self._file, stored)
            except OSError as problem:
                if not self._is_broken:
                    logger.error("metrics cannot be written: %s", problem.strerror)
                self._is_broken = True
            else:
                self._is_broken = False

    async def close(self) -> None:
        """Leave behind what goes on growing, for the worker that takes this one's place."""
        self._sources = [_without_gauges(source) for source in self._sources]
        await self.flush()
        self._lock.close()

    async def scrape(self, *more: Series) -> str:
        """Say the numbers of all workers.

        Args:
            more: samples that each worker would say alike.
        """
        await self.flush()
        workers = await asyncio.to_thread(self._read_all)
        return format_metrics(FAMILIES, [*workers, *more])

    def _series(self) -> Series:
        series = dict(self._before)
        for source in self._sources:
            for key, value in source().items():
                series[key] = value + self._before.get(key, 0)
        return series

    def _own(self) -> Series:
        return {
            ("featurestore_workers",): 1,
            ("featurestore_worker_cpu_seconds_total", self._worker): time.process_time(),
            ("featurestore_worker_resident_memory_bytes", self._worker): _resident_bytes(),
            ("featurestore_build_info", __version__, platform.python_version()): 1,
            _STARTS: 1,
        }

    def _read_all(self) -> list[Series]:
        found = [_read(path) for path in sorted(self._folder.glob("metrics-*[0-9]"))]
        return [*found, *(_restarts(each) for each in found)]


def _claim(folder: Path) -> tuple[str, IO[bytes]]:
    """Take the first number that no living worker has."""
    for number in count():
        lock = (folder / f"metrics-{number}.lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return str(number), lock
    raise AssertionError


def _without_gauges(source: Callable[[], Series]) -> Callable[[], Series]:
    return lambda: {key: value for key, value in source().items() if _grows(key[0])}


def _restarts(series: Series) -> Series:
    return {("featurestore_worker_restarts_total",): series.get(_STARTS, 1) - 1}


def _grows(name: str) -> bool:
    return name in _GROWING


_GROWING = frozenset([_STARTS[0], *(name for family in FAMILIES if family.kind != "gauge" for name in family.samples)])


def _read(path: Path) -> Series:
    """Read a worker's numbers; none where there is no file yet."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return {}
    return {tuple(key): value for key, value in msgspec.json.decode(stored, type=_Stored)}


def _write(path: Path, stored: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(stored)
    beside.replace(path)


def _resident_bytes() -> float:
    """Memory of the process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as said:  # noqa: PTH123  each second, so the quick way
            return int(said.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
