package worker

import (
	"context"
	"errors"

	"github.com/multinode/mn/backend"
)

// conclude writes the end of an attempt whose handler is done. It reports whether
// the worker may go on.
func (w *worker) conclude(a *Attempt, result []byte, err error, leave bool) bool {
	cause, ok := a.end(context.Canceled)
	if !ok {
		return false // abandoned before: the end is written and the slot gone
	}
	w.settle(a, a.settlement(cause, result, err), leave)
	return !w.killed.Load()
}

// settlement decides what an attempt's end is. What the handler returned counts
// only if it had not been told to stop.
func (a *Attempt) settlement(cause error, result []byte, err error) backend.Settlement {
	s := backend.Settlement{Lease: a.Lease, Yields: a.yields.unwritten()}
	causes := &a.worker.proc.Causes
	switch { //nolint:staticcheck // QF1002: causes are told apart by identity, which a tagged switch hides
	case cause == nil:
		a.judge(&s, result, err)
	case cause == causes.Lost: //nolint:errorlint // see above
		return backend.Settlement{} // somebody else decides
	case cause == causes.Timeout: //nolint:errorlint // see above
		s.Outcome, s.Permanent = backend.Failed, true
		s.Failure, _ = a.worker.proc.Describe(a, cause)
	default: // cancelled or draining; the task's status tells which
		s.Outcome = backend.Released
	}
	return s
}

// judge decides by what the handler returned.
func (a *Attempt) judge(s *backend.Settlement, result []byte, err error) {
	if a.fault != nil {
		err = a.fault
	}
	if err == nil {
		s.Outcome, s.Result = backend.Succeeded, result
		return
	}
	s.Outcome = backend.Failed
	s.Failure, s.Permanent = a.worker.proc.Describe(a, err)
	if !s.Permanent {
		s.RetryIn = a.worker.pool.RetryDelay(a.Attempt)
	}
}

// settle sends the settlement until it is answered or the lease must be over, unless it can
// wait for others of its batch.
func (w *worker) settle(a *Attempt, s backend.Settlement, leave bool) {
	if s.Outcome == 0 {
		w.unregister(a)
		if leave {
			w.proc.exit(w.slot, "its lease was lost")
		}
		return
	}
	s.Leave = leave
	if a.Kind == backend.Job { // who follows the log to the job's end misses nothing
		w.proc.journal.flush(context.Background())
	}
	switch {
	case a.batched:
		if attempts, ends := w.batch.add(w, a, &s); ends != nil {
			w.send(a, attempts, ends)
			clear(ends)
			w.batch.spare = ends[:0]
		}
	case a.offer == nil:
		w.attempt[0], w.ends[0] = a, s
		w.send(a, w.attempt[:], w.ends[:])
	default:
		w.send(a, []*Attempt{a}, []backend.Settlement{s})
	}
}

// send settles attempts, the last of which is a, and claims the next tasks where it can.
func (w *worker) send(a *Attempt, attempts []*Attempt, ends []backend.Settlement) {
	if w.silent.Load() {
		return
	}
	answers, done, err := w.exchange(a, ends)
	if !done {
		answers, err = w.proc.Store.Settle(context.Background(), ends)
	}
	w.settled(attempts, ends, answers, err)
}

// settled ends settlements that were answered, or failed: then they are repeated.
func (w *worker) settled(attempts []*Attempt, ends []backend.Settlement, answers []backend.Settled, err error) {
	if err != nil {
		answers, err = w.settleAgain(ends, err)
	}
	w.ended(attempts, ends)
	for i, a := range attempts {
		failed := err
		if failed == nil {
			failed = answers[i].Err
		}
		if failed == nil {
			continue
		}
		w.proc.Logger.Warn("mn: the end of an attempt was not stored", "pool", a.Pool, "id", a.Lease.Task, "error", failed)
		if ends[i].Leave {
			w.proc.exit(w.slot, "its lease was lost")
		}
	}
}

// settleAgain repeats a failed exchange while the lease may still be alive: the
// attempt stays registered, so heartbeats keep it once the backend answers again.
func (w *worker) settleAgain(ends []backend.Settlement, err error) ([]backend.Settled, error) {
	ctx, cancel := context.WithTimeout(w.proc.settling, 4*w.proc.Session.Lease)
	defer cancel()
	for try := 0; ; try++ {
		w.proc.Logger.Warn("mn: settle failed, will repeat", "id", ends[0].Lease.Task, "error", err)
		if !pause(ctx, try) {
			return nil, err
		}
		var answers []backend.Settled
		if answers, err = w.proc.Store.Settle(ctx, ends); err == nil {
			return answers, nil
		}
	}
}

var errAbandoned = errors.New("the handler did not return after its attempt failed")

// abandon ends an attempt whose handler did not return within the grace. It runs
// on the grace's timer.
func (a *Attempt) abandon() {
	w, p := a.worker, a.worker.proc
	cause, ok := a.end(context.Canceled)
	if !ok {
		return
	}
	p.Logger.Error("mn: handler did not return within its grace; its attempt is ended and its goroutine left running",
		"pool", a.Pool, "id", a.Lease.Task, "cause", cause, "stack", a.stack())
	a.leave()
	if a.offer == nil {
		w.kill() // its goroutine is not coming back, so nothing may be claimed for it
		w.dissolve()
	}
	job := w.pool.Spec.Kind == backend.Job
	if done := w.pool.Invoked; done != nil {
		done(a, errAbandoned)
	}
	w.settle(a, a.settlement(cause, nil, errAbandoned), job)
	if p.HardExit != nil {
		p.HardExit()
	}
	if a.offer != nil { // the worker is that of the handler that waits, and goes on
		a.offer.end(false)
		return
	}
	if !job {
		w.lent.Wait()
		w.waitSettled()
		p.exit(w.slot, "its handler did not return within the grace")
	}
	p.leave(w)
}

// Lock takes locks for the running task, all or none.
func (a *Attempt) Lock(ctx context.Context, keys []string) error {
	return a.repeat(ctx, func() error { return a.worker.proc.Store.Lock(ctx, a.Lease, keys) })
}

// repeat does an exchange until it is answered, the attempt is over or ctx is done.
func (a *Attempt) repeat(ctx context.Context, exchange func() error) error {
	for try := 0; ; try++ {
		err := exchange()
		if errors.Is(err, backend.ErrLeaseLost) {
			a.stop(a.worker.proc.Causes.Lost)
		}
		if err == nil || final(err) || ctx.Err() != nil || a.isOver() || !pause(ctx, try) {
			return err
		}
	}
}

func (a *Attempt) isOver() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over
}
