package memory

import (
	"slices"
	"time"

	"github.com/multinode/mn/backend"
)

// task is a stored run or call. The embedded Task is what readers see, apart from
// Reason, which is worded when somebody asks.
type task struct {
	backend.Task
	pool    *pool
	session *session // who made a call and gets its result
	links   [linkKinds]links
	// reserved is the slot that was reserved when it was submitted, or "".
	reserved string

	// While it is leased:
	slot    *slot
	lease   backend.Lease
	claimOp uint64
	until   time.Time // the lease's end, unless a heartbeat comes
	killAt  time.Time // when timeout and grace are over; the zero time is never

	log     []backend.Yield // kept yields
	extra   *extra          // nil for most
	changed chan struct{}   // closed at the next change; made by whoever waits
	ended   chan struct{}   // closed at the end or at removal; likewise
}

// maxFree bounds the store's free list of calls' records.
const maxFree = 1024

// newTask returns an empty task: for a call, which comes and goes in microseconds, a
// used one.
func (s *store) newTask(k backend.Kind) *task {
	last := len(s.free) - 1
	if k != backend.Function || last < 0 {
		return new(task)
	}
	t := s.free[last]
	s.free = s.free[:last]
	return t
}

// recycle takes back a call that nothing refers to any more.
func (s *store) recycle(t *task) {
	if len(s.free) < maxFree {
		*t = task{}
		s.free = append(s.free, t)
	}
}

func (s *store) find(id string) *task {
	if t, ok := s.calls[id]; ok {
		return t
	}
	return s.job(id)
}

// job finds a job among the live ones, which are few, or the ended ones, which may be
// millions.
func (s *store) job(id string) *task {
	if t, ok := s.live[id]; ok {
		return t
	}
	return s.ended[id]
}

// touch makes a change visible to those who wait for one.
func (t *task) touch(fx *effects) {
	t.Version++
	if t.changed != nil {
		fx.closed = append(fx.closed, t.changed)
		t.changed = nil
	}
	if t.ended != nil && t.Status.Terminal() {
		fx.closed = append(fx.closed, t.ended)
		t.ended = nil
	}
}

// move applies an event of the transition table. It reports whether it applies.
func (s *store) move(t *task, e backend.Event) bool {
	next, ok := backend.Next(t.Status, e)
	if !ok {
		return false
	}
	if t.Kind == backend.Job && next != t.Status {
		s.indexed(t).remove(t.ID)
		t.Status = next
		s.indexed(t).insert(t.ID)
	}
	t.Status = next
	return true
}

// close finishes what a terminal status brings with it: locks are freed, waiters
// told, and what nobody needs any more is deleted.
func (s *store) close(t *task, fx *effects) {
	if t.Kind == backend.Function {
		delete(s.calls, t.ID)
		if t.session != nil {
			t.session.calls.remove(t)
			fx.readers = append(fx.readers, t.session.inbox)
			fx.results = append(fx.results, backend.Result{
				ID: t.ID, Status: t.Status, Data: t.Result, Failure: t.Failure, Attempt: t.Attempt,
			})
		}
		t.touch(fx)
		return
	}
	t.Ended = fx.now
	delete(s.live, t.ID)
	s.ended[t.ID] = t
	for _, key := range t.Locks {
		delete(s.holders, key)
		s.lockKeys.remove(key)
	}
	t.Locks = nil
	t.touch(fx)
	if t.Removing {
		s.delete(t, fx)
	}
}

// delete forgets an ended job.
func (s *store) delete(t *task, fx *effects) {
	s.indexed(t).remove(t.ID)
	delete(s.ended, t.ID)
	t.touch(fx)
}

// cancel applies a cancel to a live task.
func (s *store) cancel(t *task, fx *effects) {
	was := t.Status
	s.move(t, backend.EventCancel)
	switch was {
	case backend.StatusPending:
		t.pool.drop(t)
		t.NotBefore = time.Time{}
		s.close(t, fx)
	case backend.StatusRunning:
		deadline := fx.now.Add(t.pool.spec.Grace + t.slot.session.Margin)
		if t.killAt.IsZero() || deadline.Before(t.killAt) {
			t.killAt = deadline
		}
		t.touch(fx)
		if ses := t.slot.session; s.sessions[ses.ID] == ses {
			fx.cancels = append(fx.cancels, cancellation{ses.inbox, t.lease})
		}
	}
}

// lose ends the attempt of a task whose worker is gone.
func (s *store) lose(t *task, note string, fx *effects) {
	s.unlease(t)
	t.Crashes++
	f := &backend.Failure{Code: backend.CodeLost, Note: note}
	s.fail(t, f, t.pool.spec.Retryable(t.Errors, t.Crashes, true), backend.CrashDelay(t.Crashes), fx)
}

// fail ends an attempt with a failure, for ever or until the next attempt.
func (s *store) fail(t *task, f *backend.Failure, retry bool, delay time.Duration, fx *effects) {
	event := backend.EventFail
	if retry {
		event = backend.EventRetry
	}
	s.move(t, event)
	if t.Status != backend.StatusCancelled { // a cancelled run did not fail
		t.Failure = f
	}
	if t.Status.Terminal() {
		s.close(t, fx)
		return
	}
	t.remember(f, fx)
	t.touch(fx)
	s.enqueue(t, delay, fx)
}

// unlease takes a task from its worker.
func (s *store) unlease(t *task) {
	s.leased.remove(t)
	t.slot.tasks = slices.DeleteFunc(t.slot.tasks, func(x *task) bool { return x == t })
	t.pool.running--
	t.slot, t.lease = nil, backend.Lease{}
}

// cloneFailure copies a failure, because what goes in and out belongs to the callers.
func cloneFailure(f *backend.Failure) *backend.Failure {
	if f == nil {
		return nil
	}
	c := *f
	return &c
}

// snapshot is what a reader gets.
func (s *store) snapshot(t *task) *backend.Task {
	c := t.Task
	c.Locks, c.Failure = slices.Clone(t.Locks), cloneFailure(t.Failure)
	if c.Status == backend.StatusPending {
		c.Reason = backend.PendingReason(t.pool.info(), max(0, time.Until(t.NotBefore)), t.Attempt,
			!s.used.plus(t.pool.hardware).within(s.quota))
	}
	return &c
}
