"""verify runs while a store is written to, and raises no false alarm."""

from __future__ import annotations

import random
import threading
import time

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.operations import verify
from featurestore.operations.remove import drop_view
from tests.operations.shops import faults, opened

CUSTOMERS = 200


class Writer(threading.Thread):
    """Adds rows to the warehouse, late ones among them, and syncs, over and over."""

    def __init__(self, shop, mode):
        super().__init__()
        self.shop, self.mode, self.stop, self.syncs, self.problem = shop, mode, threading.Event(), 0, None

    def run(self):
        rng = random.Random(0)
        try:
            while not self.stop.is_set():
                self.syncs += 1
                now, day = self.syncs, "timestamp '2026-06-06'"
                added = ", ".join(
                    f"({rng.randrange(CUSTOMERS)}, {day} + interval ({now - rng.choice([0, 9])}) minute, "
                    f"{day} + interval {now} minute, {now}, 1.00, null)"
                    for _ in range(40)
                )
                self.shop.sql(f"insert into orders values {added}")
                self.shop.sync(**self.mode)
        except BaseException as problem:  # noqa: BLE001 -- told by the test
            self.problem = problem


@pytest.mark.parametrize("mode", [{}, {"full": True}, {"rebuild": True}])
def test_a_writer_that_syncs_meanwhile_raises_no_false_alarm(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(verify, "MOMENT_S", 0.05)
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sql(f"insert into orders select i, '2026-06-05', '2026-06-05', 1, 1, null from range({CUSTOMERS}) t(i)")
        shop.sync()
        writer = Writer(shop, mode)
        writer.start()
        try:
            found = [shop.verify(sample=sample) for _ in range(4) for sample in (None, 100)]
            gives_up_at = time.monotonic() + 300
            while writer.syncs <= 3 and writer.is_alive() and time.monotonic() < gives_up_at:
                found.append(shop.verify())
        finally:
            writer.stop.set()
            writer.join(300)
        assert writer.problem is None
        assert [each.problem for each in found] == [None] * len(found)
        assert [each.rows.faults for each in found] == [0] * len(found), [faults(each) for each in found]
        assert writer.syncs > 3
        assert shop.verify().is_equal


def test_a_suspect_that_moves_is_judged_anew_and_one_that_stays_is_a_fault(tmp_path, monkeypatch):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sync()
        (right,) = shop.store.read([shop.key(1)])
        shop.store.delete([shop.key(1), shop.key(2)])
        monkeypatch.setattr(verify, "sleep", lambda _seconds: shop.put(shop.key(1), right))
        assert faults(shop.verify()) == {"missing": 1}


def test_a_key_that_never_stands_still_is_unsettled_and_no_fault(tmp_path, monkeypatch):
    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sync()
        moving = "select * replace (n as order_count) from orders, range(9) t(n) where order_count = 1"
        old = iter(shop.encode(f"{moving} and customer_id = 1"))
        shop.put(*next(old))
        monkeypatch.setattr(verify, "sleep", lambda _seconds: shop.put(*next(old)))
        found = shop.verify()
        assert (faults(found), found.is_equal) == ({"unsettled": 1}, True)


@pytest.mark.parametrize(("place", "name"), [(verify, "sleep"), (verify.Pass, "compare")])
def test_rows_dropped_meanwhile_are_a_problem_that_is_named(tmp_path, monkeypatch, place, name):
    """Between two passes, and within one, where a lookup meets it first."""
    was = getattr(place, name)

    def drop_first(*arguments, **options):
        drop_view(shop.project, shop.store, "orders")
        return was(*arguments, **options)

    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sync()
        shop.store.delete([shop.key(1)])
        monkeypatch.setattr(place, name, drop_first)
        assert shop.verify().problem.startswith("its rows were dropped or redefined while they were compared")


def test_a_store_that_fails_meanwhile_is_told_as_it_is(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OnlineStoreError("the disk is gone")

    with opened(tmp_path, "sqlite:online.sqlite") as shop:
        shop.sync()
        monkeypatch.setattr(verify.Pass, "compare", fail)
        with pytest.raises(OnlineStoreError, match="the disk is gone"):
            shop.verify()
