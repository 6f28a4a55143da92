--! base
-- Reads the attempts of a job after which it was tried again. ARGV: id
-- Answers netstrings of number, slot, started, ended, failure code, detail and note each, or false.
local id = arg()
if call('HGET', P .. 't:' .. id, 'k') ~= '1' then return false end
return call('LRANGE', P .. 'at:' .. id, 0, -1)
