"""One sync of a view at a time, on whatever machine; a lease ends with its process or by itself."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from featurestore.errors import OperationError
from featurestore.materialize.lease import SyncLease
from featurestore.online.open import open_online_store

LET_GO = "let go"


@pytest.fixture
def store(tmp_path):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=tmp_path)
    yield store
    store.close()


def test_a_second_sync_of_the_view_is_refused_and_names_the_first(store):
    with SyncLease(store, "orders"), pytest.raises(OperationError) as problem, SyncLease(store, "orders"):
        pass
    assert str(problem.value).startswith(f"another sync of orders is under way (process {os.getpid()} on ")


def test_two_views_do_not_wait_for_each_other(store):
    with SyncLease(store, "orders"), SyncLease(store, "customers"):
        pass


def test_a_lease_is_given_back_also_after_an_error(store):
    with pytest.raises(ZeroDivisionError), SyncLease(store, "orders"):
        raise ZeroDivisionError
    with SyncLease(store, "orders"):
        pass


def test_who_waits_gets_it_when_the_first_is_done(tmp_path, store):
    holder = multiprocessing.get_context("spawn").Process(target=hold_until_let_go, args=(str(tmp_path),))
    holder.start()
    wait_until_held(store)
    letting_go = threading.Timer(1.0, (tmp_path / LET_GO).touch)
    letting_go.start()
    with SyncLease(store, "orders", wait_s=120):
        assert (tmp_path / LET_GO).exists()
    letting_go.join()
    holder.join(120)


def test_a_lease_is_prolonged_while_its_sync_lives(store):
    """But for a machine that stands still for longer than it lasts, which it does not do each time."""
    assert any(is_held_for_longer(store, view) for view in ("orders", "customers", "products"))


def is_held_for_longer(store, view):
    """Whether a lease of three seconds is held after more than three."""
    with SyncLease(store, view, lease_s=3.0):
        time.sleep(3.5)
        return store.take_lease(f"sync:{view}", "other", 1) != "other"


def test_a_process_that_was_killed_holds_nobody_up(tmp_path, store):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=Path(__file__).parents[2])
    wait_until_held(store)
    holder.kill()
    holder.wait()
    with SyncLease(store, "orders"):
        pass


def test_on_another_machine_a_dead_lease_ends_by_itself(store):
    dead = "far-away|1|99|abc"
    store.take_lease("sync:orders", dead, 60)
    with pytest.raises(OperationError, match="process 99 on far-away"), SyncLease(store, "orders"):
        pass
    store.take_lease("sync:orders", dead, 0.5)
    with SyncLease(store, "orders", wait_s=120):
        pass


def test_another_machine_of_the_same_host_name_is_not_taken_for_this_one(store):
    """Its process ids mean nothing here; that none of them runs says nothing."""
    with SyncLease(store, "customers") as mine:
        host, here, *_ = mine.owner.split("|")
    boot, _, space = here.partition(".")
    assert len(boot) == 36
    other_boot = f"{host}|{boot[::-1]}.{space}|{2**22 + 1}|abc"
    assert store.take_lease("sync:orders", other_boot, 60) == other_boot
    with pytest.raises(OperationError, match="is under way"), SyncLease(store, "orders"):
        pass
    store.end_lease("sync:orders", other_boot)
    gone_here = f"{host}|{here}|{2**22 + 1}|abc"
    assert store.take_lease("sync:orders", gone_here, 60) == gone_here
    with SyncLease(store, "orders"):
        pass


def test_a_lease_that_another_took_over_is_noticed(store):
    other = "far-away|1|99|abc"
    with SyncLease(store, "orders", lease_s=2.0) as lease:
        while store.take_lease("sync:orders", other, 60) != other:
            store.end_lease("sync:orders", lease.owner)
        gives_up_at = time.monotonic() + 120
        while lease._lost_to is None:
            assert time.monotonic() < gives_up_at
            time.sleep(0.02)
        with pytest.raises(OperationError, match="lost its lease to process 99 on far-away"):
            lease.check()


def hold_until_let_go(folder):
    store = open_online_store("sqlite:online.sqlite", project="shop", base_dir=Path(folder))
    with SyncLease(store, "orders"):
        gives_up_at = time.monotonic() + 120
        while not (Path(folder) / LET_GO).exists() and time.monotonic() < gives_up_at:
            time.sleep(0.02)


def wait_until_held(store):
    """Without taking it: who comes just then would be refused."""
    gives_up_at = time.monotonic() + 120
    while store.read_lease("sync:orders") is None:
        assert time.monotonic() < gives_up_at
        time.sleep(0.02)


HOLD = "import sys; from tests.materialize.test_lease import hold_until_let_go; hold_until_let_go(sys.argv[1])"
