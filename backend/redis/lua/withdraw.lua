--! base fast pool task slot
-- Asks after a waiting worker or takes it back.
-- ARGV: slot, member, how: '?' only ask, '0' take back, '1' end the slot unless it is a spare
-- of a pool that a session launches
-- Answers 'gone' if it waits no more (a task may be on its way to it), 'waits', 'spare', 'back' or 'retired'.
local id, m, how = arg(), arg(), arg()
local s = slot(id)
if not s then return 'gone' end
local list = P .. 'idle:' .. s.p
if not call('ZSCORE', list, m) then
  list = P .. 'lent:' .. s.p
  if not call('ZSCORE', list, m) then return 'gone' end
end
if how == '?' then return 'waits' end
if how == '1' and call('ZCARD', list) <= pool(s.p).spare and call('SCARD', P .. 'la:' .. s.p) > 0 then return 'spare' end
call('ZREM', list, m)
if how == '0' then return 'back' end
freeslot(id, s)
hintfreed(s.p)
flush()
return 'retired'
