--! base
-- Reads entries of a job's stream, see append.lua. ARGV: id, stream, after, the newest so many or 0 for all, limit
-- Answers the number of the first entry, and the entries; or false.
local id, stream, after, last, limit = arg(), arg(), num(), num(), num()
if call('HGET', P .. 't:' .. id, 'k') ~= '1' then return false end
local list = P .. 'j' .. stream .. ':' .. id
local newest = tonumber(call('HGET', P .. 'j:' .. id, 'n' .. stream) or 0)
local oldest = newest - call('LLEN', list) + 1
local from = math.max(oldest, after + 1)
if last > 0 then from = math.max(from, newest - last + 1) end
if from > newest then return { '0', {} } end
return { int(from), call('LRANGE', list, from - oldest, math.min(from + limit - 1, newest) - oldest) }
