package mn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/multinode/mn/backend"
)

// What methods return, for [errors.Is]. Messages begin with "mn: " and name the
// thing and the remedy.
var (
	// ErrJobDoesNotExist: no job has the ID; it was never started here, was removed,
	// or the ID is malformed.
	ErrJobDoesNotExist = errors.New("job does not exist")
	// ErrLockAlreadyInUse: another job holds the lock; see [LockError].
	ErrLockAlreadyInUse = errors.New("lock already in use")
	// ErrNoApp: a definition was used outside a handler without an app.
	ErrNoApp = errors.New("no app: bind the definition first, as in def.On(app), or pass a context from app.Context")
	// ErrUnknownDefinition: the app was not given the definition in Config.Definitions.
	ErrUnknownDefinition = errors.New("the app does not have this definition: add it to mn.Config.Definitions")
	// ErrNoHandler: Local was called on a definition without a handler.
	ErrNoHandler = errors.New("the definition has no handler in this program")
	// ErrAppClosed: the app was shut down.
	ErrAppClosed = errors.New("app is shut down")
	// ErrPayloadTooLarge: an encoded value exceeds Config.PayloadLimit.
	ErrPayloadTooLarge = errors.New("payload too large")
	// ErrBackpressure: too many tasks wait, by [MaxPending] or because the backend is
	// full. Nothing was stored; try again later.
	ErrBackpressure = errors.New("too many tasks are waiting, try again later")
	// ErrTooDeep: calls are nested more than 1000 deep, which is most likely an
	// endless recursion.
	ErrTooDeep = errors.New("calls are nested too deep")
	// ErrWorkerLost: the worker vanished: crashed, was killed or cut off. Found in a
	// [RunError].
	ErrWorkerLost = errors.New("worker lost")
)

// What ends a handler's context, found by [context.Cause]. ErrJobCancelled is also
// what [Job.Wait] returns for a job that ended CANCELLED, and ErrTimeout is found in
// the [RunError] of one that timed out.
var (
	ErrJobCancelled = errors.New("job cancelled")
	ErrTimeout      = errors.New("timed out")
	// ErrLeaseLost: this process was silent for so long that the task may have been
	// given to another. Nothing the handler still does is stored.
	ErrLeaseLost = errors.New("lease lost")
	// ErrDraining: the process is shutting down; the task will be executed anew
	// elsewhere, and this attempt does not count.
	ErrDraining = errors.New("worker is draining")
)

// LockError is ErrLockAlreadyInUse with the lock's key and holder.
type LockError struct {
	Key    string
	Holder JobID // the job that holds it
}

func (e *LockError) Error() string {
	return fmt.Sprintf("mn: lock %q is in use by job %s: wait for it, cancel it, or take another lock", e.Key, e.Holder)
}

// Is makes errors.Is(err, ErrLockAlreadyInUse) true.
func (e *LockError) Is(target error) bool { return target == ErrLockAlreadyInUse }

// RunError is the failure of a job's run or of a function's call, as seen from afar:
// the handler's error itself stays where it happened, its text and stack travel.
type RunError struct {
	Kind    string `json:"kind"`            // "job" or "function"
	Name    string `json:"name"`            // of the definition
	ID      string `json:"id"`              // of the run or call
	Attempt int    `json:"attempt"`         // the attempt that failed
	Message string `json:"message"`         // the handler's error or panic
	Stack   string `json:"stack,omitempty"` // of a panic, else ""
	// Permanent: the handler said with [Permanent] that no other attempt could mend it.
	Permanent bool `json:"permanent,omitempty"`
	code      string
}

func (e *RunError) Error() string {
	return fmt.Sprintf("mn: %s %q %s failed in attempt %d: %s", e.Kind, e.Name, e.ID, e.Attempt, e.Message)
}

// Unwrap makes errors.Is find ErrTimeout or ErrWorkerLost where one of them was the
// reason.
func (e *RunError) Unwrap() error {
	switch e.code {
	case backend.CodeTimeout:
		return ErrTimeout
	case backend.CodeLost:
		return ErrWorkerLost
	}
	return nil
}

// Panicked reports whether the handler or a codec panicked; Stack is then set.
func (e *RunError) Panicked() bool { return e.code == backend.CodePanic }

// Permanent marks an error of a handler as one that another attempt cannot mend:
// the task fails without being retried. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// faults collects everything that is wrong with a configuration.
type faults []string

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Sprintf(format, args...))
}

func (f *faults) err() error {
	switch len(*f) {
	case 0:
		return nil
	case 1:
		return errors.New("mn: " + (*f)[0])
	}
	return fmt.Errorf("mn: %d faults in the configuration:\n  - %s", len(*f), strings.Join(*f, "\n  - "))
}

// outward gives an error of the backend its public name. what names the thing.
func outward(err error, what string) error {
	var held *backend.LockError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &held):
		return &LockError{Key: held.Key, Holder: JobID(held.Holder)}
	case errors.Is(err, backend.ErrNotFound):
		return fmt.Errorf("mn: %s: %w", what, ErrJobDoesNotExist)
	case errors.Is(err, backend.ErrBackpressure):
		return fmt.Errorf("mn: %s: %w", what, ErrBackpressure)
	case errors.Is(err, backend.ErrLeaseLost):
		return fmt.Errorf("mn: %s: %w", what, ErrLeaseLost)
	}
	return fmt.Errorf("mn: %s: %w", what, err)
}
