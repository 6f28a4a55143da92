--! base fast pool task
-- Stores yields of a running job.
-- ARGV: id, lease, number of yields, then each: number, data
-- Answers 'OK' or 'lost'.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local t = load(arg())
local lease = arg()
if not t or t.L ~= lease or not (t.s == 'R' or t.s == 'G') then return 'lost' end
local keep = pool(t.p).keep
local newest
for _ = 1, num() do
  local n, data = num(), arg()
  if n > t.y then
    t.y, newest = n, data
    if keep > 0 then
      call('ZADD', P .. 'y:' .. t.id, n, pack({ int(n), data }))
      call('ZREMRANGEBYRANK', P .. 'y:' .. t.id, 0, -keep - 1)
    end
  end
end
if newest then
  call('HSET', tkey(t.id), 'r', newest, 'y', t.y, 'v', t.v + 1)
  touch(t)
end
flush()
return 'OK'
