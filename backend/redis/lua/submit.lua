--! submitone base fast submit pool task slot
-- Stores tasks, each PENDING in its queue or RUNNING with an idle worker, and reserves slots.
-- ARGV: session, number of tasks, then for each: id, kind, pool, depth, D of lib/task.lua but for
--       the time of creation, number of locks, locks
-- Answers a list with one string for each: '' stored, '=' existing, either with 'S' and the
-- ID of a slot that is reserved for the session to launch, or an error: 'kind', 'exists', 'full', or 'lock' with the
-- netstrings of key and holder. A string instead of the list: 'session'.
local function launches(name)
  return call('SISMEMBER', P .. 'la:' .. name, ses) == 1
end

local function held(locks)
  for _, key in ipairs(locks) do
    local holder = call('HGET', P .. 'lk', key)
    if holder then return 'lock' .. pack({ key, holder }) end
  end
end

local function hold(t, locks)
  for _, key in ipairs(locks) do
    call('HSET', P .. 'lk', key, t.id)
    call('ZADD', P .. 'lkx', 0, key)
  end
end

local function fields(t, locks)
  local f = { 'p', t.p, 'D', t.D }
  local function set(name, value) f[#f + 1] = name f[#f + 1] = value end
  if t.d > 0 then set('d', t.d) end
  if t.k == '2' then set('o', ses) else set('k', t.k) end
  if locks[1] then set('l', pack(locks)) end
  return f
end

-- queue stores a task for which no worker is idle.
local function queue(t, f, p)
  call('HSET', tkey(t.id), 's', 'P', 'v', 1, unpack(f))
  push(t)
  if launches(t.p) then
    if canreserve(p) then
      local id = t.id
      if t.k == '1' then id = id .. '.s' .. int(call('INCR', P .. 'ep')) end -- a job's ID may come again
      id = reserve(p, ses, id, readsession(s).st)
      call('HSET', tkey(t.id), 'R', id)
      hint(p)
      return 'S' .. id
    end
    lend(t.p)
  elseif not hint(p) then
    lend(t.p)
  end
  return ''
end

-- unclaimed tells of the slot that was reserved with the task, if its worker has not come:
-- the answer that named it may have been lost.
local function unclaimed(t)
  local id = call('HGET', tkey(t.id), 'R')
  local sl = id and slot(id)
  if sl and sl.p == t.p and not sl.ses and sl.la == ses then return 'S' .. id end
  return ''
end

local function submit()
  local t = { id = arg(), k = arg(), p = arg(), d = num(), D = arg() .. created, v = 1, s = 'P', a = 0, y = 0 }
  local locks = {}
  for i = 1, num() do locks[i] = arg() end
  local known = call('HGET', tkey(t.id), 'p')
  if known then return known == t.p and '=' .. unclaimed(t) or 'exists' end
  local last = call('ZREVRANGE', P .. 'idle:' .. t.p, 0, 0) -- see lib/submit.lua
  local w = last[1] and worker(last[1])
  local p = not w and use(t.p, t.k)
  local refusal
  if w and w.kind ~= t.k or not w and not p then
    refusal = 'kind'
  elseif p and p.maxpending > 0 and call('ZCARD', P .. 'q:' .. t.p) >= p.maxpending then
    refusal = 'full'
  elseif locks[1] then
    refusal = held(locks)
  end
  if refusal then return refusal end
  table.sort(locks)
  if locks[1] then hold(t, locks) end
  if t.k == '1' then call('ZADD', index('P', t.p), 0, t.id) end
  local f = fields(t, locks)
  if not w then return queue(t, f, p) end
  handover(t, w, f)
  call('ZREM', P .. 'idle:' .. t.p, w.member)
  if w.spare > 0 then hint(pool(t.p)) end
  return ''
end

for i = #replies + 1, n do replies[i] = submit() end
for name in pairs(spares) do hint(pool(name)) end
flush()
return replies
