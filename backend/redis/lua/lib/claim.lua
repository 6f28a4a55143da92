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

-- take leases the next tasks of a queue to a worker, see ClaimRequest.Max, and returns their
-- assignments in a list that begins with 'A'; nil if there is none.
local function take(name, w, most, nested)
  local waiting = most > 1 and call('ZCARD', P .. 'q:' .. name) or 0
  local t = popalive(name, nested)
  if not t then return nil end
  local got = { 'A', grant(t, w) }
  if nested or t.k == '1' or t.x > 0 then most = 1 end
  most = math.min(most, math.ceil(waiting / math.max(1, call('ZCARD', P .. 'sl:' .. name))))
  while #got <= most do
    local q = call('ZRANGE', P .. 'q:' .. name, 0, 0)
    if not q[1] or tonumber(call('HGET', tkey(q[1]), 'x') or 0) > 0 then break end
    local more = popalive(name, false)
    if not more then break end
    got[#got + 1] = grant(more, w)
  end
  return got
end

-- member describes a waiting worker, see worker in fast.lua.
local function member(p, ses, session, slot, op, bundle)
  local kill = p.timeout > 0 and p.timeout + p.grace + ses.ma or 0
  return table.concat({ op, int(ses.le), int(ses.ma), int(kill), int(p.spare), p.kind, bundle, #session, session .. slot }, '|')
end

-- rest makes a worker wait.
local function rest(p, m)
  call('ZADD', P .. 'idle:' .. p.name, NOWS, m)
  local u = usage()
  if (u.qcpu > 0 or u.qmem > 0) and call('ZCARD', P .. 'idle:' .. p.name) > p.spare then
    hintall() -- others may have its room
  end
end

-- claim answers {'A', assignments …}, {'wait', member} or {'retired'}: then the caller ends the slot.
local function claim(session_, id, op, wait, nested, name, most, bundle)
  local ses = session(session_)
  local p = pool(name)
  local m = member(p, ses, session_, id, op, bundle)
  local got = take(name, worker(m), most, nested)
  if got then return got end
  if nested then
    call('ZADD', P .. 'lent:' .. name, NOWS, m)
  elseif not wait and call('ZCARD', P .. 'idle:' .. name) >= p.spare then
    return { 'retired' }
  else
    rest(p, m)
  end
  return { 'wait', m }
end
