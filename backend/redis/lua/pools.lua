--! base fast pool
-- Reads all pools. Answers for each: name, its spec's fields, its counts, when the task that is next was created,
-- how many jobs are in each status, and netstrings of the names and values of its statistics.

-- oldest is when the next task of a queue was created: the end of its fixed part, see lib/task.lua.
local function oldest(name)
  local q = call('ZRANGE', P .. 'q:' .. name, 0, 0)
  local fixed = q[1] and call('HGET', P .. 't:' .. q[1], 'D')
  return fixed and string.match(string.sub(fixed, -20), '(%d+)$') or ''
end

-- stored is how many jobs of a pool are in each status, in the order in which read.go reads them.
local function stored(name)
  local n = {}
  for i, s in ipairs({ 'P', 'R', 'G', 'S', 'F', 'C' }) do n[i] = call('ZCARD', P .. 'x:' .. s .. ':' .. name) end
  return pack(n)
end

local names = call('SMEMBERS', P .. 'pools')
table.sort(names)
local list = {}
for i, name in ipairs(names) do
  local p = pool(name)
  list[i] = {
    name, p.kind, int(p.max), int(p.spare), int(p.cpu), int(p.mem), int(p.timeout), int(p.grace), int(p.retries),
    int(p.crashes), int(p.keep), int(p.maxpending), p.declared or '', int(call('SCARD', P .. 'sv:' .. name)),
    int(call('ZCARD', P .. 'q:' .. name)), int(call('ZCARD', P .. 'dl:' .. name)), int(call('HLEN', P .. 'run:' .. name)),
    int(call('ZCOUNT', P .. 'sl:' .. name, 1, '+inf')), int(call('ZCARD', P .. 'idle:' .. name)),
    int(call('ZCARD', P .. 'sl:' .. name)), call('HGET', P .. 'p:' .. name, 'bl') or '', oldest(name),
    p.kind == '1' and stored(name) or '', pack(call('HGETALL', P .. 'st:' .. name)),
  }
end
return list
