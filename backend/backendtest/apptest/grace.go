package apptest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var graceRules = []rule{
	{"a handler that ignores a cancel is ended when its grace is over", checkForcedEnd},
	{"the grace ends a job although its worker is cut off", checkForcedEndCut},
	{"a call whose handler ignores its cancel gives its worker back", checkForcedEndCall},
}

// grace is long enough to be seen, short enough not to be waited for.
const grace = 200 * time.Millisecond

// lenience is the margin of an app that is expected to end its handlers itself: the
// backend would end them that much later.
const lenience = 8 * time.Second

func (w *world) lenient(defs ...mn.Definition) *node {
	w.t.Helper()
	timing := steady
	timing.Margin = lenience
	return w.join(mn.Config{Definitions: defs, Timing: timing})
}

func checkForcedEnd(w *world) {
	wake := newFlag()
	late := make(chan bool, 1)
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		yield(n)
		if n > 0 {
			err := w.hold(wake.ch)
			late <- yield(-1)
			return err
		}
		return nil
	}, mn.CancellationGrace(grace), mn.MaxConcurrency(1), mn.Retries(3))
	defer wake.raise()
	w.lenient(job)
	client := w.client(job)
	id := start(w, job.On(client.App), 1, mn.WithLock("table"))
	until(w, job.On(client.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	told := time.Now()
	require.NoError(w.t, job.On(client.App).Cancel(w.ctx, id))
	info := ended(w, job.On(client.App), id)
	require.Equal(w.t, mn.Cancelled, info.Status, "and is not retried")
	took := time.Since(told)
	require.GreaterOrEqual(w.t, took, grace-10*time.Millisecond, "it had its grace")
	require.Less(w.t, took, lenience, "its process ended it, without waiting for the backend to")
	// Its lock and its place are free while the handler is still running.
	next := start(w, job.On(client.App), 0, mn.WithLock("table"))
	succeeded(w, job.On(client.App), next)
	wake.raise()
	require.False(w.t, <-late)
	require.Equal(w.t, info, get(w, job.On(client.App), id), "what it does later changes nothing")
}

func checkForcedEndCut(w *world) {
	wake := newFlag()
	defer wake.raise()
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		yield(n)
		return w.hold(wake.ch)
	}, mn.CancellationGrace(grace), mn.Retries(3))
	// Its lease outlasts the case: only the grace can end the job.
	timing := steady
	timing.Lease, timing.Margin = time.Minute, 100*time.Millisecond
	stubborn := w.join(mn.Config{Definitions: []mn.Definition{job}, Timing: timing})
	client := w.client(job)
	id := start(w, job.On(client.App), 1, mn.WithLock("table"))
	until(w, job.On(client.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	stubborn.link.cut()
	told := time.Now()
	require.NoError(w.t, job.On(client.App).Cancel(w.ctx, id))
	info := ended(w, job.On(client.App), id)
	require.Equal(w.t, mn.Cancelled, info.Status)
	require.Equal(w.t, 1, info.Result)
	require.Less(w.t, time.Since(told), grace+timing.Margin+timing.Sweep+2*time.Second)
	for l, err := range client.Locks(w.ctx) {
		require.Fail(w.t, "a lock is held", "%v, %v", l, err)
	}
	wake.raise()
}

func checkForcedEndCall(w *world) {
	wake := newFlag()
	defer wake.raise()
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) {
		if n > 0 {
			return n, w.hold(wake.ch)
		}
		return n, nil
	}, mn.CancellationGrace(grace), mn.MaxWorkers(1))
	w.lenient(fn)
	client := w.client(fn)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	stuck := fn.On(client.App).Go(ctx, 1)
	w.eventually("the call runs", func() bool { return w.pool("fn").Running == 1 })
	told := time.Now()
	cancel()
	<-stuck.Done()
	v, err := fn.On(client.App).Call(w.ctx, 0) // needs the one worker there may be
	require.NoError(w.t, err)
	require.Zero(w.t, v)
	require.Less(w.t, time.Since(told), lenience)
	wake.raise()
}
