package pictures

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
)

// tap is a backend that tells of the exchanges with it, and can be cut off.
type tap struct {
	backend.Backend
	down      func() bool             // the network is away; nil: never
	heartbeat func(arrived bool)      // nil: nobody listens
	swept     func(repaired int)      // likewise
	exchanged func(from, what string) // somebody sends something
}

var errCutOff = errors.New("no route to host")

func (b *tap) Namespace(name string) backend.Store {
	return &tapStore{Store: b.Backend.Namespace(name), tap: b}
}

type tapStore struct {
	backend.Store
	tap *tap
}

func (s *tapStore) cut() bool { return s.tap.down != nil && s.tap.down() }

func (s *tapStore) tell(from, what string) {
	if s.tap.exchanged != nil {
		s.tap.exchanged(from, what)
	}
}

func (s *tapStore) Join(ctx context.Context, j backend.Session, inbox backend.Inbox) error {
	return s.Store.Join(ctx, j, tapInbox{inbox, s.tap})
}

func (s *tapStore) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	cut := s.cut()
	if s.tap.heartbeat != nil {
		s.tap.heartbeat(!cut)
	}
	if cut {
		return nil, errCutOff
	}
	return s.Store.Heartbeat(ctx, session, leases)
}

func (s *tapStore) Sweep(ctx context.Context, limit int) (int, error) {
	if s.cut() {
		return 0, errCutOff
	}
	n, err := s.Store.Sweep(ctx, limit)
	if s.tap.swept != nil {
		s.tap.swept(n)
	}
	return n, err
}

func (s *tapStore) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	if s.cut() {
		return nil, errCutOff
	}
	return s.Store.Settle(ctx, ends)
}

func (s *tapStore) Reserve(ctx context.Context, session string, pools []string, limit int) ([]backend.Slot, error) {
	if s.cut() {
		return nil, errCutOff
	}
	return s.Store.Reserve(ctx, session, pools, limit)
}

func (s *tapStore) Exit(ctx context.Context, exits []backend.SlotExit) error {
	if s.cut() {
		return errCutOff
	}
	return s.Store.Exit(ctx, exits)
}

func (s *tapStore) Submit(ctx context.Context, session string, subs []backend.Submission) ([]backend.Submitted, error) {
	s.tell("caller", "Submit")
	answers, err := s.Store.Submit(ctx, session, subs)
	if err == nil && answers[0].Slot.ID != "" {
		s.tell("backend", "a slot")
	}
	return answers, err
}

func (s *tapStore) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	if s.cut() {
		return nil, errCutOff
	}
	s.tell("worker", "Claim")
	tasks, err := s.Store.Claim(ctx, req)
	if err == nil {
		s.tell("backend", "the task")
	}
	return tasks, err
}

// Exchange is what a worker of a store that can do so ends a task and claims the next with.
func (s *tapStore) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (backend.Exchanged, error) {
	s.tell("worker", "Exchange")
	e, err := s.Store.(backend.Exchanger).Exchange(ctx, ends, req)
	if err == nil && e.Claim != nil {
		e.Claim = tapClaiming{e.Claim, s}
	}
	return e, err
}

type tapClaiming struct {
	backend.Claiming
	store *tapStore
}

func (c tapClaiming) Wait(ctx context.Context) ([]backend.Assignment, error) {
	tasks, err := c.Claiming.Wait(ctx)
	if err == nil {
		c.store.tell("backend", "the task")
	}
	return tasks, err
}

type tapInbox struct {
	backend.Inbox
	tap *tap
}

func (i tapInbox) Demand(pool string) {
	if i.tap.down == nil || !i.tap.down() {
		i.Inbox.Demand(pool)
	}
}

func (i tapInbox) Results(rs []backend.Result) {
	if i.tap.exchanged != nil {
		i.tap.exchanged("backend", "Results")
	}
	i.Inbox.Results(rs)
}

// clock tells the time since a run began.
type clock time.Time

func (c clock) now() time.Duration { return time.Since(time.Time(c)) }

// spend is the work of a handler that heeds its context: false if it is to stop.
func spend(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// change is a job's status from a moment on.
type change struct {
	at     time.Duration
	status mn.Status
}

// follow watches a job to its end and returns the changes of its status.
func follow[In, Out any](t *testing.T, c clock, j *mn.Job[In, Out], id mn.JobID) (changes []change) {
	for info, err := range j.Watch(bounded(t), id) {
		if err != nil {
			t.Error(err)
			return changes
		}
		if n := len(changes); n == 0 || changes[n-1].status != info.Status {
			changes = append(changes, change{c.now(), info.Status})
		}
	}
	return changes
}

// bounded is a context for a run, which lasts two hours of the bubble's clock at the most: what
// does not end fails.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	t.Cleanup(cancel)
	return ctx
}
