--! base fast pool task
-- Reads a task if it is as awaited, else registers the asker to be told of its next change.
-- ARGV: id, instance, version seen, ended only 0/1
-- Answers the record's fields and values, with what a reason needs if it is PENDING; '' if it was registered;
-- false if there is no such task.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local id, instance, after, ended = arg(), arg(), num(), arg() == '1'
local list = ended and 'E' or 'W'
local r = call('HMGET', tkey(id), 's', 'v', list, 'k')
if not r[1] then return false end
local terminal = r[1] == 'S' or r[1] == 'F' or r[1] == 'C'
if terminal and not r[4] then return false end
if ended and terminal or not ended and tonumber(r[2]) > after then return 'R' end
for _, known in ipairs(unpackn(r[3])) do
  if known == instance then return '' end
end
call('HSET', tkey(id), list, (r[3] or '') .. pack({ instance }))
return ''
