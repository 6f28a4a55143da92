--! base fast pool task
-- Keeps a session and its leases alive.
-- ARGV: session, number of leases, then each: id, lease
-- Answers a string of one letter for each lease: H held, C cancelling, L lost; or
-- {'session'}.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local id = arg()
local s = session(id)
if not s then return { 'session' } end
call('ZADD', P .. 'ses', NOW + s.le + s.ma, id)
local states = {}
for i = 1, num() do
  local task, lease = arg(), arg()
  local r = call('HMGET', tkey(task), 'L', 's', 'w', 'X')
  if r[1] ~= lease or not (r[2] == 'R' or r[2] == 'G') then
    states[i] = 'L'
  else
    states[i] = r[2] == 'G' and 'C' or 'H'
    local score, killat = NOW + s.le + s.ma, tonumber(r[3] or string.match(r[4], '^%d+|(%d+)'))
    if killat > 0 and killat < score then score = killat end
    call('ZADD', P .. 'lease', score, task)
  end
end
return table.concat(states)
