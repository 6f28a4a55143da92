--! base fast
-- Reads one page of a pool's slots. ARGV: pool, offset, limit
-- Answers for each slot: ID, state (S starting, I idle, B busy), session, its label, tasks.
local name, offset, limit = arg(), num(), num()
local page = call('ZRANGE', P .. 'sl:' .. name, offset, offset + limit - 1)
if not page[1] then return {} end

-- What the slots do is known from the pool's leased tasks, as long as these are not too many for one step.
local TOLD, COUNTED, LOOKED = 1000, 20000, 1000
local running = call('HLEN', P .. 'run:' .. name)
local tasks, idle = {}, {}
if running <= TOLD then
  local run = call('HGETALL', P .. 'run:' .. name)
  for i = 2, #run, 2 do
    local l = tasks[run[i]] or {}
    l[#l + 1] = run[i - 1]
    tasks[run[i]] = l
  end
elseif running <= COUNTED then
  for _, id in ipairs(call('HVALS', P .. 'run:' .. name)) do tasks[id] = tasks[id] or {} end
else -- nearly all are busy, so those that wait are looked for
  for _, member in ipairs(call('ZREVRANGE', P .. 'idle:' .. name, 0, LOOKED - 1)) do idle[worker(member).slot] = true end
end

local function busy(id)
  if running <= COUNTED then return tasks[id] end
  return not idle[id]
end

local labels, list = {}, {}
for i, text in ipairs(call('HMGET', P .. 'slots', unpack(page))) do
  local f = unpackn(text or nil) -- see slot in lib/task.lua
  if f[1] then
    local id, state, ses = page[i], 'I', f[3]
    if ses == '' then state, ses = 'S', f[2] elseif busy(id) then state = 'B' end
    labels[ses] = labels[ses] or call('HGET', P .. 'sn', ses) or ''
    list[#list + 1] = { id, state, ses, labels[ses], unpack(tasks[id] or {}) }
  end
end
return list
