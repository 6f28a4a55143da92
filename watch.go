package mn

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/multinode/mn/backend"
)

// WatchOption changes one watch.
type WatchOption interface{ setWatch(*watchOptions) }

type watchOptions struct{ from uint64 }

type watchOption func(*watchOptions)

func (o watchOption) setWatch(w *watchOptions) { o(w) }

// FromYield makes Watch show each kept yield from number n on (the first is 1),
// instead of the newest only. The definition must have [KeepYields]; what it does
// not keep any more is left out.
func FromYield(n uint64) WatchOption {
	return watchOption(func(w *watchOptions) { w.from = max(1, n) })
}

// Watch shows a job now and at each change, until it has ended: the terminal state
// comes last. A slow reader misses states between, never the last. Any number of
// watchers, in any process, may watch a job. An error ends the watch:
// ErrJobDoesNotExist, also when the job is removed meanwhile, or ctx's.
func (j *Job[In, Out]) Watch(ctx context.Context, id JobID, opts ...WatchOption) iter.Seq2[JobInfo[Out], error] {
	return func(yield func(JobInfo[Out], error) bool) {
		var o watchOptions
		for _, opt := range opts {
			opt.setWatch(&o)
		}
		app, err := j.find(ctx, id)
		if err != nil {
			yield(JobInfo[Out]{}, err)
			return
		}
		shown := o.from
		for version := uint64(0); ; {
			t, err := j.await(ctx, app, id, backend.Until{After: version})
			if err != nil {
				yield(JobInfo[Out]{}, err)
				return
			}
			version = t.Version
			if o.from > 0 && !j.showKept(ctx, app, t, &shown, yield) {
				return
			}
			info, err := j.info(app, id, t)
			if !yield(info, err) || err != nil || info.Status.Terminal() {
				return
			}
		}
	}
}

// keptPage is how many kept yields are read at a time.
const keptPage = 100

// showKept shows the kept yields from *next on, except the newest, which the job's
// own state shows. It reports whether the watch goes on.
func (j *Job[In, Out]) showKept(ctx context.Context, app *App, t *backend.Task, next *uint64,
	yield func(JobInfo[Out], error) bool,
) bool {
	for *next < t.Yields {
		page, err := exchange(ctx, app, func(ctx context.Context) ([]backend.Yield, error) {
			return app.store.Yields(ctx, t.ID, *next-1, keptPage)
		})
		if err != nil {
			yield(JobInfo[Out]{}, outward(err, "job "+t.ID))
			return false
		}
		for _, y := range page {
			if y.Number >= t.Yields { // the job has gone on meanwhile: the next state's turn
				break
			}
			then := *t
			then.Yields, then.Result, then.Status, then.Failure = y.Number, y.Data, backend.StatusRunning, nil
			then.Ended = time.Time{}
			info, err := j.info(app, JobID(t.ID), &then)
			if !yield(info, err) || err != nil {
				return false
			}
			*next = y.Number + 1
		}
		if len(page) < keptPage || page[len(page)-1].Number >= t.Yields {
			break
		}
	}
	*next = max(*next, t.Yields+1)
	return true
}

// await waits for a change. In a function's handler the worker may meanwhile do
// nested work.
func (j *Job[In, Out]) await(ctx context.Context, app *App, id JobID, until backend.Until) (*backend.Task, error) {
	if a := attemptFrom(ctx); a != nil {
		a.BeginWait(false)
		defer a.EndWait()
	}
	until.Quit = app.closed
	t, err := exchange(ctx, app, func(ctx context.Context) (*backend.Task, error) {
		return app.store.Await(ctx, string(id), until)
	})
	switch {
	case err == nil:
		return t, nil
	case ctx.Err() != nil:
		err = ctxError(ctx)
	case errors.Is(err, backend.ErrQuit):
		err = ErrAppClosed
	}
	return nil, outward(err, "job "+string(id))
}

// Wait waits for a job's end and returns its last yield, or Out's zero value if it
// yielded none. A job that ended FAILED returns a [RunError], one that ended
// CANCELLED an error that is ErrJobCancelled. Else ErrJobDoesNotExist or ctx's.
func (j *Job[In, Out]) Wait(ctx context.Context, id JobID) (Out, error) {
	var none Out
	app, err := j.find(ctx, id)
	if err != nil {
		return none, err
	}
	t, err := j.await(ctx, app, id, backend.Until{Ended: true})
	if err != nil {
		return none, err
	}
	info, err := j.info(app, id, t)
	if err == nil {
		err = info.Err()
	}
	return info.Result, err
}
