--! base fast pool task slot
-- Joins a session, or replaces what it said before.
-- ARGV: version of the schema, session, its label, lease ms, margin ms, starting ms, launches 0/1, quota mCPU, quota bytes,
--       number of pools, then each pool's spec: name, kind, max, spare, mCPU, bytes,
--       timeout ms, grace ms, retries, crash budget, kept yields, max pending
-- Answers 'OK', or a refusal: 'newer' and the netstring of the version stored, or 'foreign'
-- and the netstrings of a key, what it holds and what it should.
local version = num()

-- mismatch looks whether a key holds something of another type.
local function mismatch(key, want)
  local t = call('TYPE', P .. key)
  t = t.ok or t
  if t ~= 'none' and t ~= want then return 'foreign' .. pack({ P .. key, 'a ' .. t, 'a ' .. want }) end
end

local types = {
  pools = 'set', lease = 'zset', slots = 'hash', ses = 'zset', sx = 'hash', sn = 'hash', lk = 'hash', lkx = 'zset',
  meta = 'hash', ep = 'string', seq = 'string',
}
for key, want in pairs(types) do
  local refusal = mismatch(key, want)
  if refusal then return refusal end
end
for _, key in ipairs({ 'ep', 'seq' }) do
  local n = call('GET', P .. key)
  if n and not tonumber(n) then return 'foreign' .. pack({ P .. key, 'a text', 'a number' }) end
end
local stored = call('HGET', P .. 'meta', 'v') or '1' -- the first version did not store it
if not tonumber(stored) then return 'foreign' .. pack({ P .. 'meta', 'the version ' .. stored, 'a number' }) end
if tonumber(stored) > version then return 'newer' .. pack({ stored }) end

-- poolmismatch does so for the keys of a pool.
local function poolmismatch(name)
  local kinds = {
    p = 'hash', q = 'zset', dl = 'zset', idle = 'zset', lent = 'zset', run = 'hash', sl = 'zset', sv = 'set', la = 'set',
    st = 'hash',
    ['x:P'] = 'zset', ['x:R'] = 'zset', ['x:G'] = 'zset', ['x:S'] = 'zset', ['x:F'] = 'zset', ['x:C'] = 'zset',
  }
  for kind, want in pairs(kinds) do
    local refusal = mismatch(kind .. ':' .. name, want)
    if refusal then return refusal end
  end
end
local names = at + 9
for i = 0, tonumber(ARGV[names]) - 1 do
  local refusal = poolmismatch(ARGV[names + 1 + 12 * i])
  if refusal then return refusal end
end

call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
call('HSET', P .. 'meta', 'v', version)
local id, label = arg(), arg()
local s = { le = num(), ma = num(), st = num(), la = num(), pools = {} }
call('HSET', P .. 'meta', 'qcpu', arg(), 'qmem', arg())
local old = session(id)
if old then
  for _, name in ipairs(old.pools) do
    call('SREM', P .. 'sv:' .. name, id)
    call('SREM', P .. 'la:' .. name, id)
  end
end
for i = 1, num() do
  local spec = readspec()
  s.pools[i] = spec.name
  call('HSET', P .. 'p:' .. spec.name, 'kind', spec.kind, 'max', spec.max, 'spare', spec.spare,
    'cpu', spec.cpu, 'mem', spec.mem, 'to', spec.to, 'gr', spec.gr, 're', spec.re, 'cb', spec.cb,
    'ky', spec.ky, 'mp', spec.mp, 'de', '1')
  call('SADD', P .. 'pools', spec.name)
  call('SADD', P .. 'sv:' .. spec.name, id)
  if s.la == 1 then call('SADD', P .. 'la:' .. spec.name, id) end
end
call('HSET', P .. 'sx', id, pack({ s.le, s.ma, s.st, s.la, unpack(s.pools) }))
if label ~= '' then call('HSET', P .. 'sn', id, label) else call('HDEL', P .. 'sn', id) end
call('ZADD', P .. 'ses', NOW + s.le + s.ma, id)
hintall()
flush()
return 'OK'
