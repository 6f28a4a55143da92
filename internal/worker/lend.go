package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

// lendAfter is how long a function's handler waits for a call before its worker
// offers itself for nested tasks: long enough that calls which are answered at
// once cost nothing, short enough not to be felt where a pool is full of waiters.
const lendAfter = 5 * time.Millisecond

// lending is the state of a handler that waits for calls. While it waits its worker
// executes nested tasks of its pool, so that handlers which wait for each other's
// pools, or for their own, cannot block each other for ever.
type lending struct {
	mu      sync.Mutex
	waits   int
	timer   *time.Timer
	offer   *offer         // under way
	taken   sync.WaitGroup // offers that are at work
	stopped bool
}

// BeginWait says that the handler is about to wait for a call; own, that the call
// goes to the handler's own pool. Each BeginWait is followed by one EndWait.
func (a *Attempt) BeginWait(own bool) {
	if a.Kind != backend.Function {
		return
	}
	l := a.lending.Load()
	if l == nil {
		a.lending.CompareAndSwap(nil, new(lending))
		l = a.lending.Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits++
	if l.waits > 1 || l.stopped || l.offer != nil {
		return
	}
	if own {
		go a.lend() // it may be that no other worker can execute the call
		return
	}
	l.timer = time.AfterFunc(lendAfter, a.lend)
}

// EndWait says that the wait is over.
func (a *Attempt) EndWait() {
	if a.Kind != backend.Function {
		return
	}
	l := a.lending.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waits--; l.waits == 0 {
		l.halt()
	}
}

// halt withdraws the offer; what has been taken on goes on.
func (l *lending) halt() {
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.offer != nil {
		l.offer.cancel()
	}
}

func (l *lending) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.halt()
}

// offer is one goroutine that executes nested tasks while a handler waits.
type offer struct {
	a      *Attempt // whose handler waits
	cancel context.CancelFunc
	ended  atomic.Bool
}

// lend executes nested tasks while the handler waits. It runs on a goroutine of its own.
func (a *Attempt) lend() {
	l, w := a.lending.Load(), a.worker
	l.mu.Lock()
	if l.waits == 0 || l.stopped || l.offer != nil {
		l.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &offer{a: a, cancel: cancel}
	l.offer = o
	w.lent.Add(1)
	l.taken.Add(1)
	l.mu.Unlock()
	lost := false // the slot is, and with it the reason to go on
	defer func() { o.end(lost) }()
	for ctx.Err() == nil {
		as, err := w.claim(ctx, backend.ClaimRequest{
			Slot: w.slot.ID, Session: w.proc.Session.ID, Op: w.nextOp(), Nested: true,
		})
		if err != nil {
			lost = ctx.Err() == nil
			return
		}
		nested := w.newAttempt(&as[0])
		nested.offer = o
		w.execute(nested)
	}
}

// end ends the offer; only the first one counts. Another one takes its place if the
// handler still waits: a new wait began while this offer was being withdrawn, or a
// nested handler keeps its goroutine for good, or has ended it with Goexit.
func (o *offer) end(lost bool) {
	if !o.ended.CompareAndSwap(false, true) {
		return
	}
	o.cancel()
	l := o.a.lending.Load()
	l.mu.Lock()
	l.offer = nil
	again := l.waits > 0 && !l.stopped && !lost
	l.mu.Unlock()
	if again {
		go o.a.lend()
	}
	l.taken.Done()
	o.a.worker.lent.Done()
}
