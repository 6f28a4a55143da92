-- The parts of the warm path of a call: a task goes to a waiting worker, its result comes
-- back, the worker waits again. The scripts that do this run it before the other parts of
-- lib are even defined, which costs as much as the path itself, and return; they go on to
-- those parts for everything that is not as usual.

-- A worker that waits is one member of idle:<pool> or lent:<pool>, and carries all that
-- leasing a task to it needs, so that a hand-over reads nothing else.
local function worker(member)
  local op, lease, margin, kill, spare, kind, len, rest =
    string.match(member, '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  len = tonumber(len)
  return {
    op = op, lease = tonumber(lease), margin = tonumber(margin), kill = tonumber(kill),
    spare = tonumber(spare), kind = kind, session = string.sub(rest, 1, len),
    slot = string.sub(rest, len + 1), member = member,
  }
end

-- record leases a task to a worker and returns the lease. fields are the record's fields
-- and values beside those that every lease has.
local function record(id, name, w, attempt, version, fields)
  local lease = int(call('INCR', P .. 'ep')) .. ':' .. nonce() .. ':' .. w.slot
  local killat = w.kill > 0 and NOW + w.kill or 0
  local lost = NOW + w.lease + w.margin
  if killat > 0 and killat < lost then lost = killat end
  call('HSET', P .. 't:' .. id, 's', 'R', 'L', lease, 'g', w.slot, 'u', w.op, 'a', attempt, 'v', version, 'b', NOW,
    'w', killat, 'M', w.margin, unpack(fields))
  call('ZADD', P .. 'lease', lost, id)
  call('HSET', P .. 'run:' .. name, id, w.slot)
  return lease
end

-- ACKED is how long a call's result waits to be acknowledged, in ms: many leases long.
-- Whoever has not fetched it by then is gone.
local ACKED = 300000
