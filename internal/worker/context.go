package worker

import (
	"context"
	"sync"
	"time"
)

// attemptContext is a handler's context. It carries the attempt to the code that the
// handler calls. The cancellable context behind it is made when somebody asks for it:
// most handlers of quick functions never do, and a call is then some allocations
// cheaper. Contexts derived from it find that one, so they cost no goroutine.
type attemptContext struct {
	a *Attempt

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelCauseFunc
	cause  error // it has ended
}

type attemptKey struct{}

// FromContext returns the attempt whose handler was given ctx or one made from it.
func FromContext(ctx context.Context) *Attempt {
	a, _ := ctx.Value(attemptKey{}).(*Attempt)
	return a
}

// context returns the cancellable context.
func (c *attemptContext) context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithCancelCause(context.Background())
		if c.cause != nil {
			c.cancel(c.cause)
		}
	}
	return c.inner
}

// end ends the context; the first cause stands.
func (c *attemptContext) end(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel(cause) // not under the mutex: it runs what others have hung on it
	}
}

// Value implements [context.Context].
func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return c.a
	}
	return c.context().Value(key)
}

// Deadline implements [context.Context]. The context ends then with Causes.Timeout
// as its cause.
func (c *attemptContext) Deadline() (time.Time, bool) {
	timeout := c.a.worker.pool.Spec.Timeout
	if timeout <= 0 {
		return time.Time{}, false
	}
	return c.a.begun.Add(timeout), true
}

// Done implements [context.Context].
func (c *attemptContext) Done() <-chan struct{} { return c.context().Done() }

// Err implements [context.Context].
func (c *attemptContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner.Err()
	}
	if c.cause != nil {
		return context.Canceled
	}
	return nil
}
