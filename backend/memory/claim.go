package memory

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/multinode/mn/backend"
)

// waiter is a worker that waits for a task.
type waiter struct {
	slot *slot
	op   uint64
	ch   chan *backend.Assignment // one message: the task, or nil when err is set
	err  error
}

// Claim implements [backend.Worker].
func (s *store) Claim(ctx context.Context, req backend.ClaimRequest) (*backend.Assignment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, w, err := s.claim(req)
	if w == nil {
		return a, err
	}
	select {
	case a = <-w.ch:
	case <-ctx.Done():
		if s.withdraw(w) {
			return nil, ctx.Err()
		}
		a = <-w.ch // it was being handed over
	}
	if a == nil {
		return nil, w.err
	}
	return a, nil
}

// claim leases a task that is there, or registers the worker as waiting.
func (s *store) claim(req backend.ClaimRequest) (*backend.Assignment, *waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl, err := s.enter(req)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range sl.tasks {
		if t.claimOp == req.Op {
			return t.claimed, nil, nil
		}
	}
	p := sl.pool
	if t := p.pop(req.Nested); t != nil {
		return s.lease(t, sl, req.Op), nil, nil
	}
	w := sl.waiter
	switch {
	case req.Nested:
		w = &waiter{slot: sl, ch: make(chan *backend.Assignment, 1)}
		p.lent = append(p.lent, w)
	case req.Cooldown == 0:
		s.freeSlot(sl)
		return nil, nil, backend.ErrRetired
	default:
		p.idle = append(p.idle, w)
		sl.rest(s, req.Cooldown)
	}
	w.op = req.Op
	return nil, w, nil
}

// enter finds the slot of a claim and, with its first, brings it to life.
func (s *store) enter(req backend.ClaimRequest) (*slot, error) {
	sl := s.slots[req.Slot]
	if sl == nil {
		return nil, backend.ErrSlotLost
	}
	if sl.session == nil {
		ses := s.sessions[req.Session]
		if ses == nil {
			return nil, backend.ErrSessionLost
		}
		sl.session = ses
		sl.waiter = &waiter{slot: sl, ch: make(chan *backend.Assignment, 1)}
		sl.pool.starting--
		sl.pool.blocked = ""
	}
	if sl.session.ID != req.Session {
		return nil, backend.ErrSlotLost
	}
	return sl, nil
}

// withdraw takes a waiter back, unless something is on its way to it.
func (s *store) withdraw(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return w.slot.pool.forget(w)
}

// forget takes a waiter out of the pool's lists and reports whether it was in one.
func (p *pool) forget(w *waiter) bool {
	for _, l := range []*[]*waiter{&p.idle, &p.lent} {
		if i := slices.Index(*l, w); i >= 0 {
			*l = slices.Delete(*l, i, i+1)
			return true
		}
	}
	return false
}

// takeIdle takes the worker that became idle last: its caches are warm, and the
// others may cool down and leave.
func (p *pool) takeIdle() *waiter {
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	w := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return w
}

// lease gives a task that is in no queue to a slot.
func (s *store) lease(t *task, sl *slot, op uint64) *backend.Assignment {
	now := time.Now()
	s.move(t, backend.EventClaim)
	s.epoch++
	t.lease = backend.Lease{Task: t.ID, Slot: sl.id, Epoch: s.epoch, Nonce: rand.Uint64()}
	t.slot, t.claimOp = sl, op
	t.Attempt++
	t.Started = now
	t.until = now.Add(sl.session.Lease)
	t.killAt = time.Time{}
	if spec := &t.pool.spec; spec.Timeout > 0 {
		t.killAt = now.Add(spec.Timeout + spec.Grace + sl.session.Margin)
	}
	s.leased.push(t)
	sl.tasks = append(sl.tasks, t)
	t.pool.running++
	t.Version++
	if t.changed != nil { // no effects here: rare, and a closed channel wakes nobody twice
		close(t.changed)
		t.changed = nil
	}
	t.claimed = &backend.Assignment{
		Lease: t.lease, Kind: t.Kind, Pool: t.Pool, Input: t.Input, Parent: t.Parent, Depth: t.Depth,
		Attempt: t.Attempt, Result: t.Result, Yields: t.Yields, Created: t.Created,
	}
	return t.claimed
}
