-- The warm path of settle.lua: calls that succeeded, whose workers go on, and other calls
-- for these; or one job that succeeded, whose worker leaves.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local claims, warmclaims = {}, 0
for i = 1, num() do claims[i] = { name = arg(), member = arg(), most = num() } end
local n, replies = num(), {}

-- warm ends one call; false if it is not as usual.
local function warm()
  local id, lease, result = ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  if ARGV[at + 3] ~= 'S' then return false end
  local key = P .. 't:' .. id
  local r = call('HMGET', key, 'L', 's', 'k', 'p', 'o', 'v', 'a', 'W', 'Z', 'E')
  if r[1] ~= lease or r[2] ~= 'R' or r[3] or not r[5] or r[8] or r[9] or r[10] then return false end
  batch('ZREM', P .. 'lease', id)
  batch('HDEL', P .. 'run:' .. r[4], id)
  call('HSET', key, 's', 'S', 'v', r[6] + 1, 'r', result)
  call('PEXPIRE', key, ACKED)
  say(r[5], '1:R' .. #id .. ':' .. id .. '1:S' .. #result .. ':' .. result .. #r[7] .. ':' .. r[7] .. '0:0:0:')
  at = at + 4
  return true
end

-- warmjob ends a job with its slot; false if it is not as usual: locks, kept yields, others
-- that wait for the slot.
local function warmjob()
  local id, lease, count = ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 5])
  if ARGV[at + 3] ~= '1' or ARGV[at + 11 + 2 * count] ~= '1' then return false end
  local key = P .. 't:' .. id
  local r = call('HMGET', key, 'k', 'L', 's', 'p', 'v', 'y', 'l', 'm', 'W', 'E', 'Z')
  if r[1] ~= '1' or r[2] ~= lease or r[3] ~= 'R' or r[7] or r[8] or r[11] then return false end
  local name, slot_ = r[4], string.match(lease, '^%d+:%d+:(.*)$')
  local sl = unpackn(call('HGET', P .. 'slots', slot_) or nil)
  local quota = call('HMGET', P .. 'meta', 'qcpu', 'qmem')
  if not sl[1] or (quota[1] or '0') ~= '0' or (quota[2] or '0') ~= '0' or call('ZCARD', P .. 'q:' .. name) > 0
    or count > 0 and (call('HGET', P .. 'p:' .. name, 'ky') or '0') ~= '0' then return false end
  call('ZREM', P .. 'lease', id)
  call('HDEL', P .. 'run:' .. name, id)
  call('ZREM', P .. 'x:R:' .. name, id)
  call('ZADD', P .. 'x:S:' .. name, '0', id)
  local newest = count > 0 and tonumber(ARGV[at + 4 + 2 * count]) > tonumber(r[6] or 0)
  if newest then
    call('HSET', key, 's', 'S', 'v', r[5] + 1, 'z', NOWS, 'Z', 'S' .. lease, 'y', ARGV[at + 4 + 2 * count], 'r', ARGV[at + 5 + 2 * count])
  else
    call('HSET', key, 's', 'S', 'v', r[5] + 1, 'z', NOWS, 'Z', 'S' .. lease)
  end
  call('HDEL', key, 'L', 'w', 'W', 'f', 'fd', 'fn')
  call('HDEL', P .. 'slots', slot_)
  call('ZREM', P .. 'sl:' .. name, slot_)
  call('HINCRBY', P .. 'meta', 'cpu', 0 - sl[4])
  call('HINCRBY', P .. 'meta', 'mem', 0 - sl[5])
  for _, instance in ipairs(unpackn(r[9] or nil)) do tell(instance, { 'W', id }) end
  if r[10] then touchended({ id = id, E = r[10] }) end
  return true
end

if n == 1 and not claims[1] and ARGV[at + 3] == '1' and warmjob() then
  flush()
  return { 'S' }
end
whole(function()
  while #replies < n and warm() do replies[#replies + 1] = 'S' end
end)

local owners = {}
local function joined(session)
  if owners[session] == nil then owners[session] = call('HEXISTS', P .. 'sx', session) == 1 end
  return owners[session]
end

-- pop takes the next calls of a queue, as many as the claim may have: ids and scores. left
-- bounds what one script leases beyond one for each claim.
local left = 128
local function pop(c)
  local most = math.min(c.most, 1 + left)
  if most > 1 then
    local waiting = call('ZCARD', P .. 'q:' .. c.name)
    if waiting > 0 then most = math.min(most, math.ceil(waiting / call('ZCARD', P .. 'sl:' .. c.name))) end
  end
  return call('ZPOPMIN', P .. 'q:' .. c.name, most)
end

-- lease leases a queued call to a worker and returns its assignment; nil if it is not as
-- usual. alone: no other is leased with it.
local function lease(id, w, c, alone)
  local key = P .. 't:' .. id
  local r = call('HMGET', key, 'k', 's', 'o', 'x', 'W', 'v', 'a', 'D')
  if r[1] or r[2] ~= 'P' or not r[3] or r[5] or not joined(r[3]) or not alone and (r[4] or '0') ~= '0' then return nil end
  local l = leasetext(c.epoch, w.slot)
  c.epoch = c.epoch + 1
  local term, lost = terms(w)
  local attempt = (r[7] or 0) + 1
  call('HSET', key, 's', 'R', 'v', r[6] + 1, 'L', l, 'X', term, 'a', attempt)
  batch('ZADD', P .. 'lease', lost, id)
  batch('HSET', P .. 'run:' .. c.name, id, w.slot)
  return #id .. ':' .. id .. r[8] .. #l .. ':' .. l .. #('' .. attempt) .. ':' .. attempt .. '0:1:0', (r[4] or '0') ~= '0'
end

-- warmclaim gives a worker its next calls, or makes it wait; false if they are not as usual.
local function warmclaim(c)
  local ids = pop(c)
  if not ids[1] then
    batch('ZADD', P .. 'idle:' .. c.name, NOWS, c.member)
    return 'wait'
  end
  local count = #ids / 2
  left = left - count + 1
  c.epoch = call('INCRBY', P .. 'ep', count) - count + 1
  local w, got = worker(c.member), { 'A' }
  for i = 1, count do
    local a, crashed = lease(ids[2 * i - 1], w, c, i == 1)
    got[#got + 1] = a
    if not a or crashed then -- what was popped with it goes back
      for j = a and i + 1 or i, count do batch('ZADD', P .. 'q:' .. c.name, ids[2 * j], ids[2 * j - 1]) end
      break
    end
  end
  send() -- what the next claim looks at must be there
  return got[2] and got or false
end

if #replies == n then
  local quota = call('HMGET', P .. 'meta', 'qcpu', 'qmem')
  if (quota[1] or '0') == '0' and (quota[2] or '0') == '0' then
    whole(function()
      for i, c in ipairs(claims) do
        local reply = warmclaim(c)
        if not reply then break end
        replies[n + i] = reply
        warmclaims = i
      end
    end)
  end
  if warmclaims == #claims then
    flush()
    return replies
  end
end
