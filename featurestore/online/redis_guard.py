"""Guarded writes to Redis: one script call compares and sets many rows, and several are under way.

The guard (SEMANTICS O1) runs inside the server: it compares the times in the first bytes of both rows, each as a
signed high and an unsigned low word, since Lua's numbers are exact only to 2^53 and its text order is the locale's.
"""

from __future__ import annotations

import hashlib
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import redis
    from redis.connection import Connection

    from featurestore.online.protocol import RowBatch

    _Call = tuple[int, list[bytes | int]]
    """How many rows, then their keys, values and expiries if there are any."""

ROWS_PER_CALL = 150
"""Rows per script call: the server answers nobody else meanwhile (below half a millisecond)."""
CALLS_PER_SEND = 5
CALLS_UNDER_WAY = 10
"""What the server works on while the next calls are packed; an answer is a few bytes, so nothing can jam."""

GUARD = """
local rows = #KEYS
local expiring = #ARGV > rows
local held = {}
local found = 0
local olds = redis.call('MGET', unpack(KEYS))
for i = 1, rows do
  if olds[i] then held[KEYS[i]] = olds[i]; found = found + 1 end
end
if found < rows and found < redis.call('EXISTS', unpack(KEYS)) then
  return redis.error_reply('WRONGTYPE a key of this feature view holds something that is not a row')
end
local landed = 0
local pairs = {}
for i = 1, rows do
  local key = KEYS[i]
  local new = ARGV[i]
  local old = held[key]
  local lands = true
  if old and #old >= 21 and string.byte(old) == 220 then
    local eh, el, ch, cl = struct.unpack('>i4I4xi4I4', new, 5)
    local oeh, oel, och, ocl = struct.unpack('>i4I4xi4I4', old, 5)
    if eh ~= oeh then lands = eh > oeh
    elseif el ~= oel then lands = el > oel
    elseif ch ~= och then lands = ch > och
    else lands = cl >= ocl end
  end
  if lands then
    landed = landed + 1
    held[key] = new
    if expiring then redis.call('SET', key, new, 'PXAT', ARGV[rows + i])
    else pairs[2 * landed - 1] = key; pairs[2 * landed] = new end
  end
end
if #pairs > 0 then redis.call('MSET', unpack(pairs)) end
return landed
"""
GUARD_SHA = hashlib.sha1(GUARD.encode(), usedforsecurity=False).hexdigest()


def write_guarded(client: redis.Redis, batch: RowBatch) -> int:
    """Write rows under the guard.

    When the connection breaks, the batch is sent once more from its start: harmless under the guard.

    Returns:
        How many rows landed.

    Raises:
        redis.RedisError: the server cannot be reached, or refused a call; the calls before it have landed.
    """
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    try:
        return _write(client, batch)
    except (RedisConnectionError, RedisTimeoutError):
        return _write(client, batch)


def _write(client: redis.Redis, batch: RowBatch) -> int:
    connection = client.connection_pool.get_connection()
    try:
        landed, unknown = _run(connection, _calls(batch), "EVALSHA", GUARD_SHA)
        if unknown:  # a server that has not seen the script yet, or forgot it
            landed += _run(connection, unknown, "EVAL", GUARD)[0]
    except BaseException:
        # An answer that nobody read would be taken for that of the next command.
        connection.disconnect()  # type: ignore[no-untyped-call]
        raise
    finally:
        client.connection_pool.release(connection)
    return landed


def _run(connection: Connection, calls: Iterable[_Call], command: str, script: str) -> tuple[int, list[_Call]]:
    """Return how many rows landed, and the calls for which the server had no script."""
    from redis.exceptions import NoScriptError

    landed = 0
    unknown: list[_Call] = []
    answers: deque[_Call] = deque()

    def read_answers(left: int) -> None:
        nonlocal landed
        while len(answers) > left:
            call = answers.popleft()
            try:
                landed += cast("int", connection.read_response())
            except NoScriptError:
                unknown.append(call)

    remaining = iter(calls)
    while sent := list(islice(remaining, CALLS_PER_SEND)):
        commands = [(command, script, rows, *arguments) for rows, arguments in sent]
        packed = connection.pack_commands(commands)  # type: ignore[no-untyped-call]
        connection.send_packed_command(packed)  # type: ignore[no-untyped-call]
        answers.extend(sent)
        read_answers(left=CALLS_UNDER_WAY)
    read_answers(left=0)
    return landed, unknown


def _calls(batch: RowBatch) -> Iterator[_Call]:
    """Cut a batch into script calls."""
    keys, values = batch.keys.to_pylist(), batch.values.to_pylist()
    all_expiries = [] if batch.expires_ms is None else batch.expires_ms.to_pylist()
    for start in range(0, len(batch), ROWS_PER_CALL):
        end = min(start + ROWS_PER_CALL, len(batch))
        yield end - start, [*keys[start:end], *values[start:end], *all_expiries[start:end]]
