-- Pools: their specs, queues and idle workers.

local pools = {}
local function pool(name)
  local p = pools[name]
  if not p then
    local r = call('HMGET', P .. 'p:' .. name,
      'kind', 'max', 'spare', 'cpu', 'mem', 'to', 'gr', 're', 'cb', 'ky', 'mp', 'de')
    p = {
      name = name, kind = r[1], max = tonumber(r[2] or 0), spare = tonumber(r[3] or 0),
      cpu = tonumber(r[4] or 0), mem = tonumber(r[5] or 0), timeout = tonumber(r[6] or 0),
      grace = tonumber(r[7] or 0), retries = tonumber(r[8] or 0), crashes = tonumber(r[9] or 0),
      keep = tonumber(r[10] or 0), maxpending = tonumber(r[11] or 0), declared = r[12],
    }
    pools[name] = p
  end
  return p
end

-- use makes a pool of that kind exist, and returns it; nil if it is of the other kind.
local function use(name, kind)
  local p = pool(name)
  if not p.kind then
    call('HSET', P .. 'p:' .. name, 'kind', kind)
    call('SADD', P .. 'pools', name)
    p.kind = kind
  end
  if p.kind == kind then return p end
end

-- readspec reads a spec from the arguments, in the order in which Join in store.go sends it.
local function readspec()
  local s = { name = arg(), kind = arg() }
  for _, f in ipairs({ 'max', 'spare', 'cpu', 'mem', 'to', 'gr', 're', 'cb', 'ky', 'mp' }) do s[f] = arg() end
  return s
end

-- lacking is how many workers the pool could use beyond those it has or awaits.
local function lacking(p)
  return call('ZCARD', P .. 'q:' .. p.name) + p.spare - call('ZCARD', P .. 'idle:' .. p.name)
    - call('ZCOUNT', P .. 'sl:' .. p.name, 1, '+inf')
end

local function usage()
  local u = call('HMGET', P .. 'meta', 'cpu', 'mem', 'qcpu', 'qmem')
  return { cpu = tonumber(u[1] or 0), mem = tonumber(u[2] or 0), qcpu = tonumber(u[3] or 0), qmem = tonumber(u[4] or 0) }
end

local function fits(u, cpu, mem)
  return (u.qcpu == 0 or cpu <= u.qcpu) and (u.qmem == 0 or mem <= u.qmem)
end

-- roomfor reports whether the quota allows another slot of the pool, if need be after
-- other pools' idle workers have left.
local function roomfor(p)
  local u = usage()
  if fits(u, u.cpu + p.cpu, u.mem + p.mem) then return true end
  local cpu, mem = u.cpu, u.mem
  for _, name in ipairs(call('SMEMBERS', P .. 'pools')) do
    local o = pool(name)
    local surplus = math.max(0, call('ZCARD', P .. 'idle:' .. name) - o.spare)
    cpu, mem = cpu - surplus * o.cpu, mem - surplus * o.mem
  end
  return fits(u, cpu + p.cpu, mem + p.mem)
end

local function canreserve(p)
  return p.declared and lacking(p) > 0 and call('ZCARD', P .. 'sl:' .. p.name) < p.max and roomfor(p)
end

-- hint tells a session that launches the pool that reserving would find work to do.
local function hint(p)
  if not canreserve(p) then return false end
  for _, session in ipairs(call('SMEMBERS', P .. 'la:' .. p.name)) do
    tell(session, { 'D', p.name })
    return true
  end
  return false
end

local function hintall()
  for _, name in ipairs(call('SMEMBERS', P .. 'pools')) do hint(pool(name)) end
end

-- takeidle takes the worker that became idle last.
local function takeidle(name)
  local w = call('ZPOPMAX', P .. 'idle:' .. name)
  if w[1] then return worker(w[1]) end
end

-- sessions are few; their settings are small and are only read off the hot path.
local function readsession(text)
  local f = unpackn(text)
  local s = { le = tonumber(f[1]), ma = tonumber(f[2]), st = tonumber(f[3]), la = tonumber(f[4]), pools = {} }
  for i = 5, #f do s.pools[i - 4] = f[i] end
  return s
end

local function session(id)
  local s = call('HGET', P .. 'sx', id)
  return s and readsession(s)
end
