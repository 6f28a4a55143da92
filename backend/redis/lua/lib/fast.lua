-- The parts of the warm path of calls: tasks go to waiting workers or their queue, results
-- come back, workers take the next ones or wait again. The scripts that do this run it
-- before the other parts of lib are even defined, which costs as much as the path itself, and
-- return; they go on to those parts for everything that is not as usual.

-- A worker that waits is one member of idle:<pool> or lent:<pool>, and carries all that
-- leasing a task to it needs, so that a hand-over reads nothing else. most is how many tasks
-- that come together it takes before another worker is woken.
local function worker(member)
  local op, lease, margin, kill, spare, kind, most, len, rest =
    string.match(member, '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  len = tonumber(len)
  return {
    op = op, lease = tonumber(lease), margin = margin, kill = tonumber(kill),
    spare = tonumber(spare), kind = kind, most = tonumber(most), session = string.sub(rest, 1, len),
    slot = string.sub(rest, len + 1), member = member, has = 0,
  }
end

-- terms are what a lease given now to a worker says beside itself: the claim's op, when the
-- task is killed, 0 for never, the margin, and when it began; and apart from that, when
-- the lease is lost.
local function terms(w)
  if not w.terms then
    local killat = w.kill > 0 and NOW + w.kill or 0
    local lost = NOW + w.lease + tonumber(w.margin)
    if killat > 0 and killat < lost then lost = killat end
    w.terms, w.lost = w.op .. '|' .. int(killat) .. '|' .. w.margin .. '|' .. NOWS, int(lost)
  end
  return w.terms, w.lost
end

-- leasetext is a new lease, see lib/task.lua. That it is longer than hash-max-listpack-value is
-- welcome: what is leased is looked at by many fields, for which the server is then much
-- faster, while what waits stays small.
local function leasetext(epoch, slot_) return int(epoch) .. ':' .. nonce() .. ':' .. slot_ end

-- batches are commands that take any number of members, by command and key: all that one
-- script has for a key goes in one command. send sends them.
local batches, order = {}, {}
local function batch(command, key, a, b)
  local name = command .. key
  local l = batches[name]
  if not l or #l > 200 then
    l = { command, key }
    batches[name] = l
    order[#order + 1] = l
  end
  l[#l + 1] = a
  l[#l + 1] = b
end
local function send()
  for i = 1, #order do call(unpack(order[i])) end
  batches, order = {}, {}
end

-- whole runs f, which may batch. If it meets something that is not ours, what it has done
-- before is made whole, so that no task is left leased but in no list, and then it fails.
local function whole(f)
  local ok, err = pcall(f)
  send()
  if not ok then
    flush()
    error(err)
  end
end

-- NESTED is what sets the queue's score of nested tasks below all others.
local NESTED = 4503599627370496

-- ACKED is how long a call's result waits to be acknowledged, in ms: many leases long.
-- Whoever has not fetched it by then is gone.
local ACKED = 300000

-- ENDING is the size in bytes up to which a record is sent to those who wait for its end.
local ENDING = 16384

-- touchended tells those who wait for the end, and sends them the record; but not if it is
-- about to be removed, because then they are to find it gone.
local function touchended(t)
  call('HDEL', P .. 't:' .. t.id, 'E')
  local record = ''
  if not t.m then
    record = pack(call('HGETALL', P .. 't:' .. t.id))
    if t.L then record = record .. pack({ 'g', t.L }) end -- which a settlement notes after this
    if #record > ENDING then record = '' end
  end
  for _, instance in ipairs(unpackn(t.E)) do tell(instance, { 'E', t.id, record }) end
  t.E = nil
end
