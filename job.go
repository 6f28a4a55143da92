package mn

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// JobFunc is a job's handler. It calls yield with each result, of which the newest
// is what readers see, and returns nil when it is done. yield returns false once
// the handler should return: the job is cancelled, timed out or is given to another
// worker. ctx ends then too, with the reason as its cause. What the handler returns
// after that does not matter.
//
// yield may be called from any goroutine; after the handler has returned it does
// nothing and returns false.
type JobFunc[In, Out any] func(ctx context.Context, in In, yield func(Out) bool) error

// Job is the definition of a long workflow that yields results while it runs.
// Create it with [NewJob], as a package variable if you like: it is inert.
type Job[In, Out any] struct {
	def *jobDefinition[In, Out]
	app *App
}

type jobDefinition[In, Out any] struct {
	definition
	handler JobFunc[In, Out]
}

// NewJob defines a job. handler may be nil in a program that only starts and watches
// it, or be given later with Handle. Name and options are checked by [New].
func NewJob[In, Out any](name string, handler JobFunc[In, Out], opts ...JobOption) *Job[In, Out] {
	d := &jobDefinition[In, Out]{definition: definition{name: name, kind: backend.Job, settings: newJobSettings(opts)}}
	j := &Job[In, Out]{def: d}
	return j.Handle(handler)
}

// Handle sets the handler and returns the job. It is for handlers that name their
// own definition, which Go would refuse as an initialization cycle in NewJob. Call
// it before [New].
func (j *Job[In, Out]) Handle(handler JobFunc[In, Out]) *Job[In, Out] {
	j.def.handler, j.def.invoke = handler, nil
	if handler != nil {
		j.def.invoke = func(app *App, a *worker.Attempt) ([]byte, error) {
			return nil, invokeJob(app, &j.def.definition, handler, a)
		}
	}
	return j
}

// invokeJob is one attempt: decode, handle, and encode what is yielded.
func invokeJob[In, Out any](app *App, d *definition, handler JobFunc[In, Out], a *worker.Attempt) error {
	var in In
	if err := app.decode(d.place(app, a.Lease.Task, fieldIn), a.Input, &in); err != nil {
		return Permanent(err)
	}
	out := d.place(app, a.Lease.Task, fieldOut)
	return handler(a.Context(), in, func(v Out) bool {
		data, err := app.encode(out, v)
		if err != nil {
			a.Fail(fmt.Errorf("yield: %w", err))
			return false
		}
		return a.Yield(data)
	})
}

// Name implements [Definition].
func (j *Job[In, Out]) Name() string { return j.def.name }

func (j *Job[In, Out]) core() *definition {
	if j == nil {
		return nil
	}
	return &j.def.definition
}

// On returns the job bound to an app. Inside handlers that is not needed, because
// their contexts carry the app.
func (j *Job[In, Out]) On(app *App) *Job[In, Out] { return &Job[In, Out]{def: j.def, app: app} }

// Local returns the handler as a plain iterator, without an app, for unit tests. An
// error of the handler comes last. Breaking out ends the handler's context and makes
// its yield return false.
func (j *Job[In, Out]) Local(ctx context.Context, in In) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		var none Out
		if j.def.handler == nil {
			yield(none, fmt.Errorf("mn: job %q: %w", j.def.name, ErrNoHandler))
			return
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(context.Canceled)
		var mu sync.Mutex // the handler may yield from any goroutine, even after its end
		going := true
		err := j.def.handler(ctx, in, func(v Out) bool {
			mu.Lock()
			defer mu.Unlock()
			if going && !yield(v, nil) {
				going = false
				cancel(ErrJobCancelled)
			}
			return going
		})
		mu.Lock()
		defer mu.Unlock()
		if going && err != nil {
			yield(none, err)
		}
		going = false
	}
}

// StartOption changes one start.
type StartOption interface{ setStart(*startOptions) }

type startOptions struct {
	id    JobID
	given bool // id was, even if it is empty
	locks []string
}

type startOption func(*startOptions)

func (o startOption) setStart(s *startOptions) { o(s) }

// WithLock makes the job hold the locks from its start to its end: all of them, or
// it is not started and Start returns a [LockError]. Keys are any non-empty strings
// of at most 1024 bytes, and are the same for all definitions of an app.
func WithLock(keys ...string) StartOption {
	return startOption(func(s *startOptions) { s.locks = append(s.locks, keys...) })
}

// WithID gives the job its ID, a UUID, which makes the start idempotent: starting an
// ID that exists does nothing and returns the ID. Use a version 7 UUID, so that lists
// are in the order of starts.
func WithID(id JobID) StartOption {
	return startOption(func(s *startOptions) { s.id, s.given = id, true })
}

// Start stores a run of the job and returns its ID; it does not wait for the run.
// Errors: a [LockError], ErrPayloadTooLarge, ErrBackpressure, ErrAppClosed, what the
// codec says of in, or ctx's. If Start fails because of ctx or the backend it is
// unknown whether the job was started; WithID makes a repeat safe.
func (j *Job[In, Out]) Start(ctx context.Context, in In, opts ...StartOption) (JobID, error) {
	app, err := j.def.bind(ctx, j.app)
	if err != nil {
		return "", err
	}
	var o startOptions
	for _, opt := range opts {
		opt.setStart(&o)
	}
	if err := o.complete(); err != nil {
		return "", fmt.Errorf("mn: start of job %q: %w", j.def.name, err)
	}
	data, err := app.encode(j.def.place(app, string(o.id), fieldIn), in)
	if err != nil {
		return "", fmt.Errorf("mn: start of job %q: %w", j.def.name, err)
	}
	sub := backend.Submission{ID: string(o.id), Kind: backend.Job, Pool: j.def.name, Input: data, Locks: o.locks}
	sub.Parent, sub.Depth = parent(attemptFrom(ctx))
	if err := app.startRun(ctx, &j.def.definition, sub); err != nil {
		return "", err
	}
	return o.id, nil
}

// startRun submits a run.
func (a *App) startRun(ctx context.Context, d *definition, sub backend.Submission) error {
	end := a.traceSend(ctx, d, &sub)
	answers, err := a.submit(ctx, []backend.Submission{sub})
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		err = outward(err, fmt.Sprintf("start of job %q", d.name))
	}
	if end != nil {
		end(err)
	}
	return err
}

// maxLockKey bounds a lock key's length in bytes.
const maxLockKey = 1024

func (o *startOptions) complete() error {
	switch {
	case !o.given:
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		o.id = JobID(id.String())
	case !o.id.valid():
		return fmt.Errorf("ID %q is not a UUID in lower-case hyphenated form", o.id)
	}
	slices.Sort(o.locks)
	o.locks = slices.Compact(o.locks) // a key given twice is held once
	return checkLockKeys(o.locks)
}

func checkLockKeys(keys []string) error {
	for _, key := range keys {
		if key == "" || len(key) > maxLockKey {
			return fmt.Errorf("lock key %.40q must have 1 to %d bytes", key, maxLockKey)
		}
	}
	return nil
}

// Get reads a job once. ErrJobDoesNotExist.
func (j *Job[In, Out]) Get(ctx context.Context, id JobID) (JobInfo[Out], error) {
	app, err := j.find(ctx, id)
	if err != nil {
		return JobInfo[Out]{}, err
	}
	tasks, err := exchange(ctx, app, func(ctx context.Context) ([]*backend.Task, error) {
		return app.store.Get(ctx, []string{string(id)})
	})
	if err != nil {
		return JobInfo[Out]{}, outward(err, "job "+string(id))
	}
	return j.info(app, id, tasks[0])
}

// find is what all methods that take an ID begin with.
func (j *Job[In, Out]) find(ctx context.Context, id JobID) (*App, error) {
	app, err := j.def.bind(ctx, j.app)
	if err != nil {
		return nil, err
	}
	if !id.valid() {
		return nil, fmt.Errorf("mn: job ID %q is not a UUID: %w", id, ErrJobDoesNotExist)
	}
	return app, nil
}

// owns reports whether the ID belongs to a run of this definition: others' runs do not
// exist for it.
func (j *Job[In, Out]) owns(ctx context.Context, app *App, id JobID) error {
	tasks, err := exchange(ctx, app, func(ctx context.Context) ([]*backend.Task, error) {
		return app.store.Get(ctx, []string{string(id)})
	})
	if err == nil && (tasks[0] == nil || tasks[0].Pool != j.def.name || tasks[0].Kind != backend.Job) {
		err = backend.ErrNotFound
	}
	return outward(err, "job "+string(id))
}

// Cancel tells a job to stop and does not wait for it: a PENDING one ends CANCELLED at
// once, a RUNNING one becomes CANCELLING until its handler returns or its grace ends.
// A job that has ended stays as it is, and cancelling twice is no error.
// ErrJobDoesNotExist.
func (j *Job[In, Out]) Cancel(ctx context.Context, id JobID) error {
	app, err := j.find(ctx, id)
	if err != nil {
		return err
	}
	if err := j.owns(ctx, app, id); err != nil {
		return err
	}
	return app.cancelRun(ctx, id)
}

// cancelRun is Cancel for a run that is known to be a job's.
func (a *App) cancelRun(ctx context.Context, id JobID) error {
	errs, err := exchange(ctx, a, func(ctx context.Context) ([]error, error) {
		return a.store.Cancel(ctx, []string{string(id)})
	})
	if err == nil {
		err = errs[0]
	}
	return outward(err, "job "+string(id))
}

// Remove deletes a job and all that is stored of it. One that has not ended is
// cancelled, and is deleted when it has: that wish is stored and outlives the caller.
// Removing a job that does not exist is no error.
func (j *Job[In, Out]) Remove(ctx context.Context, id JobID) error {
	app, err := j.def.bind(ctx, j.app)
	if err != nil {
		return err
	}
	if !id.valid() {
		return nil
	}
	if err := j.owns(ctx, app, id); err != nil {
		if errors.Is(err, ErrJobDoesNotExist) {
			return nil
		}
		return err
	}
	return app.removeRun(ctx, id)
}

// removeRun is Remove for a run that is known to be a job's.
func (a *App) removeRun(ctx context.Context, id JobID) error {
	_, err := exchange(ctx, a, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.store.Remove(ctx, []string{string(id)})
	})
	return outward(err, "job "+string(id))
}
