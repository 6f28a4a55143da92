--! base fast pool task slot session
-- Ends a session. ARGV: session
call('ZREM', P .. 'ses', '') -- a write that memory limits allow: what follows is then allowed too
endsession(arg(), 'its process left')
flush()
return 'OK'
