package worker

import (
	"context"
	"errors"
	"sync"

	"github.com/multinode/mn/backend"
)

// yields hands a job's yielded values over to the backend: one write is under way
// at a time, and while it is a newer value takes the place of a waiting one (or
// joins it, where the backend keeps yields). A tight loop of yields thus costs the
// handler an encoding each, and readers still see the newest.
type yields struct {
	mu      sync.Mutex
	number  uint64          // of the newest
	waiting []backend.Yield // not yet under way
	flying  []backend.Yield // under way
	writing bool
	turn    sync.Mutex // one synchronous write at a time
}

// Yield stores an encoded value as the job's newest result. It returns false once
// the attempt is to stop; the value is stored even so, while the lease lasts and
// the handler has not returned.
func (a *Attempt) Yield(data []byte) bool {
	if a.isOver() {
		return false
	}
	keep := a.worker.pool.Spec.KeepYields
	y := a.yields
	y.mu.Lock()
	y.number++
	v := backend.Yield{Number: y.number, Data: data}
	if keep == 0 {
		y.waiting = append(y.waiting[:0], v)
	} else {
		if len(y.waiting) >= keep {
			y.waiting = append(y.waiting[:0], y.waiting[1:]...)
		}
		y.waiting = append(y.waiting, v)
	}
	start := !y.writing && !a.worker.pool.SyncYields
	y.writing = y.writing || start
	y.mu.Unlock()
	if start {
		go a.writeYields()
	}
	if a.worker.pool.SyncYields {
		a.writeNow()
	}
	return a.goesOn()
}

// goesOn reports whether the handler may go on.
func (a *Attempt) goesOn() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause == nil && !a.over
}

// take adds the waiting values to those under way, of which there are some only where a
// write failed; false if there are none.
func (y *yields) take(keep int) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.flying, y.waiting = append(y.flying, y.waiting...), nil
	if excess := len(y.flying) - max(1, keep); excess > 0 {
		y.flying = y.flying[excess:]
	}
	if len(y.flying) == 0 {
		y.writing = false
		return false
	}
	return true
}

// written forgets the values under way.
func (y *yields) written() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.flying = nil
}

// writeYields writes until nothing is waiting or the attempt is over, whose end
// then carries the rest.
func (a *Attempt) writeYields() {
	for a.yields.take(a.worker.pool.Spec.KeepYields) {
		if err := a.write(a.Cleanup()); err != nil {
			return
		}
	}
}

// writeNow is the write of a SyncYields definition: on the handler's goroutine. It waits
// no longer than the handler may go on; what is not written then goes with the end.
func (a *Attempt) writeNow() {
	a.yields.turn.Lock()
	defer a.yields.turn.Unlock()
	if a.goesOn() && a.yields.take(a.worker.pool.Spec.KeepYields) {
		_ = a.write(a.Context()) // a failed write shows in goesOn, or in the attempt's end
	}
}

func (a *Attempt) write(ctx context.Context) error {
	err := a.repeat(ctx, func() error {
		return a.worker.proc.Store.Yield(ctx, a.Lease, a.yields.flying)
	})
	switch {
	case err == nil:
		a.yields.written()
	case !errors.Is(err, backend.ErrLeaseLost) && a.goesOn():
		a.Fail(err)
	}
	return err
}

// unwritten returns what the backend may not have yet, for the settlement to carry.
// What is written twice is known by its number.
func (y *yields) unwritten() []backend.Yield {
	if y == nil {
		return nil
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.flying)+len(y.waiting) == 0 {
		return nil
	}
	return append(append([]backend.Yield(nil), y.flying...), y.waiting...)
}
