package worker

import (
	"context"
	"sync"
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
	cancel  context.CancelFunc // of the claim under way
	stopped bool
}

// BeginWait says that the handler is about to wait for a call; own, that the call
// goes to the handler's own pool. Each BeginWait is followed by one EndWait.
func (a *Attempt) BeginWait(own bool) {
	if a.Kind != backend.Function {
		return
	}
	l := &a.lending
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits++
	if l.waits > 1 || l.stopped || l.cancel != nil {
		return
	}
	after := lendAfter
	if own {
		after = 0
	}
	l.timer = time.AfterFunc(after, a.lend)
}

// EndWait says that the wait is over.
func (a *Attempt) EndWait() {
	if a.Kind != backend.Function {
		return
	}
	l := &a.lending
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
	if l.cancel != nil {
		l.cancel()
	}
}

func (l *lending) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.halt()
}

// lend executes nested tasks while the handler waits. It runs on a timer's
// goroutine.
func (a *Attempt) lend() {
	l, w := &a.lending, a.worker
	l.mu.Lock()
	if l.waits == 0 || l.stopped || l.cancel != nil {
		l.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	w.lent.Add(1)
	l.mu.Unlock()
	defer w.lent.Done()
	defer func() {
		cancel()
		l.mu.Lock()
		l.cancel = nil
		again := l.waits > 0 && !l.stopped && ctx.Err() != nil
		l.mu.Unlock()
		if again { // a new wait began while the last offer was being withdrawn
			a.lend()
		}
	}()
	for ctx.Err() == nil {
		as, err := w.claim(ctx, backend.ClaimRequest{
			Slot: w.slot.ID, Session: w.proc.Session.ID, Op: w.nextOp(), Nested: true,
		})
		if err != nil {
			return
		}
		w.execute(as, false)
	}
}
