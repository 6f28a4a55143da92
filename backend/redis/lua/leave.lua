--! base fast pool task slot session
-- Ends a session. ARGV: session, it has never made calls 0/1, it has no slots 0/1
call('ZREM', P .. 'ses', '') -- a write that memory limits allow: what follows is then allowed too
local id = arg()
local callless, slotless = arg() == '1', arg() == '1'
endsession(id, 'its process left', callless, slotless)
flush()
return 'OK'
