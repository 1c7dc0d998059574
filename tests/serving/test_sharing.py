"""One client in many hands: threads, forked processes, other processes."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import sys
import threading
import time
from decimal import Decimal

import pytest

from featurestore.errors import UsageError
from featurestore.serving import connect
from tests.serving.conftest import NOON, project, sync, turn_readers, view

VIEWS = [view(f"orders_{number}", features=(("n", "int64"), ("word", "string"))) for number in range(4)]
CUSTOMERS = 40
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def fill(store, views=VIEWS, row_set=0, more=0):
    for place, each in enumerate(views):
        rows = [
            {"customer_id": number, "n": place * 1000 + number + more, "word": f"{place}-{number}"}
            for number in range(CUSTOMERS)
        ]
        sync(store, each, *rows, row_set=row_set)


def wrong_answers(client, seed, requests=60):
    """Ask for changing views and customers; returns what was answered wrongly."""
    wrong = []
    for number in range(requests):
        chosen = sorted({(seed + number * step) % len(VIEWS) for step in (1, 2)}, reverse=number % 2 == 0)
        customers = [(seed * 5 + number + offset * 3) % (CUSTOMERS + 4) for offset in range(20)]
        found = client.get_online_features(
            [f"orders_{place}:{feature}" for place in chosen for feature in ("word", "n")],
            {"customer_id": customers},
            full_feature_names=True,
            now=NOON,
        ).to_dict()
        wanted = {"customer_id": customers}
        for place in chosen:
            known = [customer if customer < CUSTOMERS else None for customer in customers]
            wanted[f"orders_{place}__word"] = [None if each is None else f"{place}-{each}" for each in known]
            wanted[f"orders_{place}__n"] = [None if each is None else place * 1000 + each for each in known]
        if found != wanted:
            wrong.append((found, wanted))
    return wrong


@pytest.mark.parametrize("cached", [False, True])
def test_sixteen_threads_with_different_plans_share_one_client(any_store, cached):
    fill(any_store)
    client = connect(project(*VIEWS), any_store, cache_entries=50 if cached else None)
    wrong, done = [], []
    together = threading.Barrier(16)

    def work(seed):
        together.wait(120)
        wrong.extend(wrong_answers(client, seed))
        done.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert wrong == []
    assert sorted(done) == list(range(16)), "none of them has failed"


def test_threads_follow_a_set_that_is_turned_under_them_and_never_see_half_of_it(store):
    """The two features of a row change together: no answer mixes the sets."""
    orders = VIEWS[0]
    fill(store, [orders])
    client = connect(project(orders), store, cache_seconds=5)
    old, new = (1, 2, 3), (501, 502, 503)
    seen, is_done = set(), threading.Event()

    def work():
        while not is_done.is_set():
            numbers = client.get_online_features(["orders_0:n"], {"customer_id": [1, 2, 3]}, now=NOON).to_dict()["n"]
            seen.add(tuple(numbers))

    def wait_until_seen(numbers):
        until = time.monotonic() + 120
        while numbers not in seen and time.monotonic() < until:
            time.sleep(0.01)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until_seen(old)
        fill(store, [orders], row_set=1, more=500)
        turn_readers(store, orders, 1, 0)
        wait_until_seen(new)
    finally:
        is_done.set()
        for thread in threads:
            thread.join(120)
    assert seen == {old, new}
    assert client.get_online_features(["orders_0:n"], {"customer_id": [1]}, now=NOON).to_dict()["n"] == [501]


def end_with_wrong_answers(client, seed):
    sys.exit(len(wrong_answers(client, seed)))


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_parent_and_forked_children_go_on_with_the_same_client(any_store):
    fill(any_store)
    client = connect(project(*VIEWS), any_store, cache_seconds=0.01)
    assert wrong_answers(client, 1, requests=5) == []
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=end_with_wrong_answers, args=(client, seed)) for seed in range(3)]
    for child in children:
        child.start()
    assert wrong_answers(client, 2) == []
    for child in children:
        child.join(120)
        assert child.exitcode == 0
    assert wrong_answers(client, 3, requests=5) == []


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_may_close_its_client_and_the_parent_goes_on(any_store):
    fill(any_store)
    client = connect(project(*VIEWS), any_store)
    assert wrong_answers(client, 1, requests=5) == []
    child = multiprocessing.get_context("fork").Process(target=client.close)
    child.start()
    child.join(120)
    assert child.exitcode == 0
    assert wrong_answers(client, 2, requests=5) == []


@pytest.mark.parametrize("take_away", [pickle.dumps, copy.copy])
def test_a_client_is_not_pickled(store, take_away):
    with pytest.raises(UsageError) as problem:
        take_away(connect(project(*VIEWS), store))
    assert str(problem.value) == "a client cannot be pickled\n  -> open one in each process: open_client(...)"


def test_an_answer_is_pickled_with_its_values(store):
    prices = view(features=(("prices", "list<decimal(9,2)>"), ("seen_at", "timestamp")))
    sync(store, prices, {"customer_id": 1, "prices": [Decimal("1.50"), None], "seen_at": NOON.replace(tzinfo=None)})
    response = connect(project(prices), store).get_online_features(["orders"], {"customer_id": [1, 2, 1]})
    again = pickle.loads(pickle.dumps(response))
    assert again.to_feast() == response.to_feast()
    assert (len(again), again.is_complete, again.rows()) == (3, True, response.rows())
