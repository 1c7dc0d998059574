"""A sync that is killed with -9, at every batch and at random moments: whole rows, and a re-run that finishes (O7)."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from featurestore.materialize import slices
from featurestore.materialize.engines import local
from featurestore.materialize.engines.local import LocalEngine
from featurestore.materialize.lease import LEASE_S
from featurestore.materialize.sync import sync_view
from featurestore.materialize.window import SyncRequest
from featurestore.online.codec import HEADER_CELLS, RowDecoder
from featurestore.online.keys import integer_key, key_prefix
from featurestore.online.open import open_online_store
from featurestore.online.state import read_state
from tests.forks import FORKS
from tests.materialize.routes import opened_route
from tests.online.conftest import empty_store_uri
from tests.shop_in_memory import ORDERS, change_shop, make_shop

pytestmark = pytest.mark.slow
KEYS = 4_000
BATCHES = 8
BATCH_ROWS = KEYS // BATCHES
SMALL_BATCH_ROWS = 100
MODES = {"incremental": {}, "full": {"full": True}, "rebuild": {"rebuild": True}}


class Place:
    """A shop with so many keys, and the store's URI. In each round every key gets a new row, its features all alike."""

    def __init__(self, folder, uri):
        self.folder, self.uri, self.round = folder, uri, 0

    def renew(self):
        self.round += 1
        value = f"{self.round} * 100000 + customer_id"
        change_shop(
            self.folder,
            f"update orders set order_count = {value}, amount = {value}, tags = [({value})::varchar],"
            f" loaded_at = timestamp '2026-07-01' + to_minutes({self.round})",
        )

    def sync(self, **request):
        return sync(self.folder, self.uri, **request)

    def killed_sync(self, request, **when):
        process = FORKS.Process(target=sync_and_die, args=(str(self.folder), self.uri, request), kwargs=when)
        process.start()
        process.join(300)
        assert process.exitcode == -signal.SIGKILL

    def served(self):
        """Of which round the row of each key is; fails on one that is not whole."""
        with closing(open_online_store(self.uri, project="shop", base_dir=self.folder)) as store:
            prefix = key_prefix("shop", ORDERS, read_state(store, ORDERS).set_for(ORDERS))
            rows = store.read([integer_key(prefix, key) for key in range(KEYS)])
        return [round_of(key, RowDecoder().cells(row)[HEADER_CELLS:]) for key, row in enumerate(rows)]


def round_of(key, cells):
    count, amount, tags = cells
    assert Decimal(amount) == count, cells
    assert tags == [str(count)], cells
    found, of_key = divmod(count, 100_000)
    assert of_key == key
    return found


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path):
    """With the rows of round 1 served."""
    uri = empty_store_uri(request.param, request, tmp_path)
    make_shop(tmp_path, "(-1, '2026-06-01', '2026-06-01', 0, 1, null)")
    change_shop(tmp_path, "delete from orders")
    change_shop(tmp_path, f"insert into orders select range, '2026-06-05', '2026-06-05', 0, 0, [] from range({KEYS})")
    made = Place(tmp_path, uri)
    made.renew()
    made.sync()
    return made


def sync(folder, uri, on_rows=None, **request):
    with opened_route(folder, uri) as route:
        return sync_view(ORDERS, SyncRequest(**request), route, LocalEngine(route), on_rows=on_rows)


def sync_and_die(folder, uri, request, *, at_batch=1, after_s=0.0, batch_rows=BATCH_ROWS, keys_per_slice=None):
    """Sync in this process, which kills itself so long after a batch has landed."""
    local.BATCH_ROWS = batch_rows
    if keys_per_slice is not None:
        slices.FEW_CELLS, local.KEYS_PER_SLICE = 0, keys_per_slice
    ends = []

    def told(rows):
        if rows >= at_batch * batch_rows and not ends:
            ends.append(threading.Timer(after_s, die))
            ends[0].start() if after_s else die()

    sync(Path(folder), uri, told, **request)
    die()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_every_batch(place, mode):
    place.renew()
    for at_batch in range(1, BATCHES + 1):
        place.killed_sync(MODES[mode], at_batch=at_batch)
        found = place.served()
        assert set(found) <= {1, 2}
        if mode == "rebuild":
            assert set(found) == {1}, "readers stay with the old rows until the new ones are whole"
        else:
            assert found.count(2) >= at_batch * BATCH_ROWS, "what was told to have landed has"
    assert place.sync(**MODES[mode]).rows_read == KEYS
    assert set(place.served()) == {2}


def test_killed_at_forty_random_moments(place):
    rng = random.Random(5)
    batches = KEYS // SMALL_BATCH_ROWS
    before, in_the_middle = place.served(), 0
    for _ in range(40):
        place.renew()
        moment = {"at_batch": rng.randint(1, batches), "after_s": rng.uniform(0.0, 0.005)}  # a batch takes about that
        place.killed_sync(rng.choice(list(MODES.values())), **moment, batch_rows=SMALL_BATCH_ROWS)
        found = place.served()
        assert all(old <= new <= place.round for old, new in zip(before, found, strict=True)), "no row goes back"
        in_the_middle += 0 < found.count(place.round) < KEYS
        before = found
    assert in_the_middle >= 8, "it was killed while it wrote"
    place.sync()
    assert set(place.served()) == {place.round}


def test_what_a_killed_sync_had_copied_is_not_copied_again(place, monkeypatch):
    monkeypatch.setattr(slices, "FEW_CELLS", 0)
    monkeypatch.setattr(local, "KEYS_PER_SLICE", 500)
    place.renew()
    place.killed_sync({}, at_batch=BATCHES // 2, keys_per_slice=500)
    result = place.sync()
    assert result.rows_before > KEYS // 10
    assert result.rows_read + result.rows_before == KEYS
    assert set(place.served()) == {2}


def test_after_a_kill_the_next_sync_does_not_wait_for_the_lease(place):
    place.renew()
    place.killed_sync({})
    started = time.monotonic()
    place.sync()
    assert time.monotonic() - started < LEASE_S / 2
