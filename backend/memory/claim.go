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
	next *backend.Assignment // room for what it will get, made outside the mutex
}

// Claim implements [backend.Worker].
func (s *store) Claim(ctx context.Context, req backend.ClaimRequest) (*backend.Assignment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fx, room := begin(), new(backend.Assignment)
	s.mu.Lock()
	a, w, err := s.claim(&req, room, fx)
	s.mu.Unlock()
	fx.carryOut()
	if w == nil {
		return a, err
	}
	return w.Wait(ctx)
}

// Wait implements [backend.Claiming].
func (w *waiter) Wait(ctx context.Context) (a *backend.Assignment, err error) {
	if ctx.Done() == nil {
		a = <-w.ch
	} else {
		select {
		case a = <-w.ch:
		case <-ctx.Done():
			if w.slot.store.withdraw(w) {
				return nil, ctx.Err()
			}
			a = <-w.ch // it was being handed over
		}
	}
	if a == nil {
		return nil, w.err
	}
	return a, nil
}

// claim leases a task that is there, or registers the worker as waiting.
func (s *store) claim(req *backend.ClaimRequest, room *backend.Assignment, fx *effects) (*backend.Assignment, *waiter, error) {
	sl, err := s.enter(req)
	if err != nil {
		return nil, nil, err
	}
	return s.claimFor(sl, req, room, fx)
}

// claimFor is claim for a slot that is known to live.
func (s *store) claimFor(sl *slot, req *backend.ClaimRequest, room *backend.Assignment, fx *effects) (*backend.Assignment, *waiter, error) {
	for _, t := range sl.tasks {
		if t.claimOp == req.Op {
			return t.assignment(room), nil, nil
		}
	}
	p := sl.pool
	if t := p.pop(req.Nested); t != nil {
		return s.lease(t, sl, req.Op, room, fx.now), nil, nil
	}
	w := sl.waiter
	switch {
	case req.Nested:
		w = &waiter{slot: sl, ch: make(chan *backend.Assignment, 1)}
		p.lent = append(p.lent, w)
	case req.Cooldown == 0 && len(p.idle) >= p.spec.Spare:
		s.endSlot(sl, "its worker retired", fx)
		return nil, nil, backend.ErrRetired
	default:
		if w == nil { // a job's worker never comes here
			w = &waiter{slot: sl, ch: make(chan *backend.Assignment, 1)}
			sl.waiter = w
		}
		p.idle = append(p.idle, w)
		sl.rest(s, req.Cooldown, fx.now)
		if s.quota != (hardware{}) && len(p.idle) > p.spec.Spare {
			s.hintAll(fx) // others may have its room
		}
	}
	w.op, w.next = req.Op, room
	return nil, w, nil
}

// enter finds the slot of a claim and, with its first, brings it to life.
func (s *store) enter(req *backend.ClaimRequest) (*slot, error) {
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

// handOver gives a task that is in no queue to a waiting worker.
func (s *store) handOver(t *task, w *waiter, fx *effects) {
	a := s.lease(t, w.slot, w.op, w.next, fx.now)
	w.next = nil
	fx.grants = append(fx.grants, grant{w, a})
}

// lease gives a task that is in no queue to a slot, and describes it in room.
func (s *store) lease(t *task, sl *slot, op uint64, room *backend.Assignment, now time.Time) *backend.Assignment {
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
	return t.assignment(room)
}

func (t *task) assignment(room *backend.Assignment) *backend.Assignment {
	*room = backend.Assignment{
		Lease: t.lease, Kind: t.Kind, Pool: t.Pool, Input: t.Input, Parent: t.Parent, Depth: t.Depth,
		Attempt: t.Attempt, Result: t.Result, Yields: t.Yields, Created: t.Created,
	}
	return room
}
