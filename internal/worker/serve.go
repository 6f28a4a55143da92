package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// worker executes the tasks of one slot.
type worker struct {
	proc *Process
	pool *Pool
	slot backend.Slot
	ctx  context.Context // ends when it was killed, or with the serving process
	kill context.CancelFunc
	lent sync.WaitGroup // executions on behalf of its waiting handlers

	mu sync.Mutex
	op uint64
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
		p.exit(slot, fmt.Sprintf("this app has no handler for %q", slot.Pool))
		return fmt.Errorf("no handler for %q: register the definition with a handler in mn.Config.Definitions", slot.Pool)
	}
	w := &worker{proc: p, pool: pool, slot: slot}
	w.ctx, w.kill = context.WithCancel(p.serving)
	defer w.kill()
	if !p.enter(w) {
		p.exit(slot, "its process is shutting down")
		return nil
	}
	defer p.leave(w)
	returned := false
	defer func() {
		if !returned && pool.Spec.Kind == backend.Function { // a handler called Goexit
			w.lent.Wait()
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

// serveOne claims and executes one task and reports whether the worker goes on.
func (w *worker) serveOne() bool {
	cooldown := w.pool.Cooldown
	if w.pool.Spec.Kind == backend.Job {
		cooldown = 0
	}
	as, err := w.claim(w.ctx, backend.ClaimRequest{
		Slot: w.slot.ID, Session: w.proc.Session.ID, Op: w.nextOp(), Cooldown: cooldown,
	})
	switch {
	case err == nil:
	case errors.Is(err, backend.ErrRetired), errors.Is(err, backend.ErrSlotLost), errors.Is(err, backend.ErrSessionLost):
		return false
	default: // draining or killed
		w.proc.exit(w.slot, "its process is shutting down")
		return false
	}
	return w.execute(as, w.pool.Spec.Kind == backend.Job)
}

// claim repeats a claim whose exchange failed, with the same Op, until ctx is done.
func (w *worker) claim(ctx context.Context, req backend.ClaimRequest) (*backend.Assignment, error) {
	for try := 0; ; try++ {
		as, err := w.proc.Store.Claim(ctx, req)
		if err == nil || ctx.Err() != nil || final(err) {
			return as, err
		}
		w.proc.Logger.Warn("mn: claim failed, will repeat", "pool", req.Slot, "error", err)
		if !pause(ctx, try) {
			return nil, ctx.Err()
		}
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), p.Session.Lease)
	defer cancel()
	if err := p.Store.Exit(ctx, []backend.SlotExit{{Slot: slot.ID, Note: note}}); err != nil {
		p.Logger.Warn("mn: worker slot not freed, a sweep will", "pool", slot.Pool, "slot", slot.ID, "error", err)
	}
}
