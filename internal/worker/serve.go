package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

// worker executes the tasks of one slot.
type worker struct {
	proc *Process
	pool *Pool
	slot backend.Slot
	ctx  context.Context // of its claims; ends when it is killed, or with the serving process
	stop context.CancelFunc
	lent sync.WaitGroup // executions on behalf of its waiting handlers

	killed atomic.Bool // it claims nothing more
	silent atomic.Bool // nothing is written for it any more

	mu       sync.Mutex
	op       uint64
	attempts []*Attempt  // leased to it: one, or more while its handlers wait, or of a batch
	timer    *time.Timer // of the timeouts
	armed    bool        // timer is running
	batch    batch
	tally    *tally // nil before the first end, and for a job's

	// What follows belongs to the worker's goroutine. next is the claim that went with the
	// last settlement, if one did.
	next  nextClaim
	pace  pace      // of its tasks
	cost  pace      // of exchanges
	clock time.Time // when the last task ended
	// Room for a single end.
	attempt [1]*Attempt
	ends    [1]backend.Settlement
}

// kill makes the worker claim nothing more.
func (w *worker) kill() {
	w.killed.Store(true)
	w.stop()
}

// nextOp numbers a claim. Numbers of an earlier worker cannot come back, because
// its slot does not.
func (w *worker) nextOp() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.op++
	return w.op
}

// Serve lives the life of one slot's worker: it claims and executes tasks until
// there is nothing left to do for it, and blocks as long. A job's worker executes
// one run; a function's worker stays for its cooldown.
func (p *Process) Serve(slot backend.Slot) error {
	pool := p.Pools[slot.Pool]
	if pool == nil {
		p.refuse(slot, fmt.Sprintf("the worker's app has no handler for %q", slot.Pool))
		return fmt.Errorf("no handler for %q: register the definition with a handler in mn.Config.Definitions", slot.Pool)
	}
	w := &worker{proc: p, pool: pool, slot: slot, ctx: p.serving, stop: func() {}}
	if pool.Spec.Kind == backend.Function { // a job's worker claims once and does not wait
		w.ctx, w.stop = context.WithCancel(p.serving)
	}
	defer w.end()
	if !p.enter(w) {
		p.exit(slot, "its process is shutting down")
		return nil
	}
	defer p.leave(w)
	returned := false
	defer func() {
		// What runs on behalf of its handlers needs the slot, the heartbeats and the timer.
		w.lent.Wait()
		w.waitSettled()
		w.next.giveUp()
		if !returned && pool.Spec.Kind == backend.Function { // a handler called Goexit
			p.exit(slot, ErrGoexit.Error())
		}
	}()
	for w.serveOne() {
		// A handler may have let others use this worker while it waited; they end
		// before it takes the next task, so that it does one thing at a time.
		w.lent.Wait()
	}
	returned = true
	return nil
}

// end releases what the worker has.
func (w *worker) end() {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}

// register adds an attempt to those under way.
func (w *worker) register(a *Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, a)
	w.startClock(a, time.Now())
}

// startClock is for an attempt that begins. The caller holds mu.
func (w *worker) startClock(a *Attempt, now time.Time) {
	a.begun = now
	d := w.pool.Spec.Timeout
	if d <= 0 || w.armed {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.timeOut)
	} else {
		w.timer.Reset(d)
	}
}

func (w *worker) unregister(as ...*Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range as {
		w.drop(a)
	}
}

// ended is unregister for attempts that have been settled.
func (w *worker) ended(as []*Attempt, ends []backend.Settlement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count(as, ends)
	for _, a := range as {
		w.drop(a)
	}
}

func (w *worker) drop(a *Attempt) {
	for i, x := range w.attempts {
		if x == a {
			last := len(w.attempts) - 1
			w.attempts[i], w.attempts[last] = w.attempts[last], nil
			w.attempts = w.attempts[:last]
			return
		}
	}
}

func (w *worker) appendAttempts(to []*Attempt) []*Attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(to, w.attempts...)
}

// timeOut stops the attempts whose time is over. The timer is set for the first of a
// row of attempts and finds out when it fires what the present ones have left, so that
// an attempt costs no timer.
func (w *worker) timeOut() {
	var over []*Attempt
	var left time.Duration
	now := time.Now()
	w.mu.Lock()
	for _, a := range w.attempts {
		if a.begun.IsZero() {
			continue
		}
		if d := a.begun.Add(w.pool.Spec.Timeout).Sub(now); d <= 0 {
			over = append(over, a)
		} else if left == 0 || d < left {
			left = d
		}
	}
	w.armed = left > 0
	if w.armed {
		w.timer.Reset(left)
	}
	w.mu.Unlock()
	for _, a := range over {
		a.stop(w.proc.Causes.Timeout)
	}
}

// serveOne claims and executes one task, or several at once, and reports whether the
// worker goes on.
func (w *worker) serveOne() bool {
	as, err := w.nextTasks()
	switch {
	case err == nil:
	case errors.Is(err, backend.ErrRetired), errors.Is(err, backend.ErrSlotLost), errors.Is(err, backend.ErrSessionLost):
		return false
	default: // draining or killed
		w.proc.exit(w.slot, "its process is shutting down")
		return false
	}
	if len(as) > 1 {
		return w.executeAll(as)
	}
	return w.execute(w.newAttempt(&as[0]))
}

// claim repeats a claim whose exchange failed, with the same Op, until ctx is done.
func (w *worker) claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	for try := 0; ; try++ {
		as, err := w.proc.Store.Claim(ctx, req)
		switch {
		case err == nil, final(err):
			return as, err
		case ctx.Err() != nil && try > 0:
			return w.recall(req, err)
		case ctx.Err() != nil:
			return nil, err
		}
		w.proc.Logger.Warn("mn: claim failed, will repeat", "pool", w.slot.Pool, "slot", req.Slot, "error", err)
		if !pause(ctx, try) {
			return w.recall(req, ctx.Err())
		}
	}
}

// recallBound is how long a claim without an answer is asked after.
const recallBound = time.Second

// recall asks after a claim that got no answer before its context ended: a task may have
// been leased to it, and would be lost. err is the answer if not.
func (w *worker) recall(req backend.ClaimRequest, err error) ([]backend.Assignment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), recallBound)
	defer cancel()
	if as, _ := w.proc.Store.Claim(ctx, req); as != nil {
		return as, nil
	}
	return nil, err
}

// final reports whether err is an answer rather than a failed exchange.
func final(err error) bool {
	for _, known := range []error{
		backend.ErrRetired, backend.ErrSlotLost, backend.ErrSessionLost, backend.ErrLeaseLost, backend.ErrNotFound,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var held *backend.LockError
	return errors.As(err, &held)
}

// pause waits before the next try of a failed exchange: 50 ms doubling to 2 s, with
// half of it random so that many do not come back at the same moment.
func pause(ctx context.Context, try int) bool {
	d := min(50*time.Millisecond<<min(try, 10), 2*time.Second)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// exit gives a slot back whose worker ends without a task. Should it fail, the
// session's end or a sweep frees the slot.
func (p *Process) exit(slot backend.Slot, note string) {
	p.giveBack(slot.Pool, backend.SlotExit{Slot: slot.ID, Note: note})
}

// refuse gives a slot back that this process cannot serve; tasks that wait show the note.
func (p *Process) refuse(slot backend.Slot, note string) {
	p.giveBack(slot.Pool, backend.SlotExit{Slot: slot.ID, Note: note, Refused: true})
}

func (p *Process) giveBack(pool string, e backend.SlotExit) {
	ctx, cancel := context.WithTimeout(context.Background(), p.Session.Lease)
	defer cancel()
	if err := p.Store.Exit(ctx, []backend.SlotExit{e}); err != nil {
		p.Logger.Warn("mn: worker slot not freed, a sweep will", "pool", pool, "slot", e.Slot, "error", err)
	}
}
