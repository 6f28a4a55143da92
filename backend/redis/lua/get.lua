--! base fast pool
-- Reads tasks. ARGV: ended calls too 0/1, number, ids
-- Calls that have ended count as gone: their records only wait for the result to be acknowledged.
-- Answers for each the record's fields and values as a flat list, or an empty one. One that
-- is PENDING has two more: '?' and the netstrings of what words its reason.
local replies, all = {}, arg() == '1'
for i = 1, num() do
  local id = arg()
  local r = call('HGETALL', P .. 't:' .. id)
  local f = {}
  for j = 1, #r, 2 do f[r[j]] = r[j + 1] end
  if not f.k and not all and (f.s == 'S' or f.s == 'F' or f.s == 'C') then
    r = {}
  elseif f.s == 'P' then
    local p = pool(f.p)
    local u = usage()
    r[#r + 1] = '?'
    r[#r + 1] = pack({
      p.max, p.declared, call('HGET', P .. 'p:' .. f.p, 'bl'), call('ZCARD', P .. 'sl:' .. f.p),
      call('ZCOUNT', P .. 'sl:' .. f.p, 1, '+inf'), call('SCARD', P .. 'sv:' .. f.p), p.cpu, p.mem,
      fits(u, u.cpu + p.cpu, u.mem + p.mem) and '0' or '1', f.n and math.max(0, f.n - NOW) or 0,
    }, 10)
  end
  replies[i] = r
end
return replies
