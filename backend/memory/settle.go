package memory

import (
	"context"

	"github.com/multinode/mn/backend"
)

// recentEnds remembers the last settlements, so that one repeated because its
// reply was lost gets the same answer although the task is gone or leased anew.
type recentEnds struct {
	ends [256]struct {
		lease  backend.Lease
		status backend.Status
	}
	next int
}

func (r *recentEnds) add(l backend.Lease, st backend.Status) {
	r.ends[r.next].lease, r.ends[r.next].status = l, st
	r.next = (r.next + 1) % len(r.ends)
}

func (r *recentEnds) find(l backend.Lease) (backend.Status, bool) {
	for i := range r.ends {
		if r.ends[i].lease == l && l.Epoch > 0 {
			return r.ends[i].status, true
		}
	}
	return "", false
}

// Settle implements [backend.Worker].
func (s *store) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answers := make([]backend.Settled, len(ends))
	fx := begin()
	s.mu.Lock()
	for i := range ends {
		answers[i] = s.settle(s.held(ends[i].Lease), &ends[i], fx)
	}
	s.mu.Unlock()
	fx.carryOut()
	return answers, nil
}

// exchange is what an exchange of one attempt for one task allocates.
type exchange struct {
	settled [1]backend.Settled
	tasks   [1]backend.Assignment
}

// Exchange implements [backend.Exchanger].
func (s *store) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (x backend.Exchanged, err error) {
	if err := ctx.Err(); err != nil {
		return x, err
	}
	fx, room := begin(), new(exchange)
	x.Settled = room.settled[:]
	if len(ends) > 1 {
		x.Settled = make([]backend.Settled, len(ends))
	}
	x.Settled = x.Settled[:len(ends)]
	var sl *slot
	s.mu.Lock()
	for i := range ends {
		t := s.held(ends[i].Lease)
		if sl == nil && t != nil && !ends[i].Leave && ends[i].Lease.Slot == req.Slot && t.slot.session.ID == req.Session {
			sl = t.slot // no need to look it up again
		}
		x.Settled[i] = s.settle(t, &ends[i], fx)
		if ends[i].Leave {
			sl = nil
		}
	}
	var w *waiter
	if sl != nil {
		x.Tasks, w, x.Err = s.claimFor(sl, &req, room.tasks[:], fx)
	} else {
		x.Tasks, w, x.Err = s.claim(&req, room.tasks[:], fx)
	}
	s.mu.Unlock()
	fx.carryOut()
	if w != nil {
		x.Claim = w
	}
	return x, nil
}

// settle ends an attempt of the task that its lease holds, nil if it holds none.
func (s *store) settle(t *task, e *backend.Settlement, fx *effects) backend.Settled {
	if t == nil {
		if st, ok := s.recent.find(e.Lease); ok {
			return backend.Settled{Status: st}
		}
		return backend.Settled{Err: backend.ErrLeaseLost}
	}
	sl := t.slot
	s.storeYields(t, e.Yields)
	s.unlease(t)
	s.conclude(t, e, fx)
	status := t.Status
	s.recent.add(e.Lease, status)
	if t.Kind == backend.Function && status.Terminal() {
		s.recycle(t)
	}
	if e.Leave {
		s.endSlot(sl, "its worker left", fx)
	}
	return backend.Settled{Status: status}
}

// conclude moves an unleased task by its attempt's outcome.
func (s *store) conclude(t *task, e *backend.Settlement, fx *effects) {
	switch e.Outcome {
	case backend.Succeeded:
		s.move(t, backend.EventSucceed)
		if t.Kind == backend.Function && t.Status == backend.StatusSucceeded {
			t.Result = e.Result
		}
		t.Failure = nil
		s.close(t, fx)
	case backend.Failed:
		t.Errors++
		retry := !e.Permanent && t.pool.spec.Retryable(t.Errors, t.Crashes, false)
		s.fail(t, cloneFailure(e.Failure), retry, e.RetryIn, fx)
	case backend.Released:
		s.move(t, backend.EventRelease)
		if t.Status.Terminal() {
			s.close(t, fx)
			return
		}
		t.Attempt--
		t.touch(fx)
		s.enqueue(t, 0, fx)
	}
}

// held returns the task if the lease is the one in force.
func (s *store) held(l backend.Lease) *task {
	if t := s.find(l.Task); t != nil && t.slot != nil && t.lease == l {
		return t
	}
	return nil
}

// Heartbeat implements [backend.Worker].
func (s *store) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessions[session]
	if ses == nil {
		return nil, backend.ErrSessionLost
	}
	ses.extend()
	states := make([]backend.LeaseState, len(leases))
	for i, l := range leases {
		t := s.held(l)
		switch {
		case t == nil:
			states[i] = backend.LeaseLost
			continue
		case t.Status == backend.StatusCancelling:
			states[i] = backend.LeaseCancelling
		default:
			states[i] = backend.LeaseHeld
		}
		t.until = ses.until
	}
	return states, nil
}

// Yield implements [backend.Worker].
func (s *store) Yield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fx := begin()
	s.mu.Lock()
	t := s.held(l)
	if t != nil && s.storeYields(t, yields) {
		t.touch(fx)
	}
	s.mu.Unlock()
	fx.carryOut()
	if t == nil {
		return backend.ErrLeaseLost
	}
	return nil
}

// storeYields reports whether any was new.
func (s *store) storeYields(t *task, yields []backend.Yield) bool {
	was := t.Yields
	keep := t.pool.spec.KeepYields
	for _, y := range yields {
		if y.Number <= t.Yields {
			continue
		}
		t.Yields, t.Result = y.Number, y.Data
		if keep > 0 {
			if len(t.log) >= keep {
				t.log = append(t.log[:0], t.log[len(t.log)-keep+1:]...)
			}
			t.log = append(t.log, y)
		}
	}
	return t.Yields > was
}

// Lock implements [backend.Worker].
func (s *store) Lock(ctx context.Context, l backend.Lease, keys []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.held(l)
	if t == nil {
		return backend.ErrLeaseLost
	}
	if err := s.lockable(keys, t); err != nil {
		return err
	}
	s.hold(t, keys)
	t.Version++
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
	return nil
}
