--! base fast
-- Reads one page of a pool's slots. ARGV: pool, offset, limit
-- Answers for each slot: ID, state (S starting, I idle, B busy, ? one of these two), session, its label, tasks.
local name, offset, limit = arg(), num(), num()
local page = call('ZRANGE', P .. 'sl:' .. name, offset, offset + limit - 1)
if not page[1] then return {} end

-- What the slots do is known from the pool's leased tasks. Where they are too many for one step the reader looks
-- through them, and where they are too many for that it is known from those that wait.
local TOLD, COUNTED = 1000, 20000
local running = call('HLEN', P .. 'run:' .. name)
local tasks, idle = {}, {}
if running <= TOLD then
  local run = call('HGETALL', P .. 'run:' .. name)
  for i = 2, #run, 2 do
    local l = tasks[run[i]] or {}
    l[#l + 1] = run[i - 1]
    tasks[run[i]] = l
  end
elseif running > COUNTED then
  for _, member in ipairs(call('ZREVRANGE', P .. 'idle:' .. name, 0, TOLD - 1)) do idle[worker(member).slot] = true end
end

local function state(id)
  if running > COUNTED then return idle[id] and 'I' or 'B' end
  if running > TOLD then return '?' end
  return tasks[id] and 'B' or 'I'
end

local labels, list = {}, {}
for i, text in ipairs(call('HMGET', P .. 'slots', unpack(page))) do
  local f = unpackn(text or nil) -- see slot in lib/task.lua
  if f[1] then
    local id, does, ses = page[i], 'S', f[3]
    if ses == '' then ses = f[2] else does = state(id) end
    labels[ses] = labels[ses] or call('HGET', P .. 'sn', ses) or ''
    list[#list + 1] = { id, does, ses, labels[ses], unpack(tasks[id] or {}) }
  end
end
return list
