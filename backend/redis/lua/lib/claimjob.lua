-- The warm path of claim.lua: the first claim of a job's worker, which finds its job.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local id, ses, op, wait, nested, again = arg(), arg(), arg(), arg() == '1', arg() == '1', arg() == '1'
local most, bundle = num(), arg()

-- warm leases the job; nil if it is not as usual.
local function warm()
  local f = unpackn(call('HGET', P .. 'slots', id) or nil) -- see slot in task.lua
  local text = call('HGET', P .. 'sx', ses)
  if again or nested or not text or f[3] ~= '' then return nil end
  local name = f[1]
  local p = call('HMGET', P .. 'p:' .. name, 'kind', 'to', 'gr')
  if p[1] ~= '1' then return nil end
  local q = call('ZPOPMIN', P .. 'q:' .. name)
  if not q[1] then return nil end
  local key = P .. 't:' .. q[1]
  local r = call('HMGET', key, 'k', 's', 'v', 'a', 'r', 'y', 'D', 'W')
  if r[1] ~= '1' or r[2] ~= 'P' then
    call('ZADD', P .. 'q:' .. name, q[2], q[1])
    return nil
  end
  local session, timeout = unpackn(text), tonumber(p[2])
  local w = { op = op, slot = id, lease = tonumber(session[1]), margin = session[2], kill = 0 }
  if timeout > 0 then w.kill = timeout + p[3] + session[2] end
  local term, lost = terms(w)
  local lease, attempt = leasetext(call('INCR', P .. 'ep'), id), (r[4] or 0) + 1
  call('HSET', P .. 'slots', id, pack({ name, f[2], ses, f[4], f[5], op }))
  call('ZADD', P .. 'sl:' .. name, '0', id)
  call('HDEL', P .. 'p:' .. name, 'bl')
  call('HSET', key, 's', 'R', 'v', r[3] + 1, 'L', lease, 'X', term, 'a', attempt)
  call('ZADD', P .. 'lease', lost, q[1])
  call('HSET', P .. 'run:' .. name, q[1], id)
  call('ZREM', P .. 'x:P:' .. name, q[1])
  call('ZADD', P .. 'x:R:' .. name, '0', q[1])
  if r[8] then
    for _, instance in ipairs(unpackn(r[8])) do tell(instance, { 'W', q[1] }) end
    call('HDEL', key, 'W')
  end
  return { 'A', pack({ q[1] }) .. r[7] .. pack({ lease, attempt, r[5], r[6] }, 4) }
end

local reply = warm()
if reply then
  flush()
  return reply
end
