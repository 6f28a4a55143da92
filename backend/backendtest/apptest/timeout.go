package apptest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var timeoutRules = []rule{
	{"a job that takes too long fails as timed out and is not retried", checkJobTimeout},
	{"a call that takes too long fails as timed out", checkCallTimeout},
	{"a timeout ends a job although its worker is cut off", checkTimeoutCut},
}

const brief = 150 * time.Millisecond

func checkJobTimeout(w *world) {
	var causes log[error]
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		return nil
	}, mn.Timeout(brief), mn.Retries(3))
	w.worker(job)
	client := w.client(job)
	info := ended(w, job.On(client.App), start(w, job.On(client.App), 8, mn.WithLock("table")))
	require.Equal(w.t, mn.Failed, info.Status)
	require.ErrorIs(w.t, info.Error, mn.ErrTimeout)
	require.Equal(w.t, 8, info.Result)
	require.Equal(w.t, 1, info.Attempt)
	require.GreaterOrEqual(w.t, info.Ended.Sub(info.Started), brief-10*time.Millisecond)
	require.Equal(w.t, []error{mn.ErrTimeout}, causes.entries())
}

func checkCallTimeout(w *world) {
	fn := mn.NewFunction("fn", func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		return 0, nil
	}, mn.Timeout(brief), mn.Retries(3))
	w.worker(fn)
	client := w.client(fn)
	_, err := fn.On(client.App).Call(w.ctx, 0)
	require.ErrorIs(w.t, err, mn.ErrTimeout)
	var run *mn.RunError
	require.ErrorAs(w.t, err, &run)
	require.Equal(w.t, 1, run.Attempt)
}

func checkTimeoutCut(w *world) {
	wake := newFlag()
	defer wake.raise()
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		yield(n)
		return w.hold(wake.ch)
	}, mn.Timeout(time.Second), mn.CancellationGrace(brief), mn.Retries(3))
	timing := steady
	timing.Lease, timing.Margin = time.Minute, 100*time.Millisecond
	stubborn := w.join(mn.Config{Definitions: []mn.Definition{job}, Timing: timing})
	client := w.client(job)
	id := start(w, job.On(client.App), 1)
	until(w, job.On(client.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	stubborn.link.cut()
	info := ended(w, job.On(client.App), id)
	require.Equal(w.t, mn.Failed, info.Status)
	require.ErrorIs(w.t, info.Error, mn.ErrTimeout)
	require.Equal(w.t, 1, info.Result)
	wake.raise()
}
