package mn

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// calls are this process's unfinished calls: where each result goes.
type calls struct {
	last atomic.Uint64 // number of the newest
	// used holds records of calls for reuse. It is the app's own, because their
	// channels must not get from one synctest bubble into another.
	used       sync.Pool
	deliveries sync.Pool

	mu      sync.Mutex
	waiting map[string]receiver
}

// receiver takes the result of the call that was given index.
type receiver struct {
	to    taker
	index int
}

// taker is what waits for results.
type taker interface {
	// receive takes results of the calls with these indexes. The slices are not kept.
	receive(indexes []int, rs []backend.Result)
	// submitting reports whether the call is on its way to the backend.
	submitting(index int) bool
}

func (c *calls) add(id string, to taker, index int) {
	c.mu.Lock()
	c.waiting[id] = receiver{to, index}
	c.mu.Unlock()
}

// addAll adds calls that the same taker waits for.
func (c *calls) addAll(subs []backend.Submission, to taker, indexes []int) {
	c.mu.Lock()
	for i := range subs {
		c.waiting[subs[i].ID] = receiver{to, indexes[i]}
	}
	c.mu.Unlock()
}

// take removes a call and returns its receiver; false if it is not there (any more).
func (c *calls) take(id string) (receiver, bool) {
	c.mu.Lock()
	r, ok := c.waiting[id]
	delete(c.waiting, id)
	c.mu.Unlock()
	return r, ok
}

// deliver gives results to those who wait for them: a taker gets those that follow each
// other together.
func (c *calls) deliver(rs []backend.Result) {
	if len(rs) == 1 { // as most are
		r, ok := c.take(rs[0].ID)
		if to, single := r.to.(*call); single {
			to.ch <- rs[0]
		} else if ok {
			r.to.receive([]int{r.index}, rs)
		}
		return
	}
	room, _ := c.deliveries.Get().(*delivery)
	if room == nil {
		room = new(delivery)
	}
	c.mu.Lock()
	for i := range rs {
		r := c.waiting[rs[i].ID] // nobody waits for one that was delivered before
		delete(c.waiting, rs[i].ID)
		room.takers = append(room.takers, r.to)
		room.indexes = append(room.indexes, r.index)
	}
	c.mu.Unlock()
	for from := 0; from < len(rs); {
		to := from + 1
		for to < len(rs) && room.takers[to] == room.takers[from] {
			to++
		}
		if taker := room.takers[from]; taker != nil {
			taker.receive(room.indexes[from:to], rs[from:to])
		}
		from = to
	}
	clear(room.takers)
	room.takers, room.indexes = room.takers[:0], room.indexes[:0]
	c.deliveries.Put(room)
}

// delivery is room for those to whom results go.
type delivery struct {
	takers  []taker
	indexes []int
}

// codeClosed is the failure of a call that the app's end has cut short.
const codeClosed = "app closed"

// failAll ends all calls that the backend had, because their results will never come.
func (c *calls) failAll(code, note string) {
	lost := make(map[string]receiver)
	c.mu.Lock()
	for id, r := range c.waiting {
		if !r.to.submitting(r.index) { // else it will come to the new session
			lost[id] = r
			delete(c.waiting, id)
		}
	}
	c.mu.Unlock()
	for id, r := range lost {
		r.to.receive([]int{r.index}, []backend.Result{{
			ID: id, Status: backend.StatusFailed, Failure: &backend.Failure{Code: code, Note: note},
		}})
	}
}

func (a *App) newCallID() string {
	buf := make([]byte, 0, 64) // on the stack
	buf = append(append(buf, a.session.ID...), '.')
	return string(strconv.AppendUint(buf, a.calls.last.Add(1), 36))
}

// call is one unfinished Call or Go.
type call struct {
	app       *App
	attempt   *worker.Attempt // in whose handler it was made, or nil
	id        string
	ch        chan backend.Result // room for one
	waitApart bool                // the handler itself does not wait: its worker is not lent
	begun     atomic.Bool         // the backend has it
	end       func(error)         // tells the telemetry of the end, or nil
	sub       [1]backend.Submission
}

func newCall(app *App, a *worker.Attempt) *call {
	c, _ := app.calls.used.Get().(*call)
	if c == nil {
		c = &call{ch: make(chan backend.Result, 1)}
	}
	c.app, c.attempt, c.waitApart = app, a, false
	c.begun.Store(false)
	return c
}

// submission keeps what is submitted until the call ends.
func (c *call) submission(s backend.Submission) []backend.Submission {
	c.sub[0] = s
	return c.sub[:]
}

// free ends c. Nothing may be on its way to it.
func (c *call) free() {
	used := &c.app.calls.used
	c.app, c.attempt, c.id, c.end, c.sub[0] = nil, nil, "", nil, backend.Submission{}
	used.Put(c)
}

// tell tells the telemetry that the call has ended without being waited for.
func (c *call) tell(err error) {
	if c.end != nil {
		c.end(err)
	}
}

func (c *call) receive(_ []int, rs []backend.Result) { c.ch <- rs[0] }

func (c *call) submitting(int) bool { return !c.begun.Load() }

// wait waits for the result, or cancels the call if it is not wanted any more. It
// ends c.
func (c *call) wait(ctx context.Context, pool string) (backend.Result, error) {
	defer c.free()
	var over <-chan struct{}
	if a := c.attempt; a != nil {
		over = a.Cleanup().Done()
		if !c.waitApart {
			a.BeginWait(a.Pool == pool)
			defer a.EndWait()
		}
	}
	done := ctx.Done()
	if done == nil && over == nil {
		return <-c.ch, nil // nothing else can come, and a select costs
	}
	var err error
	select {
	case r := <-c.ch:
		return r, nil
	case <-done:
		err = ctxError(ctx)
	case <-over:
		err = errAttemptOver
	}
	if _, ok := c.app.calls.take(c.id); !ok {
		<-c.ch // the result is being delivered, too late
		return backend.Result{}, err
	}
	c.app.cancelCalls([]string{c.id})
	return backend.Result{}, err
}

var errAttemptOver = fmt.Errorf("the handler that made the call has ended: %w", context.Canceled)

// cancelBound bounds the cancelling of calls whose caller is gone. What fails is
// cancelled by the end of the session.
const cancelBound = 10 * time.Second

// cancelCalls cancels calls that nobody waits for, without blocking.
func (a *App) cancelCalls(ids []string) {
	a.errands.start(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cancelBound)
		defer cancel()
		if _, err := a.store.Cancel(ctx, ids); err != nil {
			a.cfg.Logger.Warn("mn: calls not cancelled", "calls", len(ids), "error", err)
		}
	})
}

// ctxError is why ctx is done: its error and, where that tells more, its cause.
func ctxError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || cause == err { //nolint:errorlint // the very same error
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
