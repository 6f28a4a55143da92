package backendtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// ripe returns when a session that joined now with this life would have expired,
// seen in another namespace: sweeping this one would repair what the case is about.
func (w *world) ripe() {
	w.t.Helper()
	other := newWorld(w.t, w.place)
	other.joinAs(brief("clock")).expires()
}

var sweepRules = []rule{
	{"a sweep with nothing to repair repairs nothing", func(w *world) {
		p := w.host()
		p.run(task("a", jobs))
		p.start(task("b", jobs))
		n, err := w.store.Sweep(w.ctx, 100)
		require.NoError(w.t, err)
		require.Zero(w.t, n)
		w.is("a", backend.StatusRunning)
		require.Equal(w.t, 2, w.pool(jobs).Slots)
	}},
	{"a sweep is bounded by its limit and says how many it repaired", func(w *world) {
		for i := range 5 {
			w.joinAs(brief(fmt.Sprint(i)))
		}
		w.ripe()
		for _, want := range []int{2, 2, 1, 0} {
			n, err := w.store.Sweep(w.ctx, 2)
			require.NoError(w.t, err)
			require.Equal(w.t, want, n)
		}
	}},
	{"a sweep of overdue tasks is bounded too", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(1, 1)))
		for i := range 5 {
			p.run(task(fmt.Sprint(i), jobs))
		}
		w.ripe()
		ended := []backend.Status{backend.StatusFailed}
		for i, want := range []int{2, 2, 1, 0} {
			n, err := w.store.Sweep(w.ctx, 2)
			require.NoError(w.t, err)
			require.Equal(w.t, want, n)
			require.Len(w.t, w.page(backend.ListRequest{Statuses: ended}), min(5, 2*(i+1)))
		}
	}},
	{"a sweep of slots that did not start is bounded too", func(w *world) {
		p := w.joinAs(backend.Session{
			ID: "p", Launches: true, Starting: time.Millisecond, Pools: []backend.PoolSpec{spec(jobs, backend.Job)},
		})
		for i := range 5 {
			p.start(task(fmt.Sprint(i), jobs))
		}
		w.ripe()
		for i, want := range []int{2, 2, 1, 0} {
			n, err := w.store.Sweep(w.ctx, 2)
			require.NoError(w.t, err)
			require.Equal(w.t, want, n)
			require.Equal(w.t, max(0, 5-2*(i+1)), w.pool(jobs).Slots)
		}
	}},
	{"a sweep with limit 0 repairs nothing", func(w *world) {
		p := w.joinAs(brief("p"))
		w.ripe()
		n, err := w.store.Sweep(w.ctx, 0)
		require.NoError(w.t, err)
		require.Zero(w.t, n)
		require.True(w.t, p.alive())
	}},
	{"any number of processes may sweep: each repair is done once", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(1, 1), retries(5)))
		for i := range 10 {
			p.run(task(fmt.Sprint(i), jobs, fmt.Sprint(i)))
		}
		for i := range 10 {
			w.joinAs(brief(fmt.Sprint(i)))
		}
		w.ripe()
		var repaired atomic.Int64
		var sweepers sync.WaitGroup
		for range 8 {
			sweepers.Go(func() {
				for {
					n, err := w.store.Sweep(w.ctx, 3)
					if err != nil || n == 0 {
						return
					}
					repaired.Add(int64(n))
				}
			})
		}
		sweepers.Wait()
		require.Equal(w.t, int64(20), repaired.Load())
		for i := range 10 {
			require.Equal(w.t, backend.StatusFailed, w.status(fmt.Sprint(i)))
			require.Zero(w.t, w.get(fmt.Sprint(i)).Crashes)
		}
		require.Empty(w.t, w.held())
		require.Zero(w.t, w.counts(jobs))
	}},
	{"what is not in doubt is not swept with what is", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs, "key"))
		idle := p.rest(calls, p.worker(), long)
		starting := p.start(task("b", jobs))
		q := w.joinAs(brief("q", spec("other", backend.Job)))
		sub := task("c", "other")
		q.run(sub)
		q.expires()
		w.is("c", backend.StatusFailed)
		w.is("a", backend.StatusRunning)
		w.holds("a", "key")
		require.True(w.t, idle.pending())
		p.claim(starting.ID)
		a.succeed()
	}},
}
