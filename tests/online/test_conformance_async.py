"""Every online store is read from event loops as it is read from threads."""

from __future__ import annotations

import asyncio
import time

from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.rows import batch, key, number_in

NONE = NO_CREATED_TIME


def test_a_read_in_an_event_loop_answers_as_any_other(store):
    store.write(batch((key(1), 1, 0, NONE), (key(2), 2, 0, NONE)))
    store.write_note("state", b"1")
    asked = ([key(2), key(3), key(1), key(2)], ["state", "missing"])
    assert asyncio.run(store.aread(*asked)) == store.read(*asked)
    assert asyncio.run(store.aread([])) == []


def test_one_event_loop_after_the_other_may_read_and_threads_in_between(store):
    store.write(batch((key(1), 1, 0, NONE)))
    for _ in range(3):
        assert number_in(asyncio.run(store.aread([key(1)]))[0]) == 1
        assert number_in(store.read([key(1)])[0]) == 1


def test_fifty_reads_at_once_each_get_their_own_answer(store):
    store.write(batch(*[(key(number), number, 0, NONE) for number in range(50)]))
    store.write_note("state", b"1")

    async def all_at_once():
        return await asyncio.gather(*[store.aread([key(number)], ["state"]) for number in range(50)])

    for _ in range(2):
        answers = asyncio.run(all_at_once())
        assert [number_in(row) for row, _ in answers] == list(range(50))
        assert {note for _, note in answers} == {b"1"}


def test_a_read_that_was_given_up_disturbs_no_later_one(store):
    """Its answer may still be on the way: it must not be taken for that of the next question."""
    store.write(batch(*[(key(number), number, 0, NONE) for number in range(20)]))

    async def give_up(number, after_s):
        task = asyncio.ensure_future(store.aread([key(number)]))
        await asyncio.sleep(after_s)
        task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    async def some():
        for number in range(20):
            await give_up(number, (number % 5) * 0.0001)
            answer = await store.aread([key(19 - number)])
            assert number_in(answer[0]) == 19 - number

    asyncio.run(some())
    assert number_in(store.read([key(7)])[0]) == 7


def test_the_event_loop_goes_on_while_a_read_waits(store):
    store.write(batch((key(1), 1, 0, NONE)))

    async def longest_pause_s():
        longest, done = 0.0, asyncio.ensure_future(asyncio.gather(*[store.aread([key(1)]) for _ in range(20)]))
        while not done.done():
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)
        return longest

    assert any(asyncio.run(longest_pause_s()) < 1 for _ in range(10))
