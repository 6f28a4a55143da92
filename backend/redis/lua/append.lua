--! base
-- Adds entries to jobs' streams. A stream is a list, and in the hash j:<id> the number of its newest entry (n1, n2)
-- and the bytes of all (b1, b2).
-- ARGV: number of additions, then each: job or '', slot, stream (1 log, 2 calls), most entries, most bytes, number of
--       entries, entries
-- The first write is one that full memory refuses, before anything is changed.
local function isjob(id) return call('HGET', P .. 't:' .. id, 'k') == '1' end

-- root is the job for which a call is made, if it exists: see D in lib/task.lua.
local function root(id)
  local f = unpackn(call('HGET', P .. 't:' .. id, 'D') or nil)
  if #f > 6 and f[6] ~= '' and isjob(f[6]) then return f[6] end
end

-- jobof is the job that a slot executes, or for which it executes a call.
local runs, jobs = {}, {}
local function jobof(id)
  if jobs[id] ~= nil then return jobs[id] end
  jobs[id] = false
  local name = unpackn(call('HGET', P .. 'slots', id) or nil)[1]
  if not name then return false end
  local run = runs[name] or call('HGETALL', P .. 'run:' .. name)
  runs[name] = run
  for i = 2, #run, 2 do
    if run[i] == id then
      local task = run[i - 1]
      jobs[id] = isjob(task) and task or root(task) or false
      if jobs[id] then break end
    end
  end
  return jobs[id]
end

-- append adds the n arguments after from.
local function append(job, stream, from, n, entries, bytes)
  local meta, list = P .. 'j:' .. job, P .. 'j' .. stream .. ':' .. job
  local m = call('HMGET', meta, 'n' .. stream, 'b' .. stream)
  local size = tonumber(m[2] or 0)
  for first = from + 1, from + n, 200 do
    local some = {}
    for i = first, math.min(first + 199, from + n) do
      some[#some + 1] = ARGV[i]
      size = size + #ARGV[i]
    end
    call('RPUSH', list, unpack(some))
  end
  local len = call('LLEN', list)
  while len > 0 and (len > entries or size > bytes) do
    size, len = size - #call('LPOP', list), len - 1
  end
  call('HSET', meta, 'n' .. stream, int((m[1] or 0) + n), 'b' .. stream, int(size))
end

for _ = 1, num() do
  local job, slot, stream, entries, bytes, n = arg(), arg(), arg(), num(), num(), num()
  local from = at
  at = at + n
  if job == '' then job = jobof(slot) elseif not isjob(job) then job = nil end
  if job then append(job, stream, from, n, entries, bytes) end
end
return 'OK'
