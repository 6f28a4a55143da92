--! settleone base fast settle pool task slot claim
-- Ends attempts, and then claims the next tasks for workers.
-- ARGV: number of claims, then for each: pool, the waiting worker, how many at most; then
--       number of ends, then for each: id, lease, outcome (1 succeeded, 2 failed, 3 released, S succeeded
--       and nothing else to say), result, and but for S: number of yields, yields (number, data), failure code, detail, note,
--       permanent 0/1, retry in ms, leave 0/1
-- Answers a list with a status letter for each end, or 'lost'; then for each claim {'A',
-- assignments …}, 'wait', or 'slot'.
local function conclude(t, e)
  storeyields(t, e.yields)
  unlease(t)
  local slot_ = t.g
  if e.outcome == '1' then
    if t.s == 'G' then
      finish(t, 'C', {})
    elseif t.k == '2' then
      finish(t, 'S', { 'r', e.result })
    else
      call('HDEL', tkey(t.id), 'f', 'fd', 'fn')
      finish(t, 'S', {})
    end
  elseif e.outcome == '2' then
    t.e = t.e + 1
    fail(t, { 'f', e.code, 'fd', e.detail, 'fn', e.note }, e.permanent == '0' and retryable(t, false), e.retry)
  elseif t.s == 'G' then
    finish(t, 'C', {})
  else
    t.a = t.a - 1
    setindex(t, 'P')
    t.v = t.v + 1
    call('HSET', tkey(t.id), 's', 'P', 'v', t.v, 'a', t.a)
    call('HDEL', tkey(t.id), 'L', 'w')
    touch(t)
    enqueue(t, 0)
  end
  return slot_
end

local function settle()
  local e = { id = arg(), lease = arg(), outcome = arg(), result = arg(), yields = {} }
  if e.outcome == 'S' then
    e.outcome = '1'
  else
    for i = 1, num() do e.yields[i] = { num(), arg() } end
    e.code, e.detail, e.note, e.permanent, e.retry, e.leave = arg(), arg(), arg(), arg(), num(), arg()
  end
  local t = load(e.id)
  if not t or t.L ~= e.lease or not (t.s == 'R' or t.s == 'G') then
    -- The same end sent again is answered as the first time: jobs keep it, and of calls
    -- the record is there until the result is acknowledged.
    if t and t.L == e.lease then return t.s end
    local last = t and call('HGET', tkey(e.id), 'Z')
    if last and string.sub(last, 2) == e.lease then return string.sub(last, 1, 1) end
    return call('GET', P .. 'z:' .. e.lease) or 'lost'
  end
  local last = call('HGET', tkey(e.id), 'Z') -- of an earlier attempt
  if last then remember(string.sub(last, 2), string.sub(last, 1, 1)) end
  local slot_ = conclude(t, e)
  if call('EXISTS', tkey(e.id)) == 1 then
    call('HSET', tkey(e.id), 'Z', t.s .. e.lease)
  else
    remember(e.lease, t.s)
  end
  if e.leave == '1' then
    local s = slot(slot_)
    if s then endslot(slot_, s, 'its worker left') end
  end
  return t.s
end

for i = #replies + 1, n do replies[i] = settle() end
for i = warmclaims + 1, #claims do
  local c = claims[i]
  local w = worker(c.member)
  if not slot(w.slot) then
    replies[n + i] = 'slot'
  else
    local got = take(c.name, w, c.most, false)
    replies[n + i] = got or 'wait'
    if not got then rest(pool(c.name), c.member) end
  end
end
flush()
return replies
