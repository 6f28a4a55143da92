package apptest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var drainRules = []rule{
	{"an app that leaves hands its running jobs and calls to another, uncharged", checkDrain},
	{"a shutdown that may wait lets running work end and takes on no more", checkShutdownWaits},
	{"a job whose app left alone waits for the next one", checkLeftPending},
}

// waiting returns definitions that end in the app "a" when they are told to, and at
// once elsewhere.
func waiting(w *world, causes *log[error]) (job func(where string) *mn.Job[int, string], fn func(where string) *mn.Function[int, string]) {
	job = func(where string) *mn.Job[int, string] {
		return mn.NewJob("job", func(ctx context.Context, _ int, yield func(string) bool) error {
			last, _ := mn.LastYield[string](ctx)
			yield(last + where)
			if where == "a" {
				<-ctx.Done()
				causes.add(context.Cause(ctx))
			}
			return nil
		}) // without retries: a job that is handed back has not failed
	}
	fn = func(where string) *mn.Function[int, string] {
		return mn.NewFunction("fn", func(ctx context.Context, _ int) (string, error) {
			if where == "a" {
				<-ctx.Done()
				causes.add(context.Cause(ctx))
			}
			if mn.Attempt(ctx) != 1 {
				w.t.Errorf("attempt %d", mn.Attempt(ctx))
			}
			return where, nil
		})
	}
	return job, fn
}

func checkDrain(w *world) {
	var causes log[error]
	job, fn := waiting(w, &causes)
	leaving := w.worker(job("a"), fn("a"))
	client := w.client(job(""), fn(""))
	j := job("").On(client.App)
	id := start(w, j, 0, mn.WithLock("table"))
	until(w, j, id, func(i mn.JobInfo[string]) bool { return i.Yields == 1 })
	call := fn("").On(client.App).Go(w.ctx, 0)
	w.eventually("the call runs", func() bool { return w.pool("fn").Running == 1 })
	w.worker(job("b"), fn("b"))
	w.evict(leaving)
	info := ended(w, j, id)
	require.Equal(w.t, mn.Succeeded, info.Status)
	require.Equal(w.t, "ab", info.Result)
	require.Equal(w.t, 1, info.Attempt)
	v, err := call.Wait(w.ctx)
	require.NoError(w.t, err)
	require.Equal(w.t, "b", v)
	require.Equal(w.t, []error{mn.ErrDraining, mn.ErrDraining}, causes.entries())
}

func checkShutdownWaits(w *world) {
	goOn := newFlag()
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n, nil })
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		if err := w.hold(goOn.ch); err != nil {
			return err
		}
		v, err := fn.Call(ctx, n+1) // a job that is being drained may still need functions
		yield(v)
		return err
	}, mn.MaxConcurrency(1))
	leaving := w.worker(job, fn)
	client := w.client(job)
	first := start(w, job.On(client.App), 1)
	until(w, job.On(client.App), first, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	second := start(w, job.On(client.App), 5)
	left := newFlag()
	w.beside.Go(func() {
		defer left.raise()
		if err := leaving.Shutdown(w.ctx); err != nil {
			w.t.Errorf("shutdown: %v", err)
		}
	})
	w.eventually("nothing more is started there", func() bool {
		_, err := job.On(leaving.App).Start(w.ctx, 9)
		return errors.Is(err, mn.ErrAppClosed)
	})
	require.False(w.t, left.raised())
	goOn.raise()
	require.Equal(w.t, 2, succeeded(w, job.On(client.App), first))
	w.await("the app leaves", left.ch)
	require.Equal(w.t, mn.Pending, get(w, job.On(client.App), second).Status)
	w.worker(job, fn)
	for id, err := range job.On(client.App).ListIDs(w.ctx) {
		require.NoError(w.t, err)
		succeeded(w, job.On(client.App), id)
	}
}

func checkLeftPending(w *world) {
	running := newFlag()
	job := func(where string) *mn.Job[int, string] {
		return mn.NewJob("job", func(ctx context.Context, _ int, yield func(string) bool) error {
			if where == "a" {
				running.raise()
				<-ctx.Done()
				return context.Cause(ctx)
			}
			yield(where)
			return nil
		})
	}
	leaving := w.worker(job("a"))
	client := w.client(job(""))
	j := job("").On(client.App)
	id := start(w, j, 0)
	w.await("the job runs", running.ch)
	w.evict(leaving)
	info := get(w, j, id)
	require.Equal(w.t, mn.Pending, info.Status)
	require.Contains(w.t, info.Reason, "no app with a handler")
	require.Nil(w.t, info.Error)
	w.worker(job("b"))
	require.Equal(w.t, "b", succeeded(w, j, id))
}
