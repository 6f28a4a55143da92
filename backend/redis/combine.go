package redis

import (
	"context"
	"slices"
	"sync"
)

const (
	// maxSteps is how many steps of a kind are under way at a time. With more of them each
	// carries less, and the server's time goes into scripts rather than into tasks.
	maxSteps = 1
	// maxStep bounds the weight of one: it holds up everybody else at the server, and what it
	// tells must not overfill the connections for messages, which the server then closes.
	maxStep = 64
)

// weight is how much of a step something takes: one for each task, and one more for each
// 16 KiB.
func weight(tasks, bytes int) int { return tasks + bytes>>14 }

// A combiner has what many goroutines want done at the same time done in common steps: a
// script that does much at once costs the server far less than many scripts. What comes
// alone is done at once; what comes while as many steps as allowed are under way waits and
// goes together.
type combiner[T any] struct {
	step func([]*T)
	own  func(*T) // makes it keep what belongs to the caller, who may be gone before it is done

	mu      sync.Mutex
	steps   int
	waiting []*combined[T]
}

// combined is what one goroutine wants done.
type combined[T any] struct {
	what   T
	weight int
	done   chan struct{}
}

// do has what done, and waits for that or until ctx is done: it may then be done or not.
func (c *combiner[T]) do(ctx context.Context, what *T, weight int) error {
	c.mu.Lock()
	free := c.steps < maxSteps
	if free {
		c.steps++
	}
	if free && ctx.Done() == nil { // on this goroutine, which has nothing else to wait for
		c.mu.Unlock()
		c.step([]*T{what})
		if next := c.take(); next != nil {
			go c.goOn(next)
		}
		return nil
	}
	x := &combined[T]{*what, weight, make(chan struct{})}
	if ctx.Done() != nil {
		c.own(&x.what)
	}
	c.waiting = append(c.waiting, x)
	c.mu.Unlock()
	if free {
		go c.goOn(c.take())
	}
	select {
	case <-x.done:
		*what = x.what
		return nil
	case <-ctx.Done():
		c.forget(x)
		return ctx.Err()
	}
}

// forget sees to it that what its caller has given up is not done later, after what the
// caller does about it.
func (c *combiner[T]) forget(x *combined[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(w *combined[T]) bool { return w == x })
}

// goOn does one step after another until nothing waits.
func (c *combiner[T]) goOn(xs []*combined[T]) {
	for ; xs != nil; xs = c.take() {
		whats := make([]*T, len(xs))
		for i, x := range xs {
			whats[i] = &x.what
		}
		c.step(whats)
		for _, x := range xs {
			close(x.done)
		}
	}
}

// take takes what goes into the next step. If nothing waits it ends this one and returns nil.
func (c *combiner[T]) take() []*combined[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, sum := 0, 0
	for n < len(c.waiting) && (n == 0 || sum+c.waiting[n].weight <= maxStep) {
		sum += c.waiting[n].weight
		n++
	}
	if n == 0 {
		c.steps--
		return nil
	}
	xs := append([]*combined[T](nil), c.waiting[:n]...)
	rest := copy(c.waiting, c.waiting[n:])
	clear(c.waiting[rest:])
	c.waiting = c.waiting[:rest]
	return xs
}
