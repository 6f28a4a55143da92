-- Claiming, alone and after a settlement.

-- popalive takes the next task of a queue, and forgets calls on the way whose caller is gone.
local function popalive(name, nested)
  for _ = 1, 100 do
    local q
    if nested then
      q = call('ZRANGEBYSCORE', P .. 'q:' .. name, '-inf', '(0', 'LIMIT', 0, 1)
      if q[1] then call('ZREM', P .. 'q:' .. name, q[1]) end
    else
      q = call('ZPOPMIN', P .. 'q:' .. name)
    end
    if not q[1] then return nil end
    local t = load(q[1])
    if t and t.k == '2' and (not t.o or call('HEXISTS', P .. 'sx', t.o) == 0) then
      forget(t.id)
      call('UNLINK', tkey(t.id))
    elseif t then
      return full(t)
    end
  end
end

-- member describes a waiting worker, see worker in pool.lua.
local function member(p, ses, session, slot, op)
  local kill = p.timeout > 0 and p.timeout + p.grace + ses.ma or 0
  return table.concat({ op, int(ses.le), int(ses.ma), int(kill), int(p.spare), p.kind, #session, session .. slot }, '|')
end

-- rest makes a worker wait.
local function rest(p, m)
  call('ZADD', P .. 'idle:' .. p.name, NOW, m)
  local u = usage()
  if (u.qcpu > 0 or u.qmem > 0) and call('ZCARD', P .. 'idle:' .. p.name) > p.spare then
    hintall() -- others may have its room
  end
end

-- claim answers {'A', assignment, id}, {'wait', member} or {'retired'}: then the caller ends the slot.
local function claim(session_, id, op, wait, nested, name)
  local ses = session(session_)
  local p = pool(name)
  local m = member(p, ses, session_, id, op)
  local t = popalive(name, nested)
  if t then
    local a = grant(t, worker(m))
    return { 'A', pack(a, 11), t.id }
  end
  if nested then
    call('ZADD', P .. 'lent:' .. name, NOW, m)
  elseif not wait and call('ZCARD', P .. 'idle:' .. name) >= p.spare then
    return { 'retired' }
  else
    rest(p, m)
  end
  return { 'wait', m }
end
