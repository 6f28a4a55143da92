-- The commonest settlement: one call that succeeded, and a claim by its worker that finds
-- nothing to do. See lib/submitone.lua for why it stands apart, and lib/settle.lua for what is
-- done.
do
  local A, P, call = ARGV, KEYS[1], redis.call
  if A[2] == '1' and A[6] == '1' and A[9] == 'S' then
    local name, id, result = A[3], A[7], A[10]
    local key = P .. 't:' .. id
    local r = call('HMGET', key, 'L', 's', 'k', 'p', 'o', 'v', 'a', 'W', 'Z', 'E')
    if r[1] == A[8] and r[2] == 'R' and not r[3] and r[4] == name and r[5] and not (r[8] or r[9] or r[10])
      and call('ZCARD', P .. 'q:' .. name) == 0 then
      local quota = call('HMGET', P .. 'meta', 'qcpu', 'qmem')
      if (quota[1] or '0') == '0' and (quota[2] or '0') == '0' then
        local t = call('TIME')
        call('ZREM', P .. 'lease', id) -- a write that memory limits allow: what follows is then allowed too
        call('HDEL', P .. 'run:' .. name, id)
        call('HSET', key, 's', 'S', 'v', r[6] + 1, 'r', result)
        call('PEXPIRE', key, '300000') -- ACKED of lib/fast.lua
        call('ZADD', P .. 'idle:' .. name, t[1] .. string.sub('00000' .. t[2], -6, -4), A[4])
        call('PUBLISH', P .. 's:' .. r[5], '1:R' .. #id .. ':' .. id .. '1:S' .. #result .. ':' .. result ..
          #r[7] .. ':' .. r[7] .. '0:0:0:')
        return { 'S', 'wait' }
      end
    end
  end
end
