--! base fast pool task slot
-- Ends slots whose worker is gone. ARGV: number, then each: slot, note, refused 0/1
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
for _ = 1, num() do
  local id, note, refused = arg(), arg(), arg() == '1'
  local s = slot(id)
  if s then
    if refused then call('HSET', P .. 'p:' .. s.p, 'bl', note) end
    endslot(id, s, note)
  end
end
flush()
return 'OK'
