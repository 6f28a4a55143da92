package worker

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

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
// the worker may go on. o is the offer by which a waiting handler's worker took the
// task, or nil.
func (w *worker) execute(as *backend.Assignment, o *offer) bool {
	a := w.newAttempt(as)
	a.offer = o
	leave := as.Kind == backend.Job
	w.register(a)
	returned := false
	defer func() {
		if !returned { // Goexit is ending this goroutine
			if o == nil {
				w.kill()
			}
			w.conclude(a, nil, ErrGoexit, leave)
		}
	}()
	result, err := a.invoke()
	returned = true
	goesOn := w.conclude(a, result, err, leave) && !leave
	// What others took on while this handler waited ends before its place is given on,
	// so that a worker's handlers at work do not pile up.
	a.lending.taken.Wait()
	return goesOn
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
