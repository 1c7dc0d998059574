"""A sync that is killed with -9, at every batch and at random moments: whole rows, and a re-run that finishes (O7)."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from featurestore.materialize.engines import local
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.lease import LEASE_S
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.codec import HEADER_CELLS, RowDecoder
from featurestore.online.keys import integer_key, key_prefix
from featurestore.online.open import open_online_store
from featurestore.online.state import read_state
from tests.materialize.routes import opened_route
from tests.online.conftest import empty_store_uri
from tests.shop_in_memory import ORDERS, change_shop, make_shop

pytestmark = pytest.mark.slow
KEYS = 4_000
BATCHES = 8
BATCH_ROWS = KEYS // BATCHES


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path):
    """A shop with so many keys, old rows served; and the store's URI."""
    uri = empty_store_uri(request.param, request, tmp_path)
    make_shop(tmp_path, "(-1, '2026-06-01', '2026-06-01', 0, 1, null)")
    change_shop(tmp_path, "delete from orders")
    change_shop(
        tmp_path, f"insert into orders select range, '2026-06-05', '2026-06-05', range, 1, ['x'] from range({KEYS})"
    )
    sync(tmp_path, uri)
    change_shop(tmp_path, "update orders set order_count = order_count + 100000, loaded_at = '2026-07-01'")
    return tmp_path, uri


def sync(folder, uri, on_rows=None, **request):
    with opened_route(folder, uri) as route:
        return sync_view(ORDERS, SyncRequest(**request), route, LocalEngine(route), on_rows=on_rows)


def sync_and_die(folder, uri, request, at_batch, after_s):
    """Sync in this process, which kills itself at a batch, or after a while."""
    local.BATCH_ROWS = BATCH_ROWS
    if after_s is not None:
        threading.Timer(after_s, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()

    def told(rows):
        if at_batch is not None and rows >= at_batch * BATCH_ROWS:
            os.kill(os.getpid(), signal.SIGKILL)

    sync(Path(folder), uri, told, **request)
    os.kill(os.getpid(), signal.SIGKILL)


def killed_sync(folder, uri, request, *, at_batch=None, after_s=None):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.test_kill"])
    process = context.Process(target=sync_and_die, args=(str(folder), uri, request, at_batch, after_s))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def served(folder, uri):
    """The order_count of each key; fails on a row that is not whole."""
    with closing(open_online_store(uri, project="shop", base_dir=folder)) as store:
        prefix = key_prefix("shop", ORDERS, read_state(store, ORDERS).set_for(ORDERS))
        rows = store.read([integer_key(prefix, key) for key in range(KEYS)])
    return [RowDecoder().cells(row)[HEADER_CELLS] for row in rows]


def is_old_or_new(values):
    return all(value in (key, key + 100_000) for key, value in enumerate(values))


@pytest.mark.parametrize("request_", [{}, {"full": True}, {"rebuild": True}], ids=["incremental", "full", "rebuild"])
def test_killed_at_every_batch(place, request_):
    for at_batch in range(1, BATCHES + 1):
        killed_sync(*place, request_, at_batch=at_batch)
        values = served(*place)
        assert is_old_or_new(values)
        if request_.get("rebuild"):
            assert values == list(range(KEYS)), "readers stay with the old rows until the new ones are whole"
    assert sync(*place, **request_).rows_read == KEYS
    assert served(*place) == [key + 100_000 for key in range(KEYS)]


def test_killed_at_forty_random_moments(place):
    rng = random.Random(5)
    for _ in range(40):
        killed_sync(*place, rng.choice(({}, {"full": True}, {"rebuild": True})), after_s=rng.uniform(0.0, 0.25))
        assert is_old_or_new(served(*place))
    sync(*place)
    assert served(*place) == [key + 100_000 for key in range(KEYS)]


def test_after_a_kill_the_next_sync_does_not_wait_for_the_lease(place):
    killed_sync(*place, {}, at_batch=1)
    started = time.monotonic()
    sync(*place)
    assert time.monotonic() - started < LEASE_S / 2
