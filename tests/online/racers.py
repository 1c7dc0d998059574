"""What several processes do to one store at once."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from pathlib import Path

from featurestore.online.open import open_online_store
from featurestore.online.sqlite import file as sqlite_file
from tests.online.rows import write_shuffled

_WAIT_S = 300


def in_processes(count, do, uri, *arguments):
    """Run `do(store, number, barrier, *arguments)` in so many processes at once; returns what each answered."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(count), context.Queue()
    processes = [
        context.Process(target=_run, args=(do, uri, number, barrier, answers, arguments)) for number in range(count)
    ]
    for process in processes:
        process.start()
    try:
        found = dict(answers.get(timeout=_WAIT_S) for _ in processes)
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    return [found[number] for number in range(count)]


def _run(do, uri, number, barrier, answers, arguments):
    wait_longer_for_sqlite()
    store = open_online_store(uri, project="shop", base_dir=Path())
    barrier.wait(_WAIT_S)
    answers.put((number, do(store, number, barrier, *arguments)))
    store.close()


def wait_longer_for_sqlite():
    """Have this process wait for the others that write to a file: the turns are not fair, and a disk may be slow."""
    sqlite_file.BUSY_TIMEOUT_S = _WAIT_S


def in_a_fork(do):
    """Do it in a child; its exit code is 0 if that worked."""
    pid = os.fork()
    if pid:
        return pid
    try:
        do()
    except BaseException:  # noqa: BLE001 -- the exit code says it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def exit_code_within(seconds, pid):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "it hangs"


def write_beside_others(*arguments):
    """Do `write_shuffled` in a process of its own."""
    wait_longer_for_sqlite()
    write_shuffled(*arguments)


def swap_in_rounds(store, number, barrier, rounds):
    """Try to move a note from each number to the next; returns the rounds that were won."""
    won = []
    for round_ in range(rounds):
        barrier.wait(_WAIT_S)
        old = None if round_ == 0 else b"%d" % round_
        if store.swap_note("state", old, b"%d" % (round_ + 1)):
            won.append(round_)
    return won


def hold_in_turn(store, number, barrier, turns, file):
    """Take a lease so many times, and make a file while it is held; fails if the other one's file is there."""
    held = 0
    until = time.monotonic() + _WAIT_S
    while held < turns:
        assert time.monotonic() < until
        if store.take_lease("sync", f"process {number}", 60) != f"process {number}":
            time.sleep(0.001)
            continue
        file.open("x").close()
        time.sleep(0.002)
        file.unlink()
        store.end_lease("sync", f"process {number}")
        held += 1
    return held
