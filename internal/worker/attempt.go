package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

// Attempt is one execution of a task under one lease.
type Attempt struct {
	*backend.Assignment
	worker *worker
	offer  *offer // by which it was taken on, or nil
	ctx    attemptContext
	begun  time.Time    // zero before
	took   atomic.Int64 // how long its handler, in ns, if that was measured

	batched bool // it was claimed with others

	// Noted is for the process's owner, who guards it: it has noted the attempt's end.
	Noted bool

	mu      sync.Mutex
	waiting bool        // not begun
	cause   error       // why it is to stop; nil while it may go on
	fault   error       // what made it fail whatever the handler returns
	over    bool        // its handler returned, or it was abandoned
	grace   *time.Timer // abandons it
	cleanup context.Context
	release context.CancelCauseFunc // ends cleanup
	yields  *yields                 // of a job
	lending atomic.Pointer[lending] // nil while the handler has not waited for calls
	seen    atomic.Pointer[observation]
}

// observation is what Observe was given.
type observation struct {
	ctx  context.Context
	left func(cause error)
}

func (w *worker) newAttempt(as *backend.Assignment) *Attempt {
	a := new(Attempt)
	w.initAttempt(a, as)
	return a
}

func (w *worker) initAttempt(a *Attempt, as *backend.Assignment) {
	a.Assignment, a.worker = as, w
	if as.Kind == backend.Job {
		a.yields = &yields{number: as.Yields}
	}
	a.ctx.a = a
}

// endWait is the end of an attempt's wait for its turn. It reports whether it was told to
// stop meanwhile, or killed.
func (a *Attempt) endWait() (told bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = false
	return a.cause != nil || a.over
}

// isWaiting reports whether the attempt has not begun.
func (a *Attempt) isWaiting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

// Context is the handler's context. It ends when the attempt is to stop, and when
// the handler has returned.
func (a *Attempt) Context() context.Context {
	if seen := a.seen.Load(); seen != nil {
		return seen.ctx
	}
	return &a.ctx
}

// Observe is for who calls the handler: it makes ctx, which must be made from Context, the
// handler's context, and left be called if the attempt ends although its handler has not
// returned, with the cause.
func (a *Attempt) Observe(ctx context.Context, left func(cause error)) {
	a.seen.Store(&observation{ctx, left})
	if a.isOver() { // it was killed just before
		a.leave()
	}
}

// leave tells that the attempt has ended without its handler.
func (a *Attempt) leave() {
	if seen := a.seen.Load(); seen != nil {
		seen.left(context.Cause(&a.ctx))
	}
}

// Cause is why the attempt was told to stop; nil if it was not.
func (a *Attempt) Cause() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// Begun is when the handler's turn came.
func (a *Attempt) Begun() time.Time { return a.begun }

// Gave reports whether ctx is the very one that Context returned, and none made from it.
func (a *Attempt) Gave(ctx context.Context) bool {
	c, ok := ctx.(*attemptContext)
	return ok && c == &a.ctx
}

// Process returns the process that executes the attempt.
func (a *Attempt) Process() *Process { return a.worker.proc }

// Cleanup returns a context with the values of the handler's that lives on while
// the attempt is being stopped, until its handler returns or the grace ends.
func (a *Attempt) Cleanup() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cleanup == nil {
		a.cleanup, a.release = context.WithCancelCause(context.WithoutCancel(a.Context()))
		if a.over {
			a.release(context.Canceled)
		}
	}
	return a.cleanup
}

// Fail makes the attempt fail with err, whatever its handler will return. It does
// nothing if the attempt was to stop already, for a reason that then stands.
func (a *Attempt) Fail(err error) {
	a.mu.Lock()
	if a.fault == nil && a.cause == nil {
		a.fault = err
	}
	a.mu.Unlock()
	a.stop(err)
}

// stop tells the handler to return, and abandons the attempt if it does not within
// the grace. The first cause stands, except that a lost lease outdoes all others.
func (a *Attempt) stop(cause error) {
	causes := &a.worker.proc.Causes
	a.mu.Lock()
	if a.over || (a.cause != nil && cause != causes.Lost) { //nolint:errorlint // causes are told apart by identity
		a.mu.Unlock()
		return
	}
	first := a.cause == nil
	a.cause = cause
	if first && !a.waiting { // else its turn is all that it waits for
		grace := a.worker.pool.Spec.Grace
		if cause == causes.Draining { //nolint:errorlint // causes are told apart by identity
			grace = min(grace, a.worker.proc.DrainGrace)
		}
		a.grace = time.AfterFunc(grace, a.abandon)
	}
	a.mu.Unlock()
	a.ctx.end(cause)
}

// end closes the attempt to everything that comes later, and returns why it was to
// stop. It reports false if that had been done before. told is the cause of the
// context's end, if that has none yet.
func (a *Attempt) end(told error) (cause error, ok bool) { //nolint:revive // the error is a value here, not a failure
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return nil, false
	}
	a.over = true
	cause = a.cause
	if a.fault != nil {
		cause = nil
	}
	if a.grace != nil {
		a.grace.Stop()
	}
	release := a.release
	a.mu.Unlock()
	a.ctx.end(told)
	if release != nil {
		release(context.Canceled)
	}
	if l := a.lending.Load(); l != nil {
		l.stop()
	}
	return cause, true
}

// kill abandons the attempt without a word to anybody but its handler.
func (a *Attempt) kill() {
	// Its end comes before its handler can hear of it, and settle.
	if _, ok := a.end(a.worker.proc.Causes.Lost); ok {
		a.leave()
		a.worker.unregister(a)
	}
}
