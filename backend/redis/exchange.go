package redis

import (
	"context"
	"fmt"

	"github.com/multinode/mn/backend"
)

var _ backend.Exchanger = (*store)(nil)

// Exchange implements [backend.Exchanger].
func (s *store) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	pool, member := s.member(req)
	if member == "" { // not a worker that can be described beforehand
		return s.exchangeInTwo(ctx, ends, req)
	}
	w, _ := s.register(req)
	args := append(make([]any, 0, 5+11*len(ends)), flag(true), pool, member, max(1, req.Max), len(ends))
	for i := range ends {
		args = appendEnd(args, &ends[i])
	}
	replies, _, err := s.texts(ctx, scriptSettle, args)
	if err == nil && len(replies) <= len(ends) {
		err = errForeign
	}
	if err != nil {
		s.unregister(req, nil, nil)
		return x, err
	}
	x.Settled = make([]backend.Settled, len(ends))
	for i := range ends {
		x.Settled[i] = s.settled(&ends[i], replies[i])
	}
	replies = replies[len(ends):]
	switch replies[0] {
	case "wait":
		w.await(member)
		x.Claim = w
		return x, nil
	case "A":
		x.Tasks, x.Err = readAssignments(replies[1:])
	case "slot":
		x.Err = backend.ErrSlotLost
	default:
		x.Err = errForeign
	}
	s.unregister(req, x.Tasks, x.Err)
	return x, nil
}

// member describes the worker of a claim as member in lua/lib/claim.lua does, and names
// its pool; "" if this process does not know enough of it.
func (s *store) member(req backend.ClaimRequest) (pool, member string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, sl := s.sessions[req.Session], s.slots[req.Slot]
	if ses == nil || sl == nil || sl.pool == "" || req.Nested || req.Cooldown == 0 { // those claim alone
		return "", ""
	}
	for i := range ses.Pools {
		p := &ses.Pools[i]
		if p.Name != sl.pool {
			continue
		}
		kill := int64(0)
		if p.Timeout > 0 {
			kill = millis(p.Timeout) + millis(p.Grace) + millis(ses.Margin)
		}
		return p.Name, fmt.Sprintf("%d|%d|%d|%d|%d|%d|%d|%s%s", req.Op, millis(ses.Lease), millis(ses.Margin),
			kill, p.Spare, p.Kind, len(req.Session), req.Session, req.Slot)
	}
	return "", ""
}

// exchangeInTwo is Exchange as two exchanges.
func (s *store) exchangeInTwo(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	if x.Settled, err = s.Settle(ctx, ends); err != nil {
		return x, err
	}
	var w *waiter
	x.Tasks, w, x.Err = s.begin(ctx, req)
	if w != nil {
		x.Claim = w
	}
	return x, nil
}
