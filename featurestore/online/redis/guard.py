"""The guard (SEMANTICS O1) as a script that runs inside the server: many rows are compared and set in one step.

It compares the times in the first bytes of both rows, each as a signed high and an unsigned low word, since Lua's
numbers are exact only to 2^53 and its text order is the locale's. Most rows need less: read as floating point numbers,
the bits of two times that are not negative have the order of the times, and one comparison says that a row is newer.

Rows of one expiry stand side by side, and their runs are told behind them: the last row, the expiry. A server that has
``MSETEX`` sets a run by one; others, or one that does not allow it, take a ``SET`` for each row.
"""

from __future__ import annotations

import hashlib

GUARD = """
local KEYS, ARGV, call, unpack, read = KEYS, ARGV, redis.call, unpack, struct.unpack
local rows = #KEYS
local held = call('MGET', unpack(KEYS))
local found = rows
for i = 1, rows do
  if not held[i] then found = found - 1 end
end
if found < rows and found < call('EXISTS', unpack(KEYS)) then
  return redis.error_reply('WRONGTYPE a key of this feature view holds something that is not a row')
end
local written = {}
local landed = 0
local knows_msetex = true
local function set_run(set, count, expiry)
  if count > 1 and knows_msetex then
    set[1], set[2 * count + 2], set[2 * count + 3] = count, 'PXAT', expiry
    local done = redis.pcall('MSETEX', unpack(set))
    if type(done) ~= 'table' or not done.err then return end
    knows_msetex = false
  end
  for i = 1, count do call('SET', set[2 * i], set[2 * i + 1], 'PXAT', expiry) end
end
local run = rows + 1
local run_end = tonumber(ARGV[run])
local before_run = 0
local set = {''}
for i = 1, rows do
  local key, new = KEYS[i], ARGV[i]
  local old = written[key] or held[i]
  local lands = true
  if old and #old >= 21 then
    local mark, before = read('>Bxxxd', old)
    if mark == 220 and not (before >= 0 and read('>d', new, 5) > before) then
      local eh, el, ch, cl = read('>i4I4xi4I4', new, 5)
      local oeh, oel, och, ocl = read('>i4I4xi4I4', old, 5)
      if eh ~= oeh then lands = eh > oeh
      elseif el ~= oel then lands = el > oel
      elseif ch ~= och then lands = ch > och
      else lands = cl >= ocl end
    end
  end
  if lands then
    landed = landed + 1
    written[key] = new
    set[2 * (landed - before_run)] = key
    set[2 * (landed - before_run) + 1] = new
  end
  if i == run_end then
    set_run(set, landed - before_run, ARGV[run + 1])
    run, before_run, set = run + 2, landed, {''}
    run_end = tonumber(ARGV[run])
  end
end
if landed > before_run then
  set[1] = 'MSET'
  call(unpack(set))
end
return landed
"""
GUARD_SHA = hashlib.sha1(GUARD.encode(), usedforsecurity=False).hexdigest()
"""By what `EVALSHA` knows it."""

SWAP = """
local held = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
  if held ~= ARGV[2] then return 0 end
elseif held then return 0 end
if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('DEL', KEYS[1]) end
return 1
"""
"""Replace a note: whether there was one, the old one, whether there is to be one, the new one."""

TAKE_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
"""Take or prolong a lease: owner, milliseconds."""

END_LEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""Give a lease back: owner."""
