-- Sessions: settings in the hash "sx", labels in the hash "sn", and in the sorted set "ses" by
-- the time at which their silence has been too long.

-- orphan cancels a call whose caller is gone: nothing is left to deliver to.
local function orphan(id)
  local t = load(id)
  if not t then return end
  call('HDEL', tkey(id), 'o')
  t.o = nil
  cancel(t)
end

-- orphans does so for the calls of a session among one pool's tasks, as far as they are
-- leased or among the first of the queue. What is further behind is found when it is
-- claimed, or by later sweeps.
local function orphans(name, session, limit)
  local n = 0
  local function try(id)
    if n < limit and call('HGET', tkey(id), 'o') == session then
      orphan(id)
      n = n + 1
    end
  end
  for _, id in ipairs(call('HKEYS', P .. 'run:' .. name)) do try(id) end
  for _, id in ipairs(call('ZRANGE', P .. 'q:' .. name, 0, limit)) do try(id) end
  for _, id in ipairs(call('ZRANGE', P .. 'dl:' .. name, 0, limit)) do try(id) end
  return n
end

local function endsession(id, note)
  call('ZREM', P .. 'ses', id)
  local s = session(id)
  call('HDEL', P .. 'sx', id)
  call('HDEL', P .. 'sn', id)
  if not s then return end
  for _, name in ipairs(s.pools) do
    call('SREM', P .. 'sv:' .. name, id)
    call('SREM', P .. 'la:' .. name, id)
  end
  -- The calls go first, so that none is given to another worker for nobody; then all its
  -- idle workers, so that no task lost with one of its slots is given to the next.
  for _, name in ipairs(call('SMEMBERS', P .. 'pools')) do
    if pool(name).kind == '2' then orphans(name, id, 100) end
  end
  local gone = {}
  for _, slot_ in ipairs(call('HKEYS', P .. 'slots')) do
    local sl = slot(slot_)
    if sl.ses == id or (not sl.ses and sl.la == id) then
      gone[#gone + 1] = { slot_, sl }
      dismiss(slot_, sl)
    end
  end
  for _, g in ipairs(gone) do killslot(g[1], g[2], note) end
  hintall()
end
