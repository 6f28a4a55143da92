package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/multinode/mn/backend"
)

var _ backend.Exchanger = (*store)(nil)

// Exchange implements [backend.Exchanger].
func (s *store) Exchange(ctx context.Context, end backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	pool, member := s.member(req)
	if member == "" { // not a worker that can be described beforehand
		answers, err := s.Settle(ctx, []backend.Settlement{end})
		if err != nil {
			return x, err
		}
		return backend.Exchanged{Settled: answers[0], Claim: laterClaim{s, req}}, nil
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
		s.mu.Lock()
		w.member, w.looked = member, time.Now()
		s.mu.Unlock()
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
	if ses == nil || sl == nil || sl.pool == "" || req.Nested || req.Cooldown == 0 {
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

// laterClaim is a claim that is sent when it is waited for.
type laterClaim struct {
	s   *store
	req backend.ClaimRequest
}

// Wait implements [backend.Claiming].
func (l laterClaim) Wait(ctx context.Context) (*backend.Assignment, error) {
	return l.s.Claim(ctx, l.req)
}
