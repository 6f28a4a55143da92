--! base fast pool task
-- Cancels tasks. ARGV: number, ids. Answers a string of one letter for each: K or N (no such task).
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local replies = {}
for i = 1, num() do
  local t = load(arg())
  local gone = not t or t.k == '2' and (t.s == 'S' or t.s == 'F' or t.s == 'C')
  replies[i] = gone and 'N' or 'K'
  if not gone then cancel(t) end
end
flush()
return table.concat(replies)
