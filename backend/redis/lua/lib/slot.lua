-- putslot stores a slot's record, see slot in task.lua.
local function putslot(id, s)
  call('HSET', P .. 'slots', id, pack({ s.p, s.la, s.ses, s.cpu, s.mem, s.op }, 6))
end

local function freeslot(id, s)
  if call('HDEL', P .. 'slots', id) == 0 then return false end
  call('ZREM', P .. 'sl:' .. s.p, id)
  call('HINCRBY', P .. 'meta', 'cpu', 0 - s.cpu) -- not -s.cpu, which may be "-0"
  call('HINCRBY', P .. 'meta', 'mem', 0 - s.mem)
  return true
end

-- retire ends an idle worker's slot.
local function retire(member, name)
  call('ZREM', P .. 'idle:' .. name, member)
  local w = worker(member)
  local s = slot(w.slot)
  if s then freeslot(w.slot, s) end
  tell(w.session, { 'Q', w.slot, w.op, 'retired' })
end

-- makeroom retires other pools' idle workers until the quota allows another slot of p.
local function makeroom(p)
  local u = usage()
  if fits(u, u.cpu + p.cpu, u.mem + p.mem) then return end
  for _, name in ipairs(call('SMEMBERS', P .. 'pools')) do
    local o = pool(name)
    local surplus = call('ZCARD', P .. 'idle:' .. name) - o.spare
    for _, member in ipairs(call('ZRANGE', P .. 'idle:' .. name, 0, math.max(0, surplus) - 1)) do
      if surplus <= 0 then break end
      u = usage()
      if fits(u, u.cpu + p.cpu, u.mem + p.mem) then return end
      retire(member, name)
      surplus = surplus - 1
    end
  end
end

local function reserve(p, session, id, starting)
  makeroom(p)
  if call('HEXISTS', P .. 'slots', id) == 1 then -- of an earlier task of this ID, and put to other use
    id = session .. '.s' .. int(call('INCR', P .. 'ep'))
  end
  putslot(id, { p = p.name, la = session, cpu = p.cpu, mem = p.mem })
  call('ZADD', P .. 'sl:' .. p.name, NOW + starting, id)
  call('HINCRBY', P .. 'meta', 'cpu', p.cpu)
  call('HINCRBY', P .. 'meta', 'mem', p.mem)
  return id
end

-- hintfreed tells that a slot is free: its pool, or with a quota any pool, may use it.
local function hintfreed(name)
  local u = usage()
  if u.qcpu > 0 or u.qmem > 0 then hintall() else hint(pool(name)) end
end

-- dismiss ends the claims of a slot that wait.
local function dismiss(id, s)
  for _, list in ipairs({ 'idle:', 'lent:' }) do
    for _, member in ipairs(call('ZRANGE', P .. list .. s.p, 0, -1)) do
      local w = worker(member)
      if w.slot == id then
        call('ZREM', P .. list .. s.p, member)
        tell(w.session, { 'Q', id, w.op, 'lost' })
      end
    end
  end
end

-- endslot ends a slot whose worker is gone: its tasks are lost with it.
local function endslot(id, s, note)
  freeslot(id, s)
  dismiss(id, s)
  local run = call('HGETALL', P .. 'run:' .. s.p)
  for i = 1, #run, 2 do
    if run[i + 1] == id then
      local t = load(run[i])
      if t then lose(t, note) end
    end
  end
  hintfreed(s.p)
  if not s.ses then lend(s.p) end -- the worker that nested tasks were to wait for never came
end

-- killslot ends a slot whose worker is silent and may still run.
local function killslot(id, s, note)
  endslot(id, s, note)
  if call('HEXISTS', P .. 'sx', s.la) == 1 then tell(s.la, { 'K', id }) end
end
