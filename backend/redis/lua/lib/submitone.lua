-- The commonest submit: one call without locks, for which a worker waits. It is done straight
-- on, before anything else is even defined: between calls that come one by one the server's
-- caches grow cold, and then each line that a script touches costs. What is not as usual is
-- left to the parts that follow, untouched. See lib/submit.lua for what is done, and why.
do
  local A, P, call = ARGV, KEYS[1], redis.call
  if A[3] == '1' and A[5] == '2' and A[7] == '0' and A[9] == '0' then
    local id, name = A[4], A[6]
    local key, idle = P .. 't:' .. id, P .. 'idle:' .. name
    local member = call('ZREVRANGE', idle, 0, 0)[1]
    local op, life, margin, kill, spare, kind, len, rest
    if member then
      op, life, margin, kill, spare, kind, len, rest =
        string.match(member, '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|%d+|(%d+)|(.*)$')
    end
    if kind == '2' and spare == '0' and call('HEXISTS', P .. 'sx', A[2]) == 1 and call('EXISTS', key) == 0 then
      local t = call('TIME')
      local now, nows = t[1] * 1000 + math.floor(t[2] / 1000), t[1] .. string.sub('00000' .. t[2], -6, -4)
      local lost, killat = now + life + margin, '0'
      if kill ~= '0' then
        killat = string.format('%.0f', now + kill)
        if now + kill < lost then lost = now + kill end
      end
      local slot = string.sub(rest, tonumber(len) + 1)
      local lease = string.format('%.0f:%s10000:%s', call('INCR', P .. 'ep'), A[1], slot)
      local fixed = A[8] .. #nows .. ':' .. nows
      call('HSET', key, 'p', name, 'D', fixed, 'o', A[2], 's', 'R', 'v', '2', 'L', lease,
        'X', op .. '|' .. killat .. '|' .. margin .. '|' .. nows, 'a', '1')
      call('ZADD', P .. 'lease', string.format('%.0f', lost), id)
      call('HSET', P .. 'run:' .. name, id, slot)
      call('ZREM', idle, member)
      call('PUBLISH', P .. 's:' .. string.sub(rest, 1, tonumber(len)), '1:A' .. #slot .. ':' .. slot .. #op .. ':' .. op ..
        #id .. ':' .. id .. fixed .. #lease .. ':' .. lease .. '1:10:1:0')
      return { '' }
    end
  end
end
