package apptest

import (
	"context"

	"github.com/multinode/mn/backend"
)

// linked is a namespace at the far end of a line. It does not embed the store, so that
// a method which is added to the contract cannot go past the line unnoticed.
type linked struct {
	store backend.Store
	link  *link
}

var _ backend.Store = (*linked)(nil)

// Join implements [backend.Store].
func (s *linked) Join(ctx context.Context, j backend.Session, inbox backend.Inbox) error {
	s.link.set(func() { s.link.inbox = inbox })
	return tell(ctx, s.link, func(ctx context.Context) error {
		return s.store.Join(ctx, j, &heard{inbox, s.link})
	})
}

// Leave implements [backend.Store].
func (s *linked) Leave(ctx context.Context, session string) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Leave(ctx, session) })
}

// Submit implements [backend.Client].
func (s *linked) Submit(ctx context.Context, session string, tasks []backend.Submission) ([]backend.Submitted, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.Submitted, error) {
		return s.store.Submit(ctx, session, tasks)
	})
}

// Cancel implements [backend.Client].
func (s *linked) Cancel(ctx context.Context, ids []string) ([]error, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]error, error) { return s.store.Cancel(ctx, ids) })
}

// Remove implements [backend.Client].
func (s *linked) Remove(ctx context.Context, ids []string) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Remove(ctx, ids) })
}

// Get implements [backend.Client].
func (s *linked) Get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]*backend.Task, error) { return s.store.Get(ctx, ids) })
}

// Await implements [backend.Client].
func (s *linked) Await(ctx context.Context, id string, until backend.Until) (*backend.Task, error) {
	return over(ctx, s.link, func(ctx context.Context) (*backend.Task, error) {
		return s.store.Await(ctx, id, until)
	})
}

// Yields implements [backend.Client].
func (s *linked) Yields(ctx context.Context, id string, after uint64, limit int) ([]backend.Yield, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.Yield, error) {
		return s.store.Yields(ctx, id, after, limit)
	})
}

// List implements [backend.Client].
func (s *linked) List(ctx context.Context, req backend.ListRequest) ([]*backend.Task, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]*backend.Task, error) { return s.store.List(ctx, req) })
}

// ListIDs implements [backend.Client].
func (s *linked) ListIDs(ctx context.Context, req backend.ListRequest) ([]string, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]string, error) { return s.store.ListIDs(ctx, req) })
}

// Locks implements [backend.Client].
func (s *linked) Locks(ctx context.Context, after string, limit int) ([]backend.LockInfo, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.LockInfo, error) {
		return s.store.Locks(ctx, after, limit)
	})
}

// Pools implements [backend.Client].
func (s *linked) Pools(ctx context.Context) ([]backend.PoolInfo, error) {
	return over(ctx, s.link, s.store.Pools)
}

// Workers implements [backend.Client].
func (s *linked) Workers(ctx context.Context, pool string, offset, limit int) ([]backend.WorkerInfo, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.WorkerInfo, error) {
		return s.store.Workers(ctx, pool, offset, limit)
	})
}

// Journal implements [backend.Client].
func (s *linked) Journal(ctx context.Context, req backend.JournalRequest) ([]backend.Entry, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.Entry, error) { return s.store.Journal(ctx, req) })
}

// Attempts implements [backend.Client].
func (s *linked) Attempts(ctx context.Context, id string) ([]backend.PastAttempt, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.PastAttempt, error) { return s.store.Attempts(ctx, id) })
}

// Claim implements [backend.Worker].
func (s *linked) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	return over(ctx, s.link, func(ctx context.Context) ([]backend.Assignment, error) { return s.store.Claim(ctx, req) })
}

// Heartbeat implements [backend.Worker].
func (s *linked) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	if s.link.isStopped() {
		states := make([]backend.LeaseState, len(leases))
		for i := range states {
			states[i] = backend.LeaseHeld
		}
		return states, nil
	}
	return over(ctx, s.link, func(ctx context.Context) ([]backend.LeaseState, error) {
		return s.store.Heartbeat(ctx, session, leases)
	})
}

// Yield implements [backend.Worker].
func (s *linked) Yield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Yield(ctx, l, yields) })
}

// Lock implements [backend.Worker].
func (s *linked) Lock(ctx context.Context, l backend.Lease, keys []string) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Lock(ctx, l, keys) })
}

// Settle implements [backend.Worker].
func (s *linked) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	answers, err := over(ctx, s.link, func(ctx context.Context) ([]backend.Settled, error) {
		return s.store.Settle(ctx, ends)
	})
	if err == nil {
		s.link.settles.Add(1)
	}
	return answers, err
}

// Append implements [backend.Worker].
func (s *linked) Append(ctx context.Context, additions []backend.Addition) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Append(ctx, additions) })
}

// Report implements [backend.Worker].
func (s *linked) Report(ctx context.Context, stats []backend.PoolStats) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Report(ctx, stats) })
}

// Reserve implements [backend.Scaler].
func (s *linked) Reserve(ctx context.Context, session string, pools []string, limit int) ([]backend.Slot, error) {
	slots, err := over(ctx, s.link, func(ctx context.Context) ([]backend.Slot, error) {
		return s.store.Reserve(ctx, session, pools, limit)
	})
	if err == nil {
		s.link.reserves.Add(1)
	}
	return slots, err
}

// Exit implements [backend.Scaler].
func (s *linked) Exit(ctx context.Context, exits []backend.SlotExit) error {
	return tell(ctx, s.link, func(ctx context.Context) error { return s.store.Exit(ctx, exits) })
}

// Sweep implements [backend.Scaler].
func (s *linked) Sweep(ctx context.Context, limit int) (int, error) {
	return over(ctx, s.link, func(ctx context.Context) (int, error) { return s.store.Sweep(ctx, limit) })
}
