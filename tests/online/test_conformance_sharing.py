"""Every online store is shared: by threads, by processes, through a fork, with writers that are killed (O1, O2, O7)."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.open import open_online_store
from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.racers import exit_code_within, in_a_fork, write_beside_others
from tests.online.rows import batch, key, number_in, write_shuffled

KEY, OTHER = key(1), key(2)
NONE = NO_CREATED_TIME


def test_a_closed_store_opens_again_when_it_is_used(store):
    store.close()
    store.write(batch((KEY, 1, 0, NONE)))
    store.close()
    store.close()
    assert number_in(store.read([KEY])[0]) == 1
    store.write_note("state", b"1")
    store.close()
    assert store.read_note("state") == b"1"


def test_a_reader_never_sees_a_mix_of_two_rows(store, open_again, pace):
    """O2"""
    store.write(batch((KEY, 0, 0, NONE)))
    writer, done = open_again(), threading.Event()
    last = 10 * pace.versions

    def overwrite():
        try:
            for number in range(1, last):
                writer.write(batch((KEY, number, number, NONE)))
        finally:
            done.set()

    thread = threading.Thread(target=overwrite)
    thread.start()
    seen = [number_in(store.read([KEY])[0])]
    while not done.is_set():
        seen.append(number_in(store.read([KEY])[0]))
    thread.join()
    assert seen == sorted(seen), "O1 and never an older one after a newer one"
    assert number_in(store.read([KEY])[0]) == last - 1


@pytest.mark.parametrize("writers", [2])
def test_eight_threads_read_what_two_write_and_never_go_back(store, pace, writers):
    """O1, O2: one store, shared by all of them."""
    keys = [key(number) for number in range(10)]
    store.write(batch(*[(each, 0, 0, NONE) for each in keys]))
    versions, failures, done = 3 * pace.versions, [], threading.Event()

    def write(first):
        for number in range(1 + first, versions, writers):
            store.write(batch(*[(each, number, number, NONE) for each in keys]))

    def read():
        newest = [0] * len(keys)
        while not done.is_set():
            found = [number_in(row) for row in store.read(keys)]
            if any(now < before for now, before in zip(found, newest, strict=True)):
                failures.append((newest, found))
            newest = found

    def run(do, *arguments):
        try:
            do(*arguments)
        except BaseException as problem:
            failures.append(problem)
            raise

    readers = [threading.Thread(target=run, args=(read,)) for _ in range(8)]
    writing = [threading.Thread(target=run, args=(write, number)) for number in range(writers)]
    for thread in [*readers, *writing]:
        thread.start()
    for thread in writing:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert failures == []
    assert [number_in(row) for row in store.read(keys)] == [versions - 1] * len(keys)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_store_that_was_used_before_a_fork_works_on_both_sides_of_it(shared_store_uri):
    """As under a web server that loads its application once and then forks its workers."""
    store = open_online_store(shared_store_uri, project="shop", base_dir=Path())
    store.write(batch(*[(key(number), number, 0, NONE) for number in range(20)]))
    assert number_in(store.read([key(3)])[0]) == 3

    def child():
        for number in range(20):
            assert number_in(store.read([key(number)])[0]) == number
        store.write(batch((key(100), 7, 1, NONE)))
        store.close()
        assert number_in(store.read([key(100)])[0]) == 7

    children = [in_a_fork(child) for _ in range(3)]
    for number in range(20):
        assert number_in(store.read([key(number)])[0]) == number
        store.write(batch((key(number), number, 1, NONE)))
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    assert number_in(store.read([key(100)])[0]) == 7
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_uses_the_store_leaves_a_child_that_can_use_it(shared_store_uri):
    """The thread's lock is held in the child by nobody."""
    store = open_online_store(shared_store_uri, project="shop", base_dir=Path())
    store.write(batch(*[(key(number), number, 0, NONE) for number in range(200)]))
    done = threading.Event()

    def read_on():
        while not done.is_set():
            store.read([key(number) for number in range(200)])

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        for _ in range(5):
            pid = in_a_fork(lambda: store.read([key(1)]))
            assert exit_code_within(120, pid) == 0
    finally:
        done.set()
        thread.join()
    store.close()


def test_four_processes_that_write_in_any_order_leave_no_stale_key(shared_store_uri, pace):
    """O1, O2: the guard is inside the store; a read-then-write in the client fails here."""
    keys = pace.versions + 20
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    writers = [
        context.Process(target=write_beside_others, args=(shared_store_uri, seed, keys, pace.versions, 50, barrier))
        for seed in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
        assert writer.exitcode == 0
    assert numbers_in(shared_store_uri, keys=keys) == [pace.versions - 1] * keys


def test_a_killed_writer_leaves_whole_rows_and_a_rerun_finishes_the_job(shared_store_uri, pace):
    """O7"""
    root, keys = Path(__file__).parents[2], min(300, pace.rows // 5)
    for seconds in (0.0, 0.01, 0.05):
        writer = subprocess.Popen([sys.executable, "-m", "tests.online.rows", shared_store_uri], cwd=root)
        try:
            while not any(number is not None for number in numbers_if_any(shared_store_uri, keys=keys)):
                assert writer.poll() is None
                time.sleep(0.01)
            time.sleep(seconds)
        finally:
            writer.kill()
            writer.wait()
        assert all(number is None or 0 <= number < 20 for number in numbers_in(shared_store_uri, keys=keys))
    write_shuffled(shared_store_uri, seed=1, keys=keys, versions=20)
    assert numbers_in(shared_store_uri, keys=keys) == [19] * keys


def numbers_in(uri, keys):
    store = open_online_store(uri, project="shop", base_dir=Path())
    try:
        return [number_in(row) for row in store.read([key(each) for each in range(keys)])]
    finally:
        store.close()


def numbers_if_any(uri, keys):
    try:
        return numbers_in(uri, keys)
    except OnlineStoreError:
        return []  # the writer has not made the file yet
