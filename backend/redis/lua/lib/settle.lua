-- The warm path of settle.lua: calls that succeeded, whose worker goes on.
call('ZREM', P .. 'lease', '') -- a write that memory limits allow: what follows is then allowed too
local name, next_, most
if arg() == '1' then name, next_, most = arg(), arg(), num() end
local n, replies = num(), {}

-- warm ends one call; false if it is not as usual.
local function warm()
  local id, lease = ARGV[at + 1], ARGV[at + 2]
  if ARGV[at + 3] ~= '1' or ARGV[at + 5] ~= '0' or ARGV[at + 11] ~= '0' then return false end
  local r = call('HMGET', P .. 't:' .. id, 'L', 's', 'k', 'p', 'o', 'v', 'a', 'W', 'Z')
  if r[1] ~= lease or r[2] ~= 'R' or r[3] ~= '2' or not r[5] or r[8] or r[9] then return false end
  call('ZREM', P .. 'lease', id)
  call('HDEL', P .. 'run:' .. r[4], id)
  call('HSET', P .. 't:' .. id, 's', 'S', 'v', r[6] + 1, 'r', ARGV[at + 4], 'Z', 'S' .. lease)
  call('PEXPIRE', P .. 't:' .. id, ACKED)
  tell(r[5], { 'R', id, 'S', ARGV[at + 4], r[7], '', '', '' }, 8)
  at = at + 11
  return true
end

while #replies < n and warm() do replies[#replies + 1] = 'S' end
if #replies == n then
  if not name then
    flush()
    return replies
  end
  -- The worker waits again if nothing is queued; what is goes to it below.
  local quota = call('HMGET', P .. 'meta', 'qcpu', 'qmem')
  if (quota[1] or '0') == '0' and (quota[2] or '0') == '0' and call('ZCARD', P .. 'q:' .. name) == 0 then
    call('ZADD', P .. 'idle:' .. name, NOW, next_)
    replies[n + 1] = 'wait'
    flush()
    return replies
  end
end
