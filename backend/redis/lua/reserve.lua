--! base fast pool task slot
-- Reserves a slot for each worker that pools lack. ARGV: session, limit, number of pools, pools
-- Answers slot, pool, slot, pool, …; or 'session'.
local ses = arg()
local s = session(ses)
if not s then return 'session' end
local limit, list = num(), {}
for _ = 1, num() do
  local name = arg()
  if call('SISMEMBER', P .. 'la:' .. name, ses) == 1 then
    local p = pool(name)
    local n = 0
    while n < limit and #list < 2000 and canreserve(p) do
      n = n + 1
      local id = ses .. '.s' .. int(call('INCR', P .. 'ep'))
      reserve(p, ses, id, s.st)
      list[#list + 1] = id
      list[#list + 1] = name
    end
  end
end
flush()
return list
