"""The feature log in a worker: its numbers, and the helper, which is asked to load what waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from featurestore.server.helper_calls import Call, ask_helper
from featurestore.server.log.feature_log import WORKERS
from featurestore.server.log.segments import OPEN, REFUSED
from featurestore.server.problems import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from featurestore.prometheus import Series
    from featurestore.server.log.feature_log import FeatureLog

LOAD_S = 10.0
"""How often a worker looks whether something waits to be loaded."""
_LOAD_TAKES_S = 600.0
_LOCK = "load.lock"


async def keep_loading(state_dir: Path, log: FeatureLog, *, every_s: float = LOAD_S) -> None:
    """Have the helper load what waits in the spool, also what workers before left there; until cancelled.

    Args:
        state_dir: where the helper is asked.
        log: of this worker.
        every_s: seconds between two looks.
    """
    while True:
        if await asyncio.to_thread(has_waiting, log.spool, log.worker):
            with suppress(RefusedError):  # it is asked again; what waits is on disk
                await ask_helper(state_dir, Call("load_log", b"", ""), timeout_s=_LOAD_TAKES_S)
        await asyncio.sleep(every_s)


def has_waiting(spool: Path, worker: str | None = None) -> bool:
    """Whether a spool holds anything but what this worker, if there is one, is writing."""
    try:
        for folder in spool.iterdir():
            if folder.name == WORKERS or not folder.is_dir():
                continue
            for path in folder.rglob("*"):
                is_own = worker is not None and path.suffix == OPEN and path.name.startswith(worker)
                if path.is_file() and path.name != _LOCK and path.parent.name != REFUSED and not is_own:
                    return True
    except OSError:  # there is none yet, or it was loaded this moment
        return False
    return False


def log_series(log: FeatureLog) -> Series:
    """Say the numbers of a worker's log."""
    counts = log.counts()
    answers = "featurestore_feature_log_answers_total"
    return {
        (answers, "written"): counts.written,
        (answers, "dropped"): counts.dropped,
        (answers, "sampled_out"): counts.sampled_out,
        ("featurestore_feature_log_queued_bytes",): counts.queued_bytes,
        ("featurestore_feature_log_broken",): int(bool(counts.error)),
    }
