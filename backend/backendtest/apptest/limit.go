package apptest

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var limitRules = []rule{
	{"MaxWorkers holds for two executing apps together", checkMaxWorkers},
	{"MaxConcurrency holds for two executing apps together, and the rest say why they wait", checkMaxConcurrency},
	{"the quota holds for all apps and pools together", checkQuota},
	{"MaxPending refuses the next start in every app", checkBackpressure},
	{"spare workers are kept ready, once for all apps together", checkSpares},
	{"spare workers stay although the others leave at once", checkSparesWithoutCooldown},
}

// overfill waits until as many handlers run as may, and then until each app has asked
// for more workers several times: if it got one too many, that would show.
func (w *world) overfill(inside *gauge, limit int) {
	w.t.Helper()
	w.eventually("as many as may are running", func() bool { now, _ := inside.read(); return now == limit })
	for _, n := range w.nodes {
		if n.executes {
			asked := n.link.reserves.Load()
			w.eventually("an app asks for more workers", func() bool { return n.link.reserves.Load() >= asked+3 })
		}
	}
	now, most := inside.read()
	require.Equal(w.t, []int{limit, limit}, []int{now, most})
}

func checkMaxWorkers(w *world) {
	const limit = 6
	var inside gauge
	goOn := newFlag()
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) {
		defer inside.leave()
		inside.enter()
		return n, w.hold(goOn.ch)
	}, mn.CPU(1), mn.MaxWorkers(limit))
	w.narrow(4, fn) // neither has room for all of them
	w.narrow(4, fn)
	client := w.client(fn)
	w.mapAll(fn.On(client.App), 300)
	w.overfill(&inside, limit)
	goOn.raise()
	w.beside.Wait()
	_, most := inside.read()
	require.Equal(w.t, limit, most)
}

// mapAll has a function that returns its input map n inputs beside the case.
func (w *world) mapAll(fn *mn.Function[int, int], n int) {
	w.beside.Go(func() {
		next := 0
		for v, err := range fn.Map(w.ctx, ints(n)) {
			if err != nil || v != next {
				w.t.Errorf("result %d: %d, %v", next, v, err)
			}
			next++
		}
		if next != n {
			w.t.Errorf("%d results of %d", next, n)
		}
	})
}

func checkMaxConcurrency(w *world) {
	const limit, runs = 3, 12
	var inside gauge
	goOn := newFlag()
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		defer inside.leave()
		inside.enter()
		yield(n)
		return w.hold(goOn.ch)
	}, mn.CPU(1), mn.MaxConcurrency(limit))
	w.narrow(2, job)
	w.narrow(2, job)
	client := w.client(job)
	ids := make([]mn.JobID, runs)
	for i := range ids {
		ids[i] = start(w, job.On(client.App), i)
	}
	waiting := func() (n int) {
		for info, err := range job.On(client.App).List(w.ctx, mn.WithStatus(mn.Pending)) {
			require.NoError(w.t, err)
			if strings.Contains(info.Reason, "concurrency limit 3/3") {
				n++
			}
		}
		return n
	}
	w.overfill(&inside, limit)
	w.eventually("the others say why they wait", func() bool { return waiting() == runs-limit })
	goOn.raise()
	for i, id := range ids {
		require.Equal(w.t, i, succeeded(w, job.On(client.App), id))
	}
	_, most := inside.read()
	require.Equal(w.t, limit, most)
}

func checkQuota(w *world) {
	const limit = 2
	var inside gauge
	goOn := newFlag()
	handler := func(_ context.Context, n int) (int, error) {
		defer inside.leave()
		inside.enter()
		return n, w.hold(goOn.ch)
	}
	quota := mn.Quota{CPU: limit}
	fns := []*mn.Function[int, int]{
		mn.NewFunction("fn-a", handler, mn.CPU(1)),
		mn.NewFunction("fn-b", handler, mn.CPU(1)),
	}
	for _, fn := range fns {
		w.join(mn.Config{Definitions: []mn.Definition{fn}, Quota: quota})
	}
	client := w.join(mn.Config{Definitions: []mn.Definition{fns[0], fns[1]}, Quota: quota})
	for _, fn := range fns {
		w.mapAll(fn.On(client.App), 40)
	}
	w.overfill(&inside, limit)
	goOn.raise()
	w.beside.Wait() // for each pool, so idle workers of one make room for the other
	_, most := inside.read()
	require.Equal(w.t, limit, most)
}

func checkBackpressure(w *world) {
	goOn := newFlag()
	job := mn.NewJob("job", func(context.Context, int, func(int) bool) error { return w.hold(goOn.ch) },
		mn.MaxConcurrency(1), mn.MaxPending(2))
	w.worker(job)
	a, b := w.client(job), w.client(job)
	first := start(w, job.On(a.App), 0)
	reaches(w, job.On(a.App), first, mn.Running)
	ids := []mn.JobID{first, start(w, job.On(a.App), 1), start(w, job.On(b.App), 2)}
	for _, n := range []*node{a, b} {
		_, err := job.On(n.App).Start(w.ctx, 3, mn.WithLock("free"))
		require.ErrorIs(w.t, err, mn.ErrBackpressure)
	}
	require.Len(w.t, w.jobs(), 3, "nothing is stored of a refused start")
	for l, err := range a.Locks(w.ctx) {
		require.Fail(w.t, "a refused start holds a lock", "%v, %v", l, err)
	}
	goOn.raise()
	for _, id := range ids {
		succeeded(w, job.On(a.App), id)
	}
}

func checkSpares(w *world) { keepsSpares(w, mn.Cooldown(10*time.Millisecond)) }

func checkSparesWithoutCooldown(w *world) { keepsSpares(w, mn.Cooldown(0)) }

func keepsSpares(w *world, cooldown mn.FunctionOption) {
	w.t.Helper()
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n, nil },
		mn.SpareWorkers(3), mn.MaxWorkers(5), cooldown)
	w.worker(fn)
	w.worker(fn)
	w.eventually("the spares are there", func() bool { return w.pool("fn").Idle == 3 })
	client := w.client(fn)
	for v, err := range fn.On(client.App).Map(w.ctx, ints(50)) {
		require.NoError(w.t, err, v)
		require.LessOrEqual(w.t, w.pool("fn").Slots, 5)
	}
	w.eventually("only the spares stay", func() bool {
		p := w.pool("fn")
		return p.Idle == 3 && p.Slots == 3
	})
}
