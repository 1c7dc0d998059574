"""Small rows for store tests: a header and cells that are all the same number, so that a mixed row shows."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import msgspec

from featurestore.errors import OnlineStoreError
from featurestore.online.batches import batch_of
from featurestore.online.codec import HEADER_CELLS, RowDecoder, header
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME

CELLS = 12
LOWEST, HIGHEST = -(2**63), 2**63 - 1


def value(number, event_us, created_us=NO_CREATED_TIME):
    return header(HEADER_CELLS + CELLS, event_us, created_us, 7) + msgspec.msgpack.encode([number] * CELLS)[1:]


def batch(*rows, expires_ms=None):
    """Rows are (key, number, event time, created time)."""
    return batch_of(
        [key for key, *_ in rows],
        [value(number, event, created) for _, number, event, created in rows],
        event_us=[event for _, _, event, _ in rows],
        created_us=[created for *_, created in rows],
        expires_ms=expires_ms,
    )


def number_in(stored):
    """What the row holds; fails if its cells differ."""
    if stored is None:
        return None
    cells = RowDecoder().cells(stored)[HEADER_CELLS:]
    assert len(cells) == CELLS
    assert len(set(cells)) == 1, cells
    return cells[0]


def key(number):
    return b"fs:shop:orders@0:{%d}" % number


def opened(uri):
    """The store of the project shop there."""
    return open_online_store(uri, project="shop", base_dir=Path())


def answered(ask, within_s=120):
    """What it answers; errors are tried again, since the machine may be busy, wrong answers are not."""
    until = time.monotonic() + within_s
    while True:
        try:
            return ask()
        except OnlineStoreError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


async def aanswered(ask, within_s=120):
    """The same of what is awaited."""
    until = time.monotonic() + within_s
    while True:
        try:
            return await ask()
        except OnlineStoreError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.02)


def write_shuffled(uri, seed, keys, versions, rows_per_batch=50, barrier=None):
    """Write versions 0.. of every key in a random order: what one of several careless writers does."""
    store = opened(uri)
    events = [(key(each), version, version, NO_CREATED_TIME) for each in range(keys) for version in range(versions)]
    random.Random(seed).shuffle(events)
    if barrier is not None:
        barrier.wait(300)
    for start in range(0, len(events), rows_per_batch):
        store.write(batch(*events[start : start + rows_per_batch]))
    store.close()


if __name__ == "__main__":  # a writer to be killed
    import sys

    while True:
        write_shuffled(sys.argv[1], seed=random.random(), keys=300, versions=20)
