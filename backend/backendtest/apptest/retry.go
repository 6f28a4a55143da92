package apptest

import (
	"context"
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var retryRules = []rule{
	{"a retry in another app goes on from the last yield", checkRetryResumes},
	{"a job fails when its retries are used up, and at once when its error is permanent", checkRetriesEnd},
	{"a call is retried and its result comes once", checkCallRetried},
	{"a job that waits for a retry keeps its locks and can be cancelled", checkRetryWaits},
}

func checkRetryResumes(w *world) {
	job := func(where string) *mn.Job[int, string] {
		return mn.NewJob("job", func(ctx context.Context, _ int, yield func(string) bool) error {
			last, again := mn.LastYield[string](ctx)
			if where == "a" {
				yield(last + "a")
				return errors.New("this machine is broken")
			}
			if !again || mn.Attempt(ctx) < 2 {
				return mn.Permanent(errors.New("not a second attempt"))
			}
			yield(last + "b")
			return nil
		}, mn.Retries(100), mn.Backoff(400*time.Millisecond, 400*time.Millisecond))
	}
	broken := w.worker(job("a"))
	client := w.client(job(""))
	j := job("").On(client.App)
	id := start(w, j, 0)
	info := until(w, j, id, func(i mn.JobInfo[string]) bool { return i.Status == mn.Pending && i.Error != nil })
	require.Contains(w.t, info.Error.Message, "this machine is broken")
	require.Contains(w.t, info.Reason, "retry in")
	w.leave(broken) // while the job waits
	w.worker(job("b"))
	info = ended(w, j, id)
	require.Equal(w.t, mn.Succeeded, info.Status, "%+v", info.Error)
	require.Regexp(w.t, "^a+b$", info.Result)
	require.Len(w.t, info.Result, info.Attempt)
	require.EqualValues(w.t, info.Attempt, info.Yields, "numbers go on across attempts")
}

func checkRetriesEnd(w *world) {
	var ran log[int]
	job := mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
		ran.add(mn.Attempt(ctx))
		if n == 1 {
			return mn.Permanent(errors.New("hopeless"))
		}
		return errors.New("again")
	}, mn.Retries(2), mn.Backoff(time.Millisecond, 2*time.Millisecond))
	w.worker(job)
	w.worker(job)
	client := w.client(job)
	info := ended(w, job.On(client.App), start(w, job.On(client.App), 0))
	require.Equal(w.t, mn.Failed, info.Status)
	require.Equal(w.t, 3, info.Attempt)
	require.Equal(w.t, 3, info.Error.Attempt)
	info = ended(w, job.On(client.App), start(w, job.On(client.App), 1))
	require.Equal(w.t, mn.Failed, info.Status)
	require.Equal(w.t, "hopeless", info.Error.Message)
	require.Equal(w.t, []int{1, 2, 3, 1}, ran.entries())
}

func checkCallRetried(w *world) {
	fn := mn.NewFunction("fn", func(ctx context.Context, n int) (int, error) {
		if mn.Attempt(ctx) <= n {
			return 0, errors.New("not yet")
		}
		return 10*n + mn.Attempt(ctx), nil
	}, mn.Retries(2), mn.Backoff(time.Millisecond, 2*time.Millisecond))
	w.worker(fn)
	w.worker(fn)
	client := w.client(fn)
	want := []int{1, 12, 23}
	for n, err := range fn.On(client.App).Map(w.ctx, ints(3)) {
		require.NoError(w.t, err)
		require.Equal(w.t, want[0], n)
		want = want[1:]
	}
	_, err := fn.On(client.App).Call(w.ctx, 3)
	var run *mn.RunError
	require.ErrorAs(w.t, err, &run)
	require.Equal(w.t, 3, run.Attempt)
}

func checkRetryWaits(w *world) {
	job := mn.NewJob("job", func(_ context.Context, _ int, yield func(int) bool) error {
		yield(1)
		return errors.New("later")
	}, mn.Retries(1), mn.Backoff(time.Hour, time.Hour))
	apps := w.crew(job)
	id := start(w, job.On(apps[0].App), 0, mn.WithLock("table"))
	until(w, job.On(apps[2].App), id, func(i mn.JobInfo[int]) bool { return i.Error != nil })
	_, err := job.On(apps[1].App).Start(w.ctx, 0, mn.WithLock("table"))
	require.ErrorIs(w.t, err, mn.ErrLockAlreadyInUse)
	require.NoError(w.t, job.On(apps[2].App).Cancel(w.ctx, id))
	info := get(w, job.On(apps[1].App), id)
	require.Equal(w.t, mn.Cancelled, info.Status)
	require.Equal(w.t, 1, info.Result)
}
