package worker

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/multinode/mn/backend"
)

// PanicError is a panic in a handler or in a codec.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// ErrGoexit is the end of a handler that called [runtime.Goexit].
var ErrGoexit = errors.New("the handler ended its goroutine with runtime.Goexit (or a test's FailNow) instead of returning")

// execute runs one task to its end, for a job with the slot's end. It reports whether
// the worker may go on.
func (w *worker) execute(a *Attempt) bool {
	w.register(a)
	return w.run(a)
}

// run is execute for an attempt that is registered.
func (w *worker) run(a *Attempt) bool {
	leave := a.Kind == backend.Job
	returned := false
	defer func() {
		if !returned { // Goexit is ending this goroutine
			if a.offer == nil {
				w.kill()
				w.dissolve()
			}
			w.conclude(a, nil, ErrGoexit, leave)
		}
	}()
	result, err := a.invoke()
	returned = true
	if a.offer == nil && !leave {
		w.measure(a)
	}
	goesOn := w.conclude(a, result, err, leave) && !leave
	// What others took on while this handler waited ends before its place is given on,
	// so that a worker's handlers at work do not pile up.
	if l := a.lending.Load(); l != nil {
		l.taken.Wait()
	}
	return goesOn
}

// measure notes how long an attempt took.
func (w *worker) measure(a *Attempt) {
	now := time.Now()
	took := now.Sub(a.begun)
	a.took.Store(int64(took))
	w.pace.add(took)
	if a.batched {
		w.clock = now // when the next one begins
	}
}

// invoke calls the handler and turns a panic into an error.
func (a *Attempt) invoke() (result []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	result, err = a.worker.pool.Invoke(a)
	runtime.KeepAlive(a) // in the frame, where Attempt.stack looks for it
	return result, err
}
