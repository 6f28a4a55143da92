package redis

import (
	"context"
	"fmt"
	"slices"

	"github.com/multinode/mn/backend"
)

var _ backend.Exchanger = (*store)(nil)

// exchange is what one Exchange wants done.
type exchange struct {
	ends         []backend.Settlement
	pool, member string
	max          int
	settled      []backend.Settled
	claimed      any // the script's answer to the claim
	err          error
}

// own makes x keep its slices.
func (x *exchange) own() {
	x.ends = slices.Clone(x.ends)
	for i := range x.ends {
		x.ends[i].Yields = slices.Clone(x.ends[i].Yields)
	}
}

// Exchange implements [backend.Exchanger].
func (s *store) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	pool, member := s.member(req)
	if member == "" { // not a worker that can be described beforehand
		return s.exchangeInTwo(ctx, ends, req)
	}
	w, _ := s.register(req)
	e := exchange{ends: ends, pool: pool, member: member, max: max(1, req.Max)}
	bytes := 0
	for i := range ends {
		bytes += len(ends[i].Result)
	}
	err = s.exchanges.do(ctx, &e, weight(len(ends), bytes))
	if err == nil {
		err = e.err
	}
	if err != nil {
		s.unregister(req, nil, nil)
		return x, err
	}
	x.Settled = e.settled
	if e.claimed == "wait" {
		w.await(member)
		x.Claim = w
		return x, nil
	}
	x.Tasks, x.Err = readClaimed(e.claimed)
	s.unregister(req, x.Tasks, x.Err)
	return x, nil
}

// readClaimed reads settle.lua's answer to a claim that does not wait.
func readClaimed(reply any) ([]backend.Assignment, error) {
	list, ok := reply.([]any)
	switch {
	case reply == "slot":
		return nil, backend.ErrSlotLost
	case !ok, len(list) < 2, list[0] != "A":
		return nil, errForeign
	}
	texts := make([]string, len(list)-1)
	for i := range texts {
		if texts[i], ok = list[i+1].(string); !ok {
			return nil, errForeign
		}
	}
	return readAssignments(texts)
}

// exchangeAll runs settle.lua for several exchanges.
func (s *store) exchangeAll(xs []*exchange) {
	n := 0
	for _, x := range xs {
		n += len(x.ends)
	}
	args := append(make([]any, 0, 2+3*len(xs)+11*n), len(xs))
	for _, x := range xs {
		args = append(args, x.pool, x.member, x.max)
	}
	args = append(args, n)
	for _, x := range xs {
		for i := range x.ends {
			args = appendEnd(args, &x.ends[i])
		}
	}
	reply, err := s.eval(context.Background(), scriptSettle, args)
	list, ok := reply.([]any)
	if err == nil && (!ok || len(list) != n+len(xs)) {
		err = errForeign
	}
	for i, x := range xs {
		if x.err = err; err != nil {
			continue
		}
		x.settled, x.err = s.readSettled(x.ends, list)
		list = list[len(x.ends):]
		x.claimed = list[len(list)-len(xs)+i]
	}
}

// readSettled reads settle.lua's answers for attempts.
func (s *store) readSettled(ends []backend.Settlement, replies []any) ([]backend.Settled, error) {
	answers := make([]backend.Settled, len(ends))
	for i := range ends {
		letter, ok := replies[i].(string)
		if !ok {
			return nil, errForeign
		}
		answers[i] = s.settled(&ends[i], letter)
	}
	return answers, nil
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
		return p.Name, fmt.Sprintf("%d|%d|%d|%d|%d|%d|%d|%d|%s%s", req.Op, millis(ses.Lease), millis(ses.Margin),
			kill, p.Spare, p.Kind, bundle(req), len(req.Session), req.Session, req.Slot)
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
