--! base
-- Adds to pools' statistics. ARGV: number of pools, then each: name, number of counts, counts (name, number)
for _ = 1, num() do
  local name, n = arg(), num()
  local known = call('EXISTS', P .. 'p:' .. name) == 1
  for _ = 1, n do
    local field, count = arg(), arg()
    if known then call('HINCRBY', P .. 'st:' .. name, field, count) end
  end
end
return 'OK'
