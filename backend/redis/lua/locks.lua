--! base
-- Lists locks in key order. ARGV: cursor or '', limit. Answers key, holder, key, holder, …
local after, limit = arg(), num()
local keys = call('ZRANGEBYLEX', P .. 'lkx', after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
local list = {}
for _, key in ipairs(keys) do
  list[#list + 1] = key
  list[#list + 1] = call('HGET', P .. 'lk', key)
end
return list
