package apptest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner"
)

var vanishRules = []rule{
	{"a vanished client's calls are cancelled, running or not, and nothing is left of them", checkClientVanishes},
	{"a vanished client's jobs go on", checkJobsOutliveClient},
	{"an app that leaves takes its calls with it", checkClientLeaves},
}

// caller is a client that counts as lost soon after its line was cut.
func (w *world) caller(defs ...mn.Definition) *node {
	w.t.Helper()
	return w.join(mn.Config{Definitions: bare(defs...), Timing: mortal, Provisioner: provisioner.None})
}

// endless is a function that waits for the end of its context and tells its cause.
func endless(causes *log[error]) *mn.Function[int, int] {
	return mn.NewFunction("fn", func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		causes.add(context.Cause(ctx))
		return 0, nil
	}, mn.MaxWorkers(2), mn.Cooldown(0))
}

func checkClientVanishes(w *world) {
	var causes log[error]
	fn := endless(&causes)
	w.worker(fn)
	vanishing := w.caller(fn)
	var calls []*mn.Future[int]
	for n := range 5 {
		calls = append(calls, fn.On(vanishing.App).Go(w.ctx, n))
	}
	w.eventually("two run and the others wait", func() bool {
		p := w.pool("fn")
		return p.Running == 2 && p.Pending == 3
	})
	vanishing.link.cut()
	began := time.Now()
	w.eventually("nothing is left", func() bool { return len(w.busy()) == 0 })
	require.Less(w.t, time.Since(began), found(mortal))
	require.Equal(w.t, []error{mn.ErrJobCancelled, mn.ErrJobCancelled}, causes.entries())
	vanishing.link.heal()
	for _, c := range calls {
		_, err := c.Wait(w.ctx)
		require.ErrorIs(w.t, err, mn.ErrWorkerLost)
	}
}

func checkJobsOutliveClient(w *world) {
	goOn := newFlag()
	double := mn.NewFunction("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		if err := w.hold(goOn.ch); err != nil {
			return err
		}
		v, err := double.Call(ctx, n)
		yield(v)
		return err
	}, mn.MaxConcurrency(1))
	w.worker(job, double)
	vanishing := w.caller(job)
	ids := []mn.JobID{start(w, job.On(vanishing.App), 1), start(w, job.On(vanishing.App), 2)}
	began := time.Now()
	vanishing.link.cut()
	client := w.client(job)
	// A marker that is lost later by the same rules shows that the client's time is over.
	w.lostSession(w.victim(mn.NewJob("marker", counting)), "marker")
	require.Greater(w.t, time.Since(began), mortal.Lease)
	goOn.raise()
	require.Equal(w.t, 2, succeeded(w, job.On(client.App), ids[0]))
	require.Equal(w.t, 4, succeeded(w, job.On(client.App), ids[1]))
}

func checkClientLeaves(w *world) {
	var causes log[error]
	fn := endless(&causes)
	w.worker(fn)
	leaving := w.client(fn)
	var calls []*mn.Future[int]
	for n := range 5 {
		calls = append(calls, fn.On(leaving.App).Go(w.ctx, n))
	}
	w.eventually("two run", func() bool { return w.pool("fn").Running == 2 })
	w.leave(leaving)
	for _, c := range calls {
		_, err := c.Wait(w.ctx)
		require.Error(w.t, err)
	}
	w.eventually("nothing is left", func() bool { return len(w.busy()) == 0 })
	require.Equal(w.t, []error{mn.ErrJobCancelled, mn.ErrJobCancelled}, causes.entries())
}
