package apptest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var shareRules = []rule{
	{"a job started in one app runs in another and is watched from a third", checkThreeApps},
	{"a job waits for an app that can execute it, and says so", checkWaitsForApp},
	{"a handler's error and panic are seen in other apps", checkFailureTravels},
	{"a handler calls functions that only other apps execute", checkCallsOtherApp},
	{"a start repeated under one ID in several apps is one job", checkOneID},
}

func checkThreeApps(w *world) {
	job := mn.NewJob("job", counting)
	w.worker(job)
	starter, watcher := w.client(job), w.client(job)
	id := start(w, job.On(starter.App), 5)
	order := map[mn.Status]int{mn.Pending: 1, mn.Running: 2, mn.Succeeded: 3}
	var last mn.JobInfo[int]
	for info, err := range job.On(watcher.App).Watch(w.ctx, id) {
		require.NoError(w.t, err)
		require.NotZero(w.t, order[info.Status], info.Status)
		require.GreaterOrEqual(w.t, order[info.Status], order[last.Status])
		require.GreaterOrEqual(w.t, info.Yields, last.Yields)
		last = info
	}
	require.Equal(w.t, mn.Succeeded, last.Status)
	require.Equal(w.t, 5, last.Result)
	require.EqualValues(w.t, 5, last.Yields)
	require.Equal(w.t, 1, last.Attempt)
	require.False(w.t, last.Ended.Before(last.Started) || last.Started.Before(last.Created))
	out, err := job.On(starter.App).Wait(w.ctx, id)
	require.NoError(w.t, err)
	require.Equal(w.t, 5, out)
}

func checkWaitsForApp(w *world) {
	job := mn.NewJob("job", counting)
	client := w.client(job)
	id := start(w, job.On(client.App), 1)
	info := get(w, job.On(client.App), id)
	require.Equal(w.t, mn.Pending, info.Status)
	require.Contains(w.t, info.Reason, "no app with a handler")
	w.worker(job)
	require.Equal(w.t, 1, succeeded(w, job.On(client.App), id))
}

func checkFailureTravels(w *world) {
	job := mn.NewJob("job", func(_ context.Context, _ int, yield func(int) bool) error {
		yield(7)
		return errors.New("out of flour")
	})
	fn := mn.NewFunction("fn", func(context.Context, int) (int, error) { panic("out of milk") })
	w.worker(job, fn)
	client := w.client(job, fn)
	info := ended(w, job.On(client.App), start(w, job.On(client.App), 0))
	require.Equal(w.t, mn.Failed, info.Status)
	require.Equal(w.t, 7, info.Result, "the last yield stays readable")
	require.Contains(w.t, info.Error.Message, "out of flour")
	_, err := fn.On(client.App).Call(w.ctx, 0)
	var run *mn.RunError
	require.ErrorAs(w.t, err, &run)
	require.True(w.t, run.Panicked())
	require.Contains(w.t, run.Message, "out of milk")
	require.Contains(w.t, run.Stack, "apptest")
}

func checkCallsOtherApp(w *world) {
	double := mn.NewFunction("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		sum := 0
		for v, err := range double.Map(ctx, ints(n)) {
			if err != nil {
				return err
			}
			sum += v
			yield(sum)
		}
		return nil
	})
	w.worker(double)
	w.worker(append(bare(double), job)...)
	client := w.client(job)
	require.Equal(w.t, 9900, succeeded(w, job.On(client.App), start(w, job.On(client.App), 100)))
}

func checkOneID(w *world) {
	var ran log[int]
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		ran.add(n)
		yield(n)
		return nil
	})
	a, b := w.worker(job), w.client(job)
	const id mn.JobID = "01890a5d-ac96-774b-bcce-b302099a8057"
	for range 10 {
		for _, n := range []*node{a, b} {
			w.beside.Go(func() {
				got, err := job.On(n.App).Start(w.ctx, 3, mn.WithID(id), mn.WithLock("once"))
				if err != nil || got != id {
					w.t.Errorf("start under a given ID: %q, %v", got, err)
				}
			})
		}
	}
	w.beside.Wait()
	require.Equal(w.t, 3, succeeded(w, job.On(b.App), id))
	require.Equal(w.t, id, start(w, job.On(a.App), 3, mn.WithID(id)))
	require.Len(w.t, ran.entries(), 1)
	require.Len(w.t, w.jobs(), 1)
}
