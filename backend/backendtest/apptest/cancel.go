package apptest

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var cancelRules = []rule{
	{"a cancel reaches a running handler in another app, which can clean up", checkCancelReaches},
	{"a cancel whose hint is lost arrives with a heartbeat", checkCancelByHeartbeat},
	{"a pending job that is cancelled never runs", checkCancelPending},
	{"of a cancel and an ending that race one wins, for every reader", checkCancelRace},
}

func checkCancelReaches(w *world) {
	var causes, cleanups log[error]
	tidy := mn.NewFunction("tidy", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	goOn := newFlag()
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		if err := w.hold(goOn.ch); err != nil {
			return err
		}
		v, err := tidy.Call(mn.CleanupContext(ctx), n)
		cleanups.add(err)
		if yield(v) {
			w.t.Error("yield goes on after a cancel")
		}
		return nil
	})
	w.worker(job, tidy)
	starter, canceller := w.client(job), w.client(job)
	id := start(w, job.On(starter.App), 5, mn.WithLock("table"))
	until(w, job.On(starter.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	require.NoError(w.t, job.On(canceller.App).Cancel(w.ctx, id))
	require.NoError(w.t, job.On(canceller.App).Cancel(w.ctx, id), "twice is no error")
	info := reaches(w, job.On(starter.App), id, mn.Cancelling)
	require.Equal(w.t, []string{"table"}, info.Locks, "held until the handler has cleaned up")
	goOn.raise()
	info = ended(w, job.On(starter.App), id)
	require.Equal(w.t, mn.Cancelled, info.Status)
	require.Equal(w.t, 6, info.Result, "the last yield stays readable")
	require.Nil(w.t, info.Error)
	require.Equal(w.t, []error{mn.ErrJobCancelled}, causes.entries())
	require.Equal(w.t, []error{nil}, cleanups.entries())
	_, err := job.On(starter.App).Wait(w.ctx, id)
	require.ErrorIs(w.t, err, mn.ErrJobCancelled)
	require.NoError(w.t, job.On(starter.App).Cancel(w.ctx, id), "nor is one that is late")
	require.Equal(w.t, mn.Cancelled, get(w, job.On(canceller.App), id).Status)
}

func checkCancelByHeartbeat(w *world) {
	var causes log[error]
	job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		return nil
	})
	fn := mn.NewFunction("fn", func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		return 0, nil
	})
	w.worker(job, fn).link.goDeaf()
	client := w.client(job, fn)
	id := start(w, job.On(client.App), 0)
	reaches(w, job.On(client.App), id, mn.Running)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	call := fn.On(client.App).Go(ctx, 0)
	w.eventually("the call runs", func() bool { return w.pool("fn").Running == 1 })
	require.NoError(w.t, job.On(client.App).Cancel(w.ctx, id))
	cancel()
	require.Equal(w.t, mn.Cancelled, ended(w, job.On(client.App), id).Status)
	<-call.Done()
	w.eventually("both handlers are told", func() bool { return len(causes.entries()) == 2 })
	for _, cause := range causes.entries() {
		require.ErrorIs(w.t, cause, mn.ErrJobCancelled)
	}
}

func checkCancelPending(w *world) {
	var ran log[int]
	job := mn.NewJob("job", func(_ context.Context, n int, _ func(int) bool) error {
		ran.add(n)
		return nil
	})
	a, b := w.client(job), w.client(job)
	id := start(w, job.On(a.App), 1, mn.WithLock("table"))
	require.NoError(w.t, job.On(b.App).Cancel(w.ctx, id))
	info := get(w, job.On(a.App), id)
	require.Equal(w.t, mn.Cancelled, info.Status)
	require.Zero(w.t, info.Attempt)
	next := start(w, job.On(a.App), 2, mn.WithLock("table"))
	w.worker(job)
	succeeded(w, job.On(a.App), next)
	require.Equal(w.t, []int{2}, ran.entries())
}

func checkCancelRace(w *world) {
	job := mn.NewJob("job", counting)
	w.worker(job)
	client, other := w.client(job), w.client(job)
	for range 30 {
		id := start(w, job.On(client.App), 1)
		for range 2 {
			w.beside.Go(func() {
				if err := job.On(other.App).Cancel(w.ctx, id); err != nil {
					w.t.Errorf("cancel: %v", err)
				}
			})
		}
		info := ended(w, job.On(client.App), id)
		w.beside.Wait()
		require.Contains(w.t, []mn.Status{mn.Succeeded, mn.Cancelled}, info.Status)
		require.Equal(w.t, info, get(w, job.On(other.App), id), "what has ended does not change")
	}
}
