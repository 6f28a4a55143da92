--! base fast pool task
-- Stores yields of a running job.
-- ARGV: id, lease, number of yields, then each: number, data
-- Answers 'OK' or 'lost'.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local t = load(arg())
local lease = arg()
if not t or t.L ~= lease or not (t.s == 'R' or t.s == 'G') then return 'lost' end
local list = {}
for i = 1, num() do list[i] = { num(), arg() } end
if storeyields(t, list) then
  call('HSET', tkey(t.id), 'v', t.v + 1)
  touch(t)
end
flush()
return 'OK'
