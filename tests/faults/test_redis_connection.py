"""What is between us and Redis breaks: whatever comes back is right or an error, and soon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import threading
import time

import pytest

from featurestore.errors import OnlineStoreError
from featurestore.online.protocol import NO_CREATED_TIME
from tests.conftest import interrupt
from tests.faults.patience import expect_within, in_time, seconds_until_refused
from tests.faults.proxy import proxy
from tests.online.conftest import PATIENT, valkey  # noqa: F401 -- a fixture
from tests.online.rows import answered, batch, key, number_in, opened
from tests.online.servers import wait_until

NONE = NO_CREATED_TIME
ROWS = 20


@pytest.fixture
def broken(valkey):  # noqa: F811
    """A proxy in front of a server that holds some rows."""
    valkey.empty()
    direct = opened(valkey.uri)
    direct.write(batch(*[(key(number), number, 1, NONE) for number in range(ROWS)]))
    direct.close()
    with proxy(valkey.port) as made:
        yield made


@pytest.fixture
def store(broken):
    """With time enough for a busy machine."""
    made = opened(f"{broken.uri}?{PATIENT}")
    assert number_in(made.read([key(1)])[0]) == 1
    yield made
    made.close()


@pytest.fixture
def quick(broken):
    """With the default time limits, and no breaker."""
    made = opened(f"{broken.uri}?breaker_failures=0")
    answered(lambda: made.read([key(1)]))
    yield made
    made.close()


def ask(store, how):
    """Read all rows, blocking or on an event loop."""
    keys = [key(number) for number in range(ROWS)]
    found = store.read(keys) if how == "read" else asyncio.run(warm(store, keys))
    return [number_in(row) for row in found]


async def warm(store, keys):
    """On a connection that has been used already, as one of a service has."""
    with contextlib.suppress(OnlineStoreError):
        await store.aread(keys[:1])
    return await store.aread(keys)


HOW = pytest.mark.parametrize("how", ["read", "aread"])
TOO_LATE = r"no (answer|connection) in time"


@HOW
def test_an_answer_that_is_cut_anywhere_is_asked_for_again(broken, store, how):
    whole = len(b"".join(b"$65\r\n" + row + b"\r\n" for row in store.read([key(each) for each in range(ROWS)])))
    for after in [*range(12), 100, whole - 2, whole - 1]:
        broken.cuts_reply_after = after
        assert ask(store, how) == list(range(ROWS)), after


@HOW
def test_an_answer_that_is_cut_twice_is_an_error_and_the_next_one_is_right(broken, store, how):
    for after in (0, 7, 60):
        broken.always_cuts_after = after
        with pytest.raises(OnlineStoreError, match="the server closed the connection"):
            ask(store, how)
        broken.always_cuts_after = None
        assert ask(store, how) == list(range(ROWS))


@HOW
def test_a_connection_that_is_reset_is_made_again(broken, store, how):
    for _ in range(3):
        broken.resets = True
        assert ask(store, how) == list(range(ROWS))


@HOW
def test_a_server_that_never_answers_is_given_up_within_200_ms(broken, quick, how):
    def look_up():
        return quick.read([key(1)]) if how == "read" else asyncio.run(quick.aread([key(1)]))

    def measured():
        broken.is_silent = False
        answered(lambda: ask(quick, "read"))
        broken.is_silent = True
        return seconds_until_refused(look_up, TOO_LATE)

    expect_within(0.2, measured)
    broken.is_silent = False
    assert answered(lambda: ask(quick, how)) == list(range(ROWS))


@HOW
def test_answers_that_come_late_are_waited_for_as_long_as_was_said(broken, store, quick, how):
    broken.latency_s = 0.12
    assert ask(store, how) == list(range(ROWS))
    wait_until(lambda: is_too_late(quick, how))
    broken.latency_s = 0.0
    time.sleep(0.2)
    assert answered(lambda: ask(quick, how)) == list(range(ROWS)), "none is taken for that of another question"


def is_too_late(store, how):
    """Whether the answer was; one that comes while the machine stands still is there when we look."""
    try:
        assert ask(store, how) == list(range(ROWS))
    except OnlineStoreError as problem:
        return re.search(TOO_LATE, str(problem)) is not None
    return False


def test_an_answer_that_trickles_in_has_no_more_time_than_another(broken, quick):
    """Every piece of it comes soon enough; all of it would take three seconds."""

    def measured():
        broken.bytes_per_s = None
        answered(lambda: ask(quick, "read"))
        broken.bytes_per_s = 500
        return seconds_until_refused(lambda: ask(quick, "read"), TOO_LATE)

    expect_within(0.4, measured)


def test_a_server_that_talks_nonsense_is_an_error(broken, store):
    for number, junk in enumerate((b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x01\x02", b"*-7\r\n")):
        broken.says_instead = junk
        with pytest.raises(OnlineStoreError, match="cannot be used"):
            ask(store, "read" if number % 2 else "aread")
        broken.says_instead = None
        assert ask(store, "read") == list(range(ROWS))


def test_writes_are_sent_again_when_their_connection_breaks_and_land_whole(broken, store):
    for number, after in enumerate([0, 1, 2, 3, 9, 10], start=2):
        broken.cuts_reply_after = after
        rows = [(key(each), each + number, number, NONE) for each in range(3_000)]
        assert store.write(batch(*rows)) == 3_000
        assert [number_in(row) for row in store.read([each for each, *_ in rows])] == [n for _, n, *_ in rows]


def test_what_was_sent_in_vain_is_taken_back_so_that_it_cannot_arrive_after_what_is_sent_later(broken):
    """By a reset: an orderly end would have the system deliver it first, however long that takes."""
    store = opened(f"{broken.uri}?write_timeout=0.3&connect_timeout=5")

    def is_taken_back():
        broken.is_silent = False
        answered(lambda: store.write_note("state", b"1"))
        broken.is_silent, calls = True, broken.calls
        with pytest.raises(OnlineStoreError, match=TOO_LATE):
            store.write_note("state", b"2")
        return broken.calls > calls  # else the time was over before anything was sent

    wait_until(is_taken_back)
    wait_until(lambda: broken.resets_seen)
    store.close()


def test_a_swap_whose_answer_is_lost_is_an_error_since_nobody_knows(broken, store):
    store.write_note("state", b"1")
    broken.cuts_reply_after = 0
    with pytest.raises(OnlineStoreError, match="the server closed the connection"):
        store.swap_note("state", b"1", b"2")
    assert store.read_note("state") == b"2", "it had happened: tried again it would have said that it had not"


def test_a_swap_on_a_connection_that_had_been_closed_before_is_made_on_another(broken, store):
    store.write_note("state", b"1")
    broken.close_all()
    time.sleep(0.05)
    assert store.swap_note("state", b"1", b"2")


class InterruptedHereError(Exception):
    """Out of a signal's handler, as Ctrl-C."""


@contextlib.contextmanager
def interrupted_after(broken, calls):
    """Interrupt the block when so many pieces of bytes were sent, while their answer is still on its way."""

    def handle(number, frame):
        try:
            interrupt(number, frame)
        except KeyboardInterrupt:
            raise InterruptedHereError from None

    def watch():
        while broken.calls < until and not done.is_set():
            time.sleep(0.002)
        if not done.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    before, until, done = signal.signal(signal.SIGINT, handle), broken.calls + calls, threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(InterruptedHereError):
            yield
    finally:
        done.set()
        watcher.join()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_an_interrupt_leaves_no_answer_for_the_next_question(broken, store, valkey, calls):  # noqa: F811
    """The guard is called, loaded, and called again."""
    store.write_note("state", b"42")
    valkey.ask("SCRIPT", "FLUSH")
    broken.latency_s, broken.late_from_call = 50.0, broken.calls + calls
    with interrupted_after(broken, calls):
        store.write(batch((key(1), 1, 1, NONE)))
    broken.latency_s = 0.0
    assert store.read_note("state") == b"42"
    assert store.swap_note("state", b"42", b"43")
    assert store.read_note("state") == b"43"


def test_small_lookups_beside_one_that_takes_too_long_are_answered(broken, valkey):  # noqa: F811
    direct = opened(valkey.uri)
    direct.write(batch(*[(key(number), number, 1, NONE) for number in range(1_500)]))
    direct.close()
    store = opened(f"{broken.uri}?read_timeout=2.5&connect_timeout=5")

    async def all_at_once():
        broken.bytes_per_s = None
        await store.aread([key(1)])
        broken.bytes_per_s = 15_000  # so that the large one takes seven seconds
        large = asyncio.ensure_future(store.aread([key(number) for number in range(1_500)]))
        await asyncio.sleep(0)
        small = asyncio.gather(*[store.aread([key(number)]) for number in range(20)])
        with pytest.raises(OnlineStoreError, match="no answer in time"):
            await large
        found = await small
        return [number_in(row) for (row,) in found]

    assert in_time(lambda: asyncio.run(all_at_once())) == list(range(20))
    store.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_whichever_call_fails_nothing_is_wrong_and_a_rerun_finishes(broken, valkey, moment):  # noqa: F811
    """O7: the N-th piece of bytes that is sent fails, for N = 1, 2, 3 ... until all of it passes."""
    for number in range(1, 500):
        valkey.empty()
        broken.calls, broken.fails_call, broken.fails = 0, number, moment
        store = opened(f"{broken.uri}?{PATIENT}")
        failed = 0
        for _ in range(2):
            try:
                work(store)
            except OnlineStoreError:
                failed += 1
        assert failed < 2, "a re-run finishes the job"
        assert [number_in(row) for row in store.read([key(each) for each in range(2_000)])] == list(range(2_000))
        assert store.read_note("state") == b"2"
        store.close()
        if broken.calls < number:
            return
    raise AssertionError("it never passed")


def work(store):
    """A little sync: rows, a note, a swap; reads in between are right or errors."""
    store.write(batch(*[(key(each), each, 1, NONE) for each in range(1_000)]), expect_new=True)
    store.write(batch(*[(key(each), each, 2, NONE) for each in range(2_000)]))
    assert [number_in(row) for row in store.read([key(7), key(1_999)])] == [7, 1_999]
    if store.read_note("state") is None:
        store.write_note("state", b"1")
    store.swap_note("state", b"1", b"2")
    assert store.delete([key(5_000)]) == 0
