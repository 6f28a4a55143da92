-- The warm path of submit.lua: calls for which a worker waits, or which can only wait
-- themselves. Those before the first task that is not as usual are done here, and if that
-- are all, so is the script.
local ses = arg()
local s = call('HGET', P .. 'sx', ses)
if not s then return 'session' end
local n, replies, spares = num(), {}, {}

-- plain counts the tasks at the front that are new calls without locks.
local function plain()
  local keys, seen, from = {}, {}, at
  while #keys < n and #keys < 200 and ARGV[from + 2] == '2' and ARGV[from + 7] == '0' and not seen[ARGV[from + 1]] do
    seen[ARGV[from + 1]] = true
    keys[#keys + 1] = P .. 't:' .. ARGV[from + 1]
    from = from + 7
  end
  if not keys[1] or call('EXISTS', unpack(keys)) > 0 then return 0 end
  return #keys
end

local count, epoch, seq, ways = plain(), nil, nil, {}

-- queueable reports whether a call that finds no idle worker can do nothing but wait.
local function queueable(name)
  local p = call('HMGET', P .. 'p:' .. name, 'kind', 'max', 'mp', 'de')
  return p[1] == '2' and (p[3] or '0') == '0' and (not p[4] or call('ZCARD', P .. 'sl:' .. name) >= tonumber(p[2] or 0))
    and call('EXISTS', P .. 'lent:' .. name) == 0
end

-- nextworker takes the next of the workers that wait. It is only looked at here: the first
-- write must be one that full memory refuses.
local function nextworker(way)
  way.i = way.i + 1
  local member = way.idle[way.i]
  way.w = member and worker(member)
  return way.w
end

-- warm hands a call over to a waiting worker, or queues it; false if it is not as usual.
local function warm(left)
  local id, name, input, up, depth = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  local way = ways[name]
  if not way then
    way = { i = 0, idle = call('ZREVRANGE', P .. 'idle:' .. name, 0, left - 1) }
    ways[name] = way
    nextworker(way)
  end
  local w = way.w
  if w and w.has > 0 and (w.has >= w.most or depth ~= '0') then w = nextworker(way) end
  local f = { 'HSET', P .. 't:' .. id, 'k', '2', 'p', name, 'i', input, 'c', NOW, 'o', ses }
  if up ~= '' then f[13], f[14] = 'q', up end
  if depth ~= '0' then f[#f + 1] = 'd' f[#f + 1] = depth end
  local m = #f
  if not w then
    if way.queueable == nil then way.queueable = queueable(name) end
    if not way.queueable then return false end
    f[m + 1], f[m + 2], f[m + 3], f[m + 4] = 's', 'P', 'v', 1
    call(unpack(f))
    if not seq then seq = call('INCRBY', P .. 'seq', left) - left end
    seq = seq + 1
    batch('ZADD', P .. 'q:' .. name, depth == '0' and seq or seq - NESTED, id)
    at = at + 7
    return true
  end
  if w.kind ~= '2' then return false end
  if not epoch then epoch = call('INCRBY', P .. 'ep', left) - left end
  epoch = epoch + 1
  local lease = int(epoch) .. ':' .. nonce() .. ':' .. w.slot
  local killat, lost = limits(w)
  f[m + 1], f[m + 2], f[m + 3], f[m + 4], f[m + 5], f[m + 6], f[m + 7], f[m + 8] = 's', 'R', 'L', lease, 'g', w.slot, 'u', w.op
  f[m + 9], f[m + 10], f[m + 11], f[m + 12], f[m + 13], f[m + 14] = 'a', 1, 'v', 2, 'b', NOW
  f[m + 15], f[m + 16], f[m + 17], f[m + 18] = 'w', killat, 'M', w.margin
  call(unpack(f))
  batch('ZADD', P .. 'lease', lost, id)
  batch('HSET', P .. 'run:' .. name, id, w.slot)
  if w.has == 0 then batch('ZREM', P .. 'idle:' .. name, w.member) end
  w.has = w.has + 1
  tell(w.session, { 'A', w.slot, w.op, id, lease, '2', name, input, up, depth, 1, '', 0, NOW }, 14)
  if w.spare > 0 then spares[name] = true end
  at = at + 7
  return true
end

while #replies < count and warm(count - #replies) do replies[#replies + 1] = '' end
send()
if #replies == n and not next(spares) then
  flush()
  return replies
end
