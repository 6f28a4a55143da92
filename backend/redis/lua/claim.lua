--! base fast claimjob pool task slot claim
-- Leases tasks to a slot, or registers its worker as waiting.
-- ARGV: slot, session, op, wait 0/1, nested 0/1, again 0/1, how many at most, how many handed over together
-- Answers as claim in lib/claim.lua, or {'session'}.
local s = slot(id)
if not s then return { 'slot' } end
if not s.ses then
  if call('HEXISTS', P .. 'sx', ses) == 0 then return { 'session' } end
  s.ses = ses
  putslot(id, s)
  call('ZADD', P .. 'sl:' .. s.p, 0, id)
  call('HDEL', P .. 'p:' .. s.p, 'bl')
end
if s.ses ~= ses then return { 'slot' } end
if again or s.op == op then -- the same claim sent again, or a hand-over may have got lost on its way
  local got, run = { 'A' }, call('HGETALL', P .. 'run:' .. s.p)
  for i = 1, #run, 2 do
    if run[i + 1] == id and string.match(call('HGET', tkey(run[i]), 'X') or '', '^%d+') == op then
      local t = full(load(run[i]))
      got[#got + 1] = assignment(t, t.L)
    end
  end
  if got[2] then return got end
  -- It may wait already, under settings that its process or another one has stored since.
  for _, m in ipairs(call('ZRANGE', P .. 'idle:' .. s.p, 0, -1)) do
    local w = worker(m)
    if w.slot == id and w.op == op then call('ZREM', P .. 'idle:' .. s.p, m) end
  end
end
reply = claim(ses, id, op, wait, nested, s.p, most, bundle)
if reply[1] == 'A' then
  s.op = op
  putslot(id, s)
elseif reply[1] == 'retired' then
  endslot(id, s, 'its worker retired')
end
flush()
return reply
