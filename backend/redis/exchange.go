package redis

import (
	"context"
	"fmt"

	"github.com/multinode/mn/backend"
)

var _ backend.Exchanger = (*store)(nil)

// Exchange implements [backend.Exchanger].
func (s *store) Exchange(ctx context.Context, end backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	pool, member := s.member(req)
	if member == "" { // not a worker that can be described beforehand
		return s.exchangeInTwo(ctx, end, req)
	}
	w, _ := s.register(req)
	replies, _, err := s.texts(ctx, scriptSettle, appendEnd([]any{flag(true), pool, member, 1}, &end))
	if err == nil && len(replies) < 2 {
		err = errForeign
	}
	if err != nil {
		s.unregister(req, nil, nil)
		return x, err
	}
	x.Settled = s.settled(&end, replies[0])
	switch replies[1] {
	case "wait":
		w.await(member)
		x.Claim = w
		return x, nil
	case "A":
		if len(replies) > 2 {
			x.Task, x.Err = readAssignment(replies[2])
		}
	case "slot":
		x.Err = backend.ErrSlotLost
	default:
		x.Err = errForeign
	}
	s.unregister(req, x.Task, x.Err)
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
func (s *store) exchangeInTwo(ctx context.Context, end backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	answers, err := s.Settle(ctx, []backend.Settlement{end})
	if err != nil {
		return x, err
	}
	x.Settled = answers[0]
	var w *waiter
	x.Task, w, x.Err = s.begin(ctx, req)
	if w != nil {
		x.Claim = w
	}
	return x, nil
}
