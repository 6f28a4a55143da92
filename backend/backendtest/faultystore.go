package backendtest

import (
	"context"

	"github.com/multinode/mn/backend"
)

// faultyStore is one namespace of a [Faulty] backend.
type faultyStore struct {
	backend.Store
	*dice
}

// nothing is the answer of steps that only have an error.
type nothing struct{}

// tell does a step that only has an error.
func (s *faultyStore) tell(ctx context.Context, method string, step func() error) error {
	_, err := exchange(ctx, s.dice, method, func() (nothing, error) { return nothing{}, step() })
	return err
}

// Join implements [backend.Store].
func (s *faultyStore) Join(ctx context.Context, j backend.Session, inbox backend.Inbox) error {
	return s.tell(ctx, "Join", func() error { return s.Store.Join(ctx, j, &faultyInbox{inbox, s.dice}) })
}

// Leave implements [backend.Store].
func (s *faultyStore) Leave(ctx context.Context, session string) error {
	return s.tell(ctx, "Leave", func() error { return s.Store.Leave(ctx, session) })
}

// Submit implements [backend.Client].
func (s *faultyStore) Submit(ctx context.Context, session string, tasks []backend.Submission) ([]backend.Submitted, error) {
	return exchange(ctx, s.dice, "Submit", func() ([]backend.Submitted, error) { return s.Store.Submit(ctx, session, tasks) })
}

// Cancel implements [backend.Client].
func (s *faultyStore) Cancel(ctx context.Context, ids []string) ([]error, error) {
	return exchange(ctx, s.dice, "Cancel", func() ([]error, error) { return s.Store.Cancel(ctx, ids) })
}

// Remove implements [backend.Client].
func (s *faultyStore) Remove(ctx context.Context, ids []string) error {
	return s.tell(ctx, "Remove", func() error { return s.Store.Remove(ctx, ids) })
}

// Get implements [backend.Client].
func (s *faultyStore) Get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	return exchange(ctx, s.dice, "Get", func() ([]*backend.Task, error) { return s.Store.Get(ctx, ids) })
}

// Await implements [backend.Client].
func (s *faultyStore) Await(ctx context.Context, id string, until backend.Until) (*backend.Task, error) {
	return exchange(ctx, s.dice, "Await", func() (*backend.Task, error) { return s.Store.Await(ctx, id, until) })
}

// Yields implements [backend.Client].
func (s *faultyStore) Yields(ctx context.Context, id string, after uint64, limit int) ([]backend.Yield, error) {
	return exchange(ctx, s.dice, "Yields", func() ([]backend.Yield, error) { return s.Store.Yields(ctx, id, after, limit) })
}

// List implements [backend.Client].
func (s *faultyStore) List(ctx context.Context, req backend.ListRequest) ([]*backend.Task, error) {
	return exchange(ctx, s.dice, "List", func() ([]*backend.Task, error) { return s.Store.List(ctx, req) })
}

// ListIDs implements [backend.Client].
func (s *faultyStore) ListIDs(ctx context.Context, req backend.ListRequest) ([]string, error) {
	return exchange(ctx, s.dice, "ListIDs", func() ([]string, error) { return s.Store.ListIDs(ctx, req) })
}

// Locks implements [backend.Client].
func (s *faultyStore) Locks(ctx context.Context, after string, limit int) ([]backend.LockInfo, error) {
	return exchange(ctx, s.dice, "Locks", func() ([]backend.LockInfo, error) { return s.Store.Locks(ctx, after, limit) })
}

// Pools implements [backend.Client].
func (s *faultyStore) Pools(ctx context.Context) ([]backend.PoolInfo, error) {
	return exchange(ctx, s.dice, "Pools", func() ([]backend.PoolInfo, error) { return s.Store.Pools(ctx) })
}

// Workers implements [backend.Client].
func (s *faultyStore) Workers(ctx context.Context, pool string, offset, limit int) ([]backend.WorkerInfo, error) {
	return exchange(ctx, s.dice, "Workers", func() ([]backend.WorkerInfo, error) { return s.Store.Workers(ctx, pool, offset, limit) })
}

// Journal implements [backend.Client].
func (s *faultyStore) Journal(ctx context.Context, req backend.JournalRequest) ([]backend.Entry, error) {
	return exchange(ctx, s.dice, "Journal", func() ([]backend.Entry, error) { return s.Store.Journal(ctx, req) })
}

// Attempts implements [backend.Client].
func (s *faultyStore) Attempts(ctx context.Context, id string) ([]backend.PastAttempt, error) {
	return exchange(ctx, s.dice, "Attempts", func() ([]backend.PastAttempt, error) { return s.Store.Attempts(ctx, id) })
}

// Claim implements [backend.Worker].
func (s *faultyStore) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	return exchange(ctx, s.dice, "Claim", func() ([]backend.Assignment, error) { return s.Store.Claim(ctx, req) })
}

// Heartbeat implements [backend.Worker].
func (s *faultyStore) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	return exchange(ctx, s.dice, "Heartbeat", func() ([]backend.LeaseState, error) {
		if !s.chance(s.plan.DropHeartbeat) {
			return s.Store.Heartbeat(ctx, session, leases)
		}
		states := make([]backend.LeaseState, len(leases))
		for i := range states {
			states[i] = backend.LeaseHeld
		}
		return states, nil
	})
}

// Yield implements [backend.Worker].
func (s *faultyStore) Yield(ctx context.Context, lease backend.Lease, yields []backend.Yield) error {
	return s.tell(ctx, "Yield", func() error { return s.Store.Yield(ctx, lease, yields) })
}

// Lock implements [backend.Worker].
func (s *faultyStore) Lock(ctx context.Context, lease backend.Lease, keys []string) error {
	return s.tell(ctx, "Lock", func() error { return s.Store.Lock(ctx, lease, keys) })
}

// Settle implements [backend.Worker].
func (s *faultyStore) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	return exchange(ctx, s.dice, "Settle", func() ([]backend.Settled, error) { return s.Store.Settle(ctx, ends) })
}

// Append implements [backend.Worker]. It is never done twice.
func (s *faultyStore) Append(ctx context.Context, additions []backend.Addition) error {
	return once(ctx, s.dice, "Append", func() error { return s.Store.Append(ctx, additions) })
}

// Report implements [backend.Worker]. It is never done twice.
func (s *faultyStore) Report(ctx context.Context, stats []backend.PoolStats) error {
	return once(ctx, s.dice, "Report", func() error { return s.Store.Report(ctx, stats) })
}

// Reserve implements [backend.Scaler].
func (s *faultyStore) Reserve(ctx context.Context, session string, pools []string) ([]backend.Slot, error) {
	return exchange(ctx, s.dice, "Reserve", func() ([]backend.Slot, error) { return s.Store.Reserve(ctx, session, pools) })
}

// Exit implements [backend.Scaler].
func (s *faultyStore) Exit(ctx context.Context, exits []backend.SlotExit) error {
	return s.tell(ctx, "Exit", func() error { return s.Store.Exit(ctx, exits) })
}

// Sweep implements [backend.Scaler].
func (s *faultyStore) Sweep(ctx context.Context, limit int) (int, error) {
	return exchange(ctx, s.dice, "Sweep", func() (int, error) { return s.Store.Sweep(ctx, limit) })
}

// faultyExchanger is a faultyStore whose inner store has the extra ability.
type faultyExchanger struct {
	*faultyStore
	inner backend.Exchanger
}

// Exchange implements [backend.Exchanger]. It is never done twice: its callers repeat a
// Settle and a Claim instead.
func (s *faultyExchanger) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (backend.Exchanged, error) {
	fault, _ := s.draw("Exchange")
	if fault == notSent {
		return backend.Exchanged{}, ErrNotSent
	}
	x, err := s.inner.Exchange(ctx, ends, req)
	if fault != replyLost || err != nil {
		return x, err
	}
	if x.Claim != nil { // nobody waits any more; a task that comes even so is claimed again
		over, cancel := context.WithCancel(ctx)
		cancel()
		_, _ = x.Claim.Wait(over)
	}
	return backend.Exchanged{}, ErrReplyLost
}
