--! base fast pool
-- Reads all pools. Answers for each: name, its spec's fields, and its counts.
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
    int(call('ZCARD', P .. 'sl:' .. name)), call('HGET', P .. 'p:' .. name, 'bl') or '',
  }
end
return list
