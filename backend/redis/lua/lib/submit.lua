-- The warm path of submit.lua: calls for which a worker waits. Those before the first task
-- that is not as usual are done here, and if that are all, so is the script.
local ses = arg()
local s = call('HGET', P .. 'sx', ses)
if not s then return 'session' end
local n, replies, spares = num(), {}, {}

-- warm hands one call over to a waiting worker; false if it is not as usual.
local function warm()
  local id, kind, name = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if kind ~= '2' or ARGV[at + 7] ~= '0' or call('EXISTS', P .. 't:' .. id) == 1 then return false end
  -- Only looked at here: the first write must be one that full memory refuses.
  local last = call('ZREVRANGE', P .. 'idle:' .. name, 0, 0)
  if not last[1] then return false end
  local w = worker(last[1])
  if w.kind ~= kind then return false end
  local input, up, depth = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  local lease = record(id, name, w, 1, 2, { 'k', kind, 'p', name, 'i', input, 'c', NOW, 'q', up, 'd', depth, 'o', ses })
  call('ZREM', P .. 'idle:' .. name, w.member)
  tell(w.session, { 'A', w.slot, w.op, id, lease, kind, name, input, up, depth, 1, '', 0, NOW }, 14)
  if w.spare > 0 then spares[name] = true end
  at = at + 7
  return true
end

while #replies < n and warm() do replies[#replies + 1] = '' end
if #replies == n and not next(spares) then
  flush()
  return replies
end
