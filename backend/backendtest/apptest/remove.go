package apptest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var removeRules = []rule{
	{"the removal of a running job survives its caller", checkRemoveSurvives},
	{"a removed job is gone for every app, whatever it was doing", checkRemoved},
}

func checkRemoveSurvives(w *world) {
	goOn := newFlag()
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		<-ctx.Done()
		return w.hold(goOn.ch)
	})
	w.worker(job)
	caller, other := w.client(job), w.client(job)
	id := start(w, job.On(caller.App), 1, mn.WithLock("table"))
	reaches(w, job.On(caller.App), id, mn.Running)
	require.NoError(w.t, job.On(caller.App).Remove(w.ctx, id))
	caller.link.cut()
	info := reaches(w, job.On(other.App), id, mn.Cancelling)
	require.True(w.t, info.Removing)
	seen := make(chan error, 1)
	w.beside.Go(func() {
		for info, err := range job.On(other.App).Watch(w.ctx, id) {
			if err != nil || info.Status.Terminal() {
				seen <- err
			}
		}
	})
	goOn.raise()
	w.eventually("the job is gone", func() bool {
		_, err := job.On(other.App).Get(w.ctx, id)
		return errors.Is(err, mn.ErrJobDoesNotExist)
	})
	if err := <-seen; err != nil { // the end itself may have been seen just before
		require.ErrorIs(w.t, err, mn.ErrJobDoesNotExist)
	}
	require.Empty(w.t, w.jobs())
	for l, err := range other.Locks(w.ctx) {
		require.Fail(w.t, "a lock is held", "%v, %v", l, err)
	}
}

func checkRemoved(w *world) {
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		if n == 0 {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}, mn.MaxConcurrency(1), mn.KeepYields(10))
	w.worker(job)
	a, b := w.client(job), w.client(job)
	done := start(w, job.On(a.App), 0)
	succeeded(w, job.On(a.App), done)
	running := start(w, job.On(a.App), 1)
	reaches(w, job.On(a.App), running, mn.Running)
	pending := start(w, job.On(a.App), 2, mn.WithLock("table"))
	for _, id := range []mn.JobID{pending, done, running} {
		require.NoError(w.t, job.On(b.App).Remove(w.ctx, id))
		require.NoError(w.t, job.On(a.App).Remove(w.ctx, id), "twice is no error")
	}
	for _, id := range []mn.JobID{done, pending, running} {
		w.eventually("the job is gone", func() bool {
			_, err := job.On(a.App).Get(w.ctx, id)
			return errors.Is(err, mn.ErrJobDoesNotExist)
		})
		_, err := job.On(b.App).Wait(w.ctx, id)
		require.ErrorIs(w.t, err, mn.ErrJobDoesNotExist)
		require.ErrorIs(w.t, job.On(b.App).Cancel(w.ctx, id), mn.ErrJobDoesNotExist)
	}
	require.Empty(w.t, w.jobs())
}
