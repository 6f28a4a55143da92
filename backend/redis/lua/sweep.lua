--! base fast pool task slot session
-- Repairs what is lost, and queues delayed tasks whose time has come. ARGV: limit
-- Answers how many it repaired, and then for each record that it could not read and set
-- aside, so that it holds up no sweep, what it was and why.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local limit, n, unread = num(), 0, {}

-- repair does one repair, and notes if it met what is not ours.
local function repair(what, id, aside, f, ...)
  local ok, err = pcall(f, ...)
  n = n + 1
  if ok then return end
  aside()
  unread[#unread + 1] = what .. ' "' .. id .. '": ' .. (type(err) == 'table' and err.err or tostring(err))
end

for _, id in ipairs(limit > 0 and call('ZRANGEBYSCORE', P .. 'ses', '-inf', NOW, 'LIMIT', 0, limit) or {}) do
  local function aside()
    call('HDEL', P .. 'sx', id)
    call('HDEL', P .. 'sn', id)
  end
  repair('session', id, aside, endsession, id, 'its process sent no heartbeat in time')
end

local function due(id)
  local t = load(id)
  if not t or not (t.s == 'R' or t.s == 'G') then
    call('ZREM', P .. 'lease', id)
    return
  end
  local s = slot(t.g)
  if t.w > 0 and NOW >= t.w then
    unsettled(t)
    local note = 'its handler did not return within the grace'
    fail(t, { 'f', 'timeout', 'fd', '', 'fn', note }, false, 0)
    if s then killslot(t.g, s, 'killed: ' .. note) end
  elseif s then
    killslot(t.g, s, 'its worker sent no heartbeat in time')
  else
    lose(t, 'its worker sent no heartbeat in time')
  end
end

if n < limit then
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'lease', '-inf', NOW, 'LIMIT', 0, limit - n)) do
    local function aside() call('ZREM', P .. 'lease', id) end
    repair('task', id, aside, due, id)
  end
end

local function late(name, id)
  local s = slot(id)
  if s then
    call('HSET', P .. 'p:' .. name, 'bl', 'a worker did not start in time')
    killslot(id, s, 'a worker did not start in time')
  else
    call('ZREM', P .. 'sl:' .. name, id)
  end
end

for _, name in ipairs(call('SMEMBERS', P .. 'pools')) do
  promote(name, 100)
  if n < limit then
    for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'sl:' .. name, 1, NOW, 'LIMIT', 0, limit - n)) do
      local function aside()
        call('ZREM', P .. 'sl:' .. name, id)
        call('HDEL', P .. 'slots', id)
      end
      repair('slot', id, aside, late, name, id)
    end
  end
end
flush()
return { int(n), unpack(unread) }
