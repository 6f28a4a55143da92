--! base
-- Reads kept yields. ARGV: id, after, limit. Answers netstrings of number and data each, or false.
local id, after, limit = arg(), arg(), arg()
if call('HGET', P .. 't:' .. id, 'k') ~= '1' then return false end
return call('ZRANGEBYSCORE', P .. 'y:' .. id, '(' .. after, '+inf', 'LIMIT', 0, limit)
