--! base
-- Lists IDs of jobs, highest first. ARGV: pool or '', cursor or '', lowest or '', limit, number of statuses, statuses
local name, before, from, limit = arg(), arg(), arg(), num()
local high, low = before == '' and '+' or '(' .. before, from == '' and '-' or '[' .. from
local statuses = {}
for i = 1, num() do statuses[i] = arg() end
local names = { name }
if name == '' then names = call('SMEMBERS', P .. 'pools') end
local ids = {}
for _, n in ipairs(names) do
  for _, s in ipairs(statuses) do
    local page = call('ZREVRANGEBYLEX', P .. 'x:' .. s .. ':' .. n, high, low, 'LIMIT', 0, limit)
    for _, id in ipairs(page) do ids[#ids + 1] = id end
  end
end
table.sort(ids, function(a, b) return a > b end)
for i = #ids, limit + 1, -1 do ids[i] = nil end
return ids
