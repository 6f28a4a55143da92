--! base fast pool task
-- Adds locks to a running task, all or none.
-- ARGV: id, lease, number of keys, keys
-- Answers 'OK', 'lost', or 'lock' with the netstrings of key and holder.
local t = load(arg())
local lease = arg()
if not t or t.L ~= lease or not (t.s == 'R' or t.s == 'G') then return 'lost' end
local keys, mine = {}, unpackn(t.l)
for i = 1, num() do
  keys[i] = arg()
  local holder = call('HGET', P .. 'lk', keys[i])
  if holder and holder ~= t.id then return 'lock' .. pack({ keys[i], holder }) end
  if holder then keys[i] = false end
end
for i = 1, #keys do
  if keys[i] and call('HSETNX', P .. 'lk', keys[i], t.id) == 1 then
    call('ZADD', P .. 'lkx', 0, keys[i])
    mine[#mine + 1] = keys[i]
  end
end
table.sort(mine)
call('HSET', tkey(t.id), 'l', pack(mine), 'v', t.v + 1)
touch(t)
flush()
return 'OK'
