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
	most int                       // tasks to be handed over together
	ch   chan []backend.Assignment // one message: the task, or nil when err is set
	err  error
	next []backend.Assignment // room for what it will get, made outside the mutex
}

// Claim implements [backend.Worker].
func (s *store) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fx, room := begin(), make([]backend.Assignment, 1)
	s.mu.Lock()
	as, w, err := s.claim(&req, room, fx)
	s.mu.Unlock()
	fx.carryOut()
	if w == nil {
		return as, err
	}
	return w.Wait(ctx)
}

// Wait implements [backend.Claiming].
func (w *waiter) Wait(ctx context.Context) (as []backend.Assignment, err error) {
	if ctx.Done() == nil {
		as = <-w.ch
	} else {
		select {
		case as = <-w.ch:
		case <-ctx.Done():
			if w.slot.store.withdraw(w) {
				return nil, ctx.Err()
			}
			as = <-w.ch // it was being handed over
		}
	}
	if as == nil {
		return nil, w.err
	}
	return as, nil
}

// claim leases tasks that are there, or registers the worker as waiting. room has room for
// one.
func (s *store) claim(req *backend.ClaimRequest, room []backend.Assignment, fx *effects) ([]backend.Assignment, *waiter, error) {
	sl, err := s.enter(req)
	if err != nil {
		return nil, nil, err
	}
	return s.claimFor(sl, req, room, fx)
}

// claimFor is claim for a slot that is known to live.
func (s *store) claimFor(sl *slot, req *backend.ClaimRequest, room []backend.Assignment, fx *effects) ([]backend.Assignment, *waiter, error) {
	if as := sl.claimed(req.Op); as != nil {
		return as, nil, nil
	}
	p := sl.pool
	if as := s.popFor(sl, req, room, fx.now); as != nil {
		return as, nil, nil
	}
	w := sl.waiter
	switch {
	case req.Nested:
		w = &waiter{slot: sl, ch: make(chan []backend.Assignment, 1)}
		p.lent = append(p.lent, w)
	case req.Cooldown == 0 && len(p.idle) >= p.spec.Spare:
		s.endSlot(sl, "its worker retired", fx)
		return nil, nil, backend.ErrRetired
	default:
		if w == nil { // a job's worker never comes here
			w = &waiter{slot: sl, ch: make(chan []backend.Assignment, 1)}
			sl.waiter = w
		}
		p.idle = append(p.idle, w)
		sl.rest(s, req.Cooldown, fx.now)
		if s.quota != (hardware{}) && len(p.idle) > p.spec.Spare {
			s.hintAll(fx) // others may have its room
		}
	}
	w.op, w.next, w.most = req.Op, room, 1
	if !req.Nested && p.spec.Kind == backend.Function {
		w.most = max(1, min(req.Bundle, req.Max))
	}
	return nil, w, nil
}

// claimed returns the tasks that an earlier claim of the same Op has got.
func (sl *slot) claimed(op uint64) (as []backend.Assignment) {
	for _, t := range sl.tasks {
		if t.claimOp == op {
			as = append(as, t.assignment())
		}
	}
	return as
}

// popFor leases the next tasks of the queue to a slot: one, or its share of them if the
// request allows several.
func (s *store) popFor(sl *slot, req *backend.ClaimRequest, room []backend.Assignment, now time.Time) []backend.Assignment {
	p := sl.pool
	t := p.pop(req.Nested)
	if t == nil {
		return nil
	}
	s.lease(t, sl, req.Op, now)
	room[0] = t.assignment()
	if req.Max < 2 || req.Nested || p.spec.Kind == backend.Job || t.Crashes > 0 {
		return room
	}
	n := min(req.Max, (p.pending()+p.slots)/p.slots) // with the one popped, rounded up
	if n < 2 {
		return room
	}
	as := append(make([]backend.Assignment, 0, n), room[0])
	for len(as) < n && p.next() != nil && p.next().Crashes == 0 {
		t := p.pop(false)
		s.lease(t, sl, req.Op, now)
		as = append(as, t.assignment())
	}
	return as
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
	s.lease(t, w.slot, w.op, fx.now)
	as := w.next
	as[0] = t.assignment()
	w.next = nil
	fx.grants = append(fx.grants, grant{w, as})
}

// bundle gives a task that is in no queue to the worker to which the step handed the one
// before, if that takes more.
func (s *store) bundle(t *task, fx *effects) bool {
	last := len(fx.grants) - 1
	if last < 0 {
		return false
	}
	g := &fx.grants[last]
	if g.to.slot.pool != t.pool || len(g.as) >= g.to.most || t.Crashes > 0 || t.Depth > 0 {
		return false
	}
	s.lease(t, g.to.slot, g.to.op, fx.now)
	if len(g.as) == 1 { // most are
		g.as = append(make([]backend.Assignment, 0, g.to.most), g.as[0])
	}
	g.as = append(g.as, t.assignment())
	return true
}

// lease gives a task that is in no queue to a slot.
func (s *store) lease(t *task, sl *slot, op uint64, now time.Time) {
	s.move(t, backend.EventClaim)
	s.epoch++
	t.lease = backend.Lease{Task: t.ID, Slot: sl.id, Epoch: s.epoch, Nonce: rand.Uint64()}
	t.slot, t.claimOp = sl, op
	t.Attempt++
	t.Started, t.Slot = now, sl.id
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
}

func (t *task) assignment() backend.Assignment {
	return backend.Assignment{
		Lease: t.lease, Kind: t.Kind, Pool: t.Pool, Input: t.Input, Parent: t.Parent, Depth: t.Depth,
		Root: t.Root, Trace: t.Trace, Attempt: t.Attempt, Result: t.Result, Yields: t.Yields, Created: t.Created,
	}
}
