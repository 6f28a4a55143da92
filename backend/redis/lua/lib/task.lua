-- Tasks: their record, a hash at t:<id>, with short field names because there are many:
--   k kind (1: a job; a call has none)  p pool  s status (P R G S F C)  v version
--   D what never changes, netstrings of: kind (1 job, 2 function), pool, input, parent, depth, created; where there is a
--     root or a trace, of: kind (3 job, 4 function), pool, input, parent, depth, root, trace, created
--   d depth, if it is not 0  o session that called
--   r result or newest yield  y its number  f failure code  fd its detail  fn its note
--   a attempts  e errors  x crashes  n not before  z ended
--   X terms of the newest lease, "op of the claim|killed at|margin|started"
--   R slot reserved with it  Z status and lease of the last settlement, if L is not that
--   g lease of the last attempt that ended without a settlement; which of the three is the newest their epochs tell
--   l locks held (netstrings)  m removing  W who waits for a change, E for the end (netstrings)
--   while leased, and for a call that its worker has settled on the warm path: L lease "epoch:nonce:slot"; once cancelled: w killed at

local function tkey(id) return P .. 't:' .. id end

local function load(id)
  local r = call('HMGET', tkey(id), 'k', 'p', 's', 'v', 'd', 'o', 'a', 'e', 'x', 'y', 'l', 'm', 'W', 'L', 'w', 'X', 'E')
  if not r[3] then return nil end
  local killat, margin, began, slot_
  if r[14] then
    slot_ = string.match(r[14], '^%d+:%d+:(.*)$')
    killat, margin, began = string.match(r[16], '^%d+|(%d+)|(%d+)|(%d+)')
  end
  return {
    id = id, k = r[1] or '2', p = r[2], s = r[3], v = tonumber(r[4]), d = tonumber(r[5] or 0), o = r[6],
    a = tonumber(r[7] or 0), e = tonumber(r[8] or 0), x = tonumber(r[9] or 0), y = tonumber(r[10] or 0),
    l = r[11], m = r[12], W = r[13], E = r[17], L = r[14], g = slot_, w = tonumber(r[15] or killat or 0), M = tonumber(margin or 0),
    began = began,
  }
end

local function index(status, name) return P .. 'x:' .. status .. ':' .. name end

local function setindex(t, to)
  if t.k == '1' then
    call('ZREM', index(t.s, t.p), t.id)
    call('ZADD', index(to, t.p), 0, t.id)
  end
  t.s = to
end

-- touch tells those who wait for a change, once: who wants the next asks again.
local function touch(t)
  if t.W then
    for _, instance in ipairs(unpackn(t.W)) do tell(instance, { 'W', t.id }) end
    call('HDEL', tkey(t.id), 'W')
    t.W = nil
  end
  if t.E and (t.s == 'S' or t.s == 'F' or t.s == 'C') then touchended(t) end
end

-- ENDED is how long the end of an attempt whose task is gone is remembered, in ms, for a
-- worker that sends it again because the reply was lost.
local ENDED = 60000
local function remember(lease, status) call('SET', P .. 'z:' .. lease, status, 'PX', ENDED) end

-- forget remembers the last settlement of a task whose record goes.
local function forget(id)
  local last = call('HGET', tkey(id), 'Z')
  if last then remember(string.sub(last, 2), string.sub(last, 1, 1)) end
end

-- remove forgets an ended job.
local function remove(t)
  forget(t.id)
  call('ZREM', index(t.s, t.p), t.id)
  call('UNLINK', tkey(t.id), P .. 'y:' .. t.id, P .. 'at:' .. t.id, P .. 'j:' .. t.id, P .. 'j1:' .. t.id, P .. 'j2:' .. t.id)
  touch(t)
end

-- finish writes a task's end. fields are a hash's fields and values to be stored with it.
local function finish(t, status, fields)
  setindex(t, status)
  t.v = t.v + 1
  if t.k == '2' then
    if not t.o then
      forget(t.id)
      call('UNLINK', tkey(t.id))
      return
    end
    call('HSET', tkey(t.id), 's', status, 'v', t.v, unpack(fields))
    call('HDEL', tkey(t.id), 'L', 'w') -- who settles it, if somebody does, says so in Z
    call('PEXPIRE', tkey(t.id), ACKED)
    local f = {}
    for i = 1, #fields, 2 do f[fields[i]] = fields[i + 1] end
    tell(t.o, { 'R', t.id, status, f.r, t.a, f.f, f.fd, f.fn }, 8)
    return
  end
  call('HSET', tkey(t.id), 's', status, 'v', t.v, 'z', NOW, unpack(fields))
  call('HDEL', tkey(t.id), 'l', 'L', 'w')
  for _, key in ipairs(unpackn(t.l)) do
    call('HDEL', P .. 'lk', key)
    call('ZREM', P .. 'lkx', key)
  end
  touch(t)
  if t.m then remove(t) end
end

local function unlease(t)
  call('ZREM', P .. 'lease', t.id)
  call('HDEL', P .. 'run:' .. t.p, t.id)
end

-- unsettled does so for a task whose worker says nothing of the end.
local function unsettled(t)
  unlease(t)
  call('HSET', tkey(t.id), 'g', t.L)
end

-- KEPT is backend.KeptAttempts.
local KEPT = 20

-- past keeps the attempt that a job has just failed, because it is tried again.
local function past(t, failure)
  call('RPUSH', P .. 'at:' .. t.id, pack({ t.a, t.g, t.began, NOWS, failure[2], failure[4], failure[6] }, 7))
  call('LTRIM', P .. 'at:' .. t.id, -KEPT, -1)
end

-- storeyields stores those yields of a running job that are new to it; each is number and
-- data. It answers whether there were any.
local function storeyields(t, list)
  local newest
  for _, y in ipairs(list) do
    if y[1] > t.y then
      t.y, newest = y[1], y[2]
      local keep = pool(t.p).keep
      if keep > 0 then
        call('ZADD', P .. 'y:' .. t.id, y[1], pack({ int(y[1]), y[2] }))
        call('ZREMRANGEBYRANK', P .. 'y:' .. t.id, 0, -keep - 1)
      end
    end
  end
  if newest then call('HSET', tkey(t.id), 'r', newest, 'y', t.y) end
  return newest ~= nil
end

-- assignment is what a worker gets to know of its task, in netstrings.
local function assignment(t, lease) return pack({ t.id }) .. t.D .. pack({ lease, t.a, t.r, t.y }, 4) end

-- grant leases a task that is in no queue to a worker, and returns its assignment.
-- fresh are the fields of a record that is not stored yet.
local function grant(t, w, fresh)
  setindex(t, 'R')
  t.a, t.v = (t.a or 0) + 1, t.v + 1
  local lease = leasetext(call('INCR', P .. 'ep'), w.slot)
  local term, lost = terms(w)
  call('HSET', tkey(t.id), 's', 'R', 'L', lease, 'X', term, 'a', t.a, 'v', t.v, unpack(fresh or {}))
  call('ZADD', P .. 'lease', lost, t.id)
  call('HSET', P .. 'run:' .. t.p, t.id, w.slot)
  touch(t)
  return assignment(t, lease)
end

-- handover grants a task to a waiting worker and tells it so.
local function handover(t, w, fresh)
  say(w.session, pack({ 'A', w.slot, w.op }) .. grant(t, w, fresh))
end

-- full adds what an assignment needs to a task from load.
local function full(t)
  local r = call('HMGET', tkey(t.id), 'D', 'r')
  t.D, t.r = r[1], r[2]
  return t
end

local function push(t)
  local seq = call('INCR', P .. 'seq')
  if t.d > 0 then seq = seq - NESTED end
  call('ZADD', P .. 'q:' .. t.p, seq, t.id)
end

-- lend gives nested tasks to workers whose handlers wait for calls.
local function lend(name)
  while true do
    local q = call('ZRANGEBYSCORE', P .. 'q:' .. name, '-inf', '(0', 'LIMIT', 0, 1)
    if not q[1] then return end
    local w = call('ZPOPMAX', P .. 'lent:' .. name)
    if not w[1] then return end
    call('ZREM', P .. 'q:' .. name, q[1])
    local t = load(q[1])
    if t then handover(full(t), worker(w[1])) end
  end
end

-- enqueue makes a stored PENDING task wait for its time, or for a worker.
local function enqueue(t, delay)
  if delay > 0 then
    call('HSET', tkey(t.id), 'n', NOW + delay)
    call('ZADD', P .. 'dl:' .. t.p, NOW + delay, t.id)
    return
  end
  local w = takeidle(t.p)
  if w then
    handover(full(t), w)
    hint(pool(t.p))
    return
  end
  push(t)
  if not hint(pool(t.p)) then lend(t.p) end
end

-- promote queues the delayed tasks of a pool whose time has come.
local function promote(name, limit)
  local due = call('ZRANGEBYSCORE', P .. 'dl:' .. name, '-inf', NOW, 'LIMIT', 0, limit)
  for _, id in ipairs(due) do
    call('ZREM', P .. 'dl:' .. name, id)
    local t = load(id)
    if t then
      call('HDEL', tkey(id), 'n')
      t.v = t.v + 1
      call('HSET', tkey(id), 'v', t.v)
      touch(t)
      enqueue(t, 0)
    end
  end
  return #due
end

-- fail ends an unleased attempt with a failure, for ever or until the next attempt. failure are the fields f, fd
-- and fn with their values.
local function fail(t, failure, retry, delay)
  if t.s == 'G' then -- a cancelled run did not fail
    finish(t, 'C', { 'e', t.e, 'x', t.x })
  elseif retry then
    setindex(t, 'P')
    t.v = t.v + 1
    call('HSET', tkey(t.id), 's', 'P', 'v', t.v, 'e', t.e, 'x', t.x, unpack(failure))
    call('HDEL', tkey(t.id), 'L', 'w')
    if t.k == '2' and t.o and call('HEXISTS', P .. 'sx', t.o) == 0 then
      forget(t.id)
      call('UNLINK', tkey(t.id)) -- nobody wants it any more
      return
    end
    if t.k == '1' then past(t, failure) end
    touch(t)
    enqueue(t, delay)
  else
    failure[#failure + 1] = 'e'
    failure[#failure + 1] = t.e
    failure[#failure + 1] = 'x'
    failure[#failure + 1] = t.x
    finish(t, 'F', failure)
  end
end

-- retryable is backend.PoolSpec.Retryable.
local function retryable(t, crashed)
  local p = pool(t.p)
  if t.k == '1' then return t.e + t.x <= p.retries end
  if crashed then return t.x <= p.crashes end
  return t.e <= p.retries
end

-- lose ends the attempt of a task whose worker is gone.
local function lose(t, note)
  unsettled(t)
  t.x = t.x + 1
  local delay = 0
  if t.x > 1 then delay = math.min(1000 * 2 ^ math.min(t.x - 2, 10), 60000) end
  fail(t, { 'f', 'worker lost', 'fd', '', 'fn', note }, retryable(t, true), delay)
end

-- slot reads a slot's record in the hash "slots", netstrings of: p pool, la launcher, ses
-- session of its worker, cpu, mem, and the op of its last claim that got a task at once.
local function slot(id)
  local f = unpackn(call('HGET', P .. 'slots', id) or nil)
  if not f[1] then return nil end
  local function optional(s) if s ~= '' then return s end end
  return {
    p = f[1], la = f[2], ses = optional(f[3]), cpu = tonumber(f[4]), mem = tonumber(f[5]),
    op = optional(f[6]),
  }
end

-- cancel applies a cancel to a task.
local function cancel(t)
  if t.s == 'P' then
    call('ZREM', P .. 'q:' .. t.p, t.id)
    call('ZREM', P .. 'dl:' .. t.p, t.id)
    call('HDEL', tkey(t.id), 'n')
    finish(t, 'C', {})
  elseif t.s == 'R' then
    setindex(t, 'G')
    t.v = t.v + 1
    local deadline = NOW + pool(t.p).grace + t.M
    if t.w == 0 or deadline < t.w then t.w = deadline end
    call('HSET', tkey(t.id), 's', 'G', 'v', t.v, 'w', t.w)
    local score = tonumber(call('ZSCORE', P .. 'lease', t.id) or 0)
    if t.w < score then call('ZADD', P .. 'lease', t.w, t.id) end
    touch(t)
    local s = slot(t.g)
    local ses = s and s.ses
    if ses and call('HEXISTS', P .. 'sx', ses) == 1 then tell(ses, { 'C', t.id, t.g, t.L }) end
  end
end
