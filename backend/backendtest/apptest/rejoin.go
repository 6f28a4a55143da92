package apptest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var rejoinRules = []rule{
	{"an app whose line was cut for long joins anew and executes, starts and calls", checkRejoin},
	{"a short cut costs an app nothing that it had under way", checkShortCut},
	{"a call that finds its session lost is made in the new one", checkCallAfterLoss},
	{"a call begun while the line is cut is answered after it", checkCallDuringCut},
	{"a call that was under way when its session was lost fails instead of waiting for ever", checkCallLost},
}

// lostSession cuts an app off until the backend has forgotten it.
func (w *world) lostSession(n *node, pool string) {
	w.t.Helper()
	n.link.cut()
	w.eventually("the session is forgotten", func() bool { return !w.pool(pool).Serving })
}

func echo() *mn.Function[int, int] {
	return mn.NewFunction("echo", func(_ context.Context, n int) (int, error) { return n, nil })
}

func checkRejoin(w *world) {
	job, fn := mn.NewJob("job", counting), echo()
	back := w.victim(job, fn)
	client := w.client(job, fn)
	w.lostSession(back, "job")
	id := start(w, job.On(client.App), 2) // nobody else could execute it
	back.link.heal()
	require.Equal(w.t, 2, succeeded(w, job.On(client.App), id))
	v, err := fn.On(back.App).Call(w.ctx, 5)
	require.NoError(w.t, err)
	require.Equal(w.t, 5, v)
	require.Equal(w.t, 3, succeeded(w, job.On(back.App), start(w, job.On(back.App), 3)))
}

func checkShortCut(w *world) {
	goOn := newFlag()
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n, w.hold(goOn.ch) })
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		if err := w.hold(goOn.ch); err != nil {
			return err
		}
		v, err := fn.Call(ctx, n+1)
		yield(v)
		return errors.Join(err, context.Cause(ctx))
	})
	cut := w.worker(job, fn)
	client := w.client(job, fn)
	id := start(w, job.On(client.App), 1)
	until(w, job.On(client.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	calls := []*mn.Future[int]{fn.On(client.App).Go(w.ctx, 7), fn.On(cut.App).Go(w.ctx, 7)}
	w.eventually("the calls run", func() bool { return w.pool("fn").Running == 2 })
	for _, n := range []*node{cut, client} {
		n.link.cut()
	}
	goOn.raise() // what they do now must wait, and must not be forgotten
	w.eventually("both try in vain", func() bool { return cut.link.failures.Load() > 2 && client.link.failures.Load() > 0 })
	for _, n := range []*node{cut, client} {
		n.link.heal()
	}
	info := ended(w, job.On(client.App), id)
	require.Equal(w.t, mn.Succeeded, info.Status)
	require.Equal(w.t, 2, info.Result)
	require.Equal(w.t, 1, info.Attempt)
	for _, c := range calls {
		v, err := c.Wait(w.ctx)
		require.NoError(w.t, err)
		require.Equal(w.t, 7, v)
	}
}

func checkCallAfterLoss(w *world) {
	fn := echo()
	w.worker(fn)
	lost := w.victim(fn, mn.NewJob("marker", counting))
	w.lostSession(lost, "marker")
	lost.link.heal()
	v, err := fn.On(lost.App).Call(w.ctx, 5) // before its next heartbeat, most likely
	require.NoError(w.t, err)
	require.Equal(w.t, 5, v)
	w.lostSession(lost, "marker")
	lost.link.heal()
	n := 0
	for v, err := range fn.On(lost.App).Map(w.ctx, ints(100)) {
		require.NoError(w.t, err)
		require.Equal(w.t, n, v)
		n++
	}
	require.Equal(w.t, 100, n)
}

func checkCallDuringCut(w *world) {
	fn := echo()
	w.worker(fn)
	lost := w.victim(fn, mn.NewJob("marker", counting))
	lost.link.cut()
	result := make(chan error, 1)
	w.beside.Go(func() {
		_, err := fn.On(lost.App).Call(w.ctx, 5)
		result <- err
	})
	w.eventually("the session is forgotten", func() bool { return !w.pool("marker").Serving })
	lost.link.heal()
	require.NoError(w.t, <-result)
}

func checkCallLost(w *world) {
	running := newFlag()
	fn := mn.NewFunction("fn", func(ctx context.Context, _ int) (int, error) {
		running.raise()
		<-ctx.Done()
		return 0, nil
	})
	w.worker(fn)
	lost := w.victim(append(bare(fn), mn.NewJob("marker", counting))...)
	call := fn.On(lost.App).Go(w.ctx, 0)
	w.await("the call runs", running.ch)
	w.lostSession(lost, "marker")
	lost.link.heal()
	_, err := call.Wait(w.ctx)
	require.ErrorIs(w.t, err, mn.ErrWorkerLost)
}
