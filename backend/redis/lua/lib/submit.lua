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
  while #keys < n and #keys < 200 and ARGV[from + 2] == '2' and ARGV[from + 6] == '0' and not seen[ARGV[from + 1]] do
    seen[ARGV[from + 1]] = true
    keys[#keys + 1] = P .. 't:' .. ARGV[from + 1]
    from = from + 6
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

-- created ends a task's fixed part, see lib/task.lua; begun is what follows the lease of a
-- first attempt in an assignment.
local created, begun = #NOWS .. ':' .. NOWS, '1:10:1:0'

-- warm hands a call over to a waiting worker, or queues it; false if it is not as usual.
local function warm(left)
  local id, name, depth, fixed = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5] .. created
  local way = ways[name]
  if not way then
    way = { i = 0, idle = call('ZREVRANGE', P .. 'idle:' .. name, 0, left - 1) }
    ways[name] = way
    nextworker(way)
  end
  local w = way.w
  if w and w.has > 0 and (w.has >= w.most or depth ~= '0') then w = nextworker(way) end
  if not w then
    if way.queueable == nil then way.queueable = queueable(name) end
    if not way.queueable then return false end
    if depth == '0' then
      call('HSET', P .. 't:' .. id, 'p', name, 'D', fixed, 'o', ses, 's', 'P', 'v', '1')
    else
      call('HSET', P .. 't:' .. id, 'p', name, 'D', fixed, 'o', ses, 's', 'P', 'v', '1', 'd', depth)
    end
    if not seq then seq = call('INCRBY', P .. 'seq', left) - left end
    seq = seq + 1
    batch('ZADD', P .. 'q:' .. name, depth == '0' and seq or seq - NESTED, id)
    at = at + 6
    return true
  end
  if w.kind ~= '2' then return false end
  if not epoch then epoch = call('INCRBY', P .. 'ep', left) - left end
  epoch = epoch + 1
  local lease = leasetext(epoch, w.slot)
  local term, lost = terms(w)
  if depth == '0' then
    call('HSET', P .. 't:' .. id, 'p', name, 'D', fixed, 'o', ses, 's', 'R', 'v', '2', 'L', lease, 'X', term, 'a', '1')
  else
    call('HSET', P .. 't:' .. id, 'p', name, 'D', fixed, 'o', ses, 's', 'R', 'v', '2', 'L', lease, 'X', term, 'a', '1', 'd', depth)
  end
  batch('ZADD', P .. 'lease', lost, id)
  batch('HSET', P .. 'run:' .. name, id, w.slot)
  if w.has == 0 then
    batch('ZREM', P .. 'idle:' .. name, w.member)
    w.hello = '1:A' .. #w.slot .. ':' .. w.slot .. #w.op .. ':' .. w.op
  end
  w.has = w.has + 1
  say(w.session, w.hello .. #id .. ':' .. id .. fixed .. #lease .. ':' .. lease .. begun)
  if w.spare > 0 then spares[name] = true end
  at = at + 6
  return true
end

whole(function()
  while #replies < count and warm(count - #replies) do replies[#replies + 1] = '' end
end)
if #replies == n and not next(spares) then
  flush()
  return replies
end
