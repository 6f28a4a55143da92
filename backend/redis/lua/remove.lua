--! base fast pool task
-- Removes jobs, cancelling first what has not ended. ARGV: number, ids
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
for _ = 1, num() do
  local t = load(arg())
  if t and t.k == '1' then
    if t.s == 'S' or t.s == 'F' or t.s == 'C' then
      remove(t)
    else
      if not t.m then
        t.m, t.v = '1', t.v + 1
        call('HSET', tkey(t.id), 'm', '1', 'v', t.v)
        touch(t)
      end
      cancel(t)
    end
  end
end
flush()
return 'OK'
