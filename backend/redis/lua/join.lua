--! base fast pool task slot
-- Joins a session, or replaces what it said before.
-- ARGV: session, lease ms, margin ms, starting ms, launches 0/1, quota mCPU, quota bytes,
--       number of pools, then each pool's spec: name, kind, max, spare, mCPU, bytes,
--       timeout ms, grace ms, retries, crash budget, kept yields, max pending
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local id = arg()
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
call('ZADD', P .. 'ses', NOW + s.le + s.ma, id)
hintall()
flush()
return 'OK'
