-- What every script begins with.
-- KEYS[1]  the namespace's key prefix, "mn:{namespace}:". All other keys are made from
--          it and lie in its slot, so naming one is enough for a cluster to route by.
-- ARGV[1]  a random number of at most 14 digits, with which all nonces of this step begin.
local P = KEYS[1]
local call = redis.call
local T = call('TIME')
local NOW = T[1] * 1000 + math.floor(T[2] / 1000)
-- The same as text: a number is written anew, at some cost, for each command that gets it.
local NOWS = string.format('%.0f', NOW)
local at = 1

-- arg takes the next argument, num the next as a number.
local function arg() at = at + 1 return ARGV[at] end
local function num() at = at + 1 return tonumber(ARGV[at]) end

-- int writes a number without an exponent, whatever its size.
local function int(n) return string.format('%.0f', n) end

-- pack writes a list as netstrings: length, colon, bytes. Payloads pass unchanged.
local function pack(list, n)
  local out = {}
  for i = 1, n or #list do
    local s = list[i]
    if not s then s = '' elseif type(s) == 'number' then s = int(s) end
    out[i] = #s .. ':' .. s
  end
  return table.concat(out)
end

-- unpackn is pack's opposite.
local function unpackn(s)
  local list, n, i = {}, 0, 1
  while s and i <= #s do
    local colon = string.find(s, ':', i, true)
    local len = tonumber(string.sub(s, i, colon - 1))
    n = n + 1
    list[n] = string.sub(s, colon + 1, colon + len)
    i = colon + len + 1
  end
  return list
end

-- say collects texts for sessions; flush sends each session one message with all of its own.
local out = {}
local function say(session, text)
  local l = out[session]
  if l then l[#l + 1] = text else out[session] = { text } end
end
local function tell(session, list, n) say(session, pack(list, n)) end
local function flush()
  for session, l in pairs(out) do call('PUBLISH', P .. 's:' .. session, table.concat(l)) end
end

-- nonce makes the next nonce of the script: its random number with another ending.
local nonces = 9999
local function nonce() nonces = nonces + 1 return ARGV[1] .. nonces end
