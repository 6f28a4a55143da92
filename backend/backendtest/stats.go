package backendtest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// report adds to the statistics.
func (w *world) report(stats ...backend.PoolStats) {
	w.t.Helper()
	require.NoError(w.t, w.store.Report(w.ctx, stats))
}

// sample are statistics in which each count is another.
func sample(from uint64) (s backend.Stats) {
	s.Succeeded, s.Failed, s.Released = from, from+1, from+2
	for i := range backend.Buckets {
		s.Wait[i], s.Run[i] = from+10+uint64(i), from+100+uint64(i)
	}
	return s
}

var statsRules = []rule{
	{"reports add up", func(w *world) {
		p := w.host()
		require.Zero(w.t, w.pool(jobs).Stats)
		want := sample(1)
		w.report(backend.PoolStats{Pool: jobs, Stats: want})
		require.Equal(w.t, want, w.pool(jobs).Stats)
		require.Zero(w.t, w.pool(calls).Stats)
		more := sample(1 << 40)
		more.Wait[3], more.Failed = 0, 0
		w.report(backend.PoolStats{Pool: calls, Stats: more}, backend.PoolStats{Pool: jobs, Stats: more}, backend.PoolStats{Pool: jobs})
		require.Equal(w.t, more, w.pool(calls).Stats)
		want.Add(&more)
		require.Equal(w.t, want, w.pool(jobs).Stats)
		w.report()
		p.again()
		p.leave()
		require.Equal(w.t, want, w.pool(jobs).Stats, "they outlive those who reported them")
	}},
	{"reports on pools that do not exist are ignored, those sent with them are not", func(w *world) {
		w.client("c").start(task("a", jobs)) // a pool that is only used
		w.report(backend.PoolStats{Pool: "nothing", Stats: sample(1)}, backend.PoolStats{Pool: jobs, Stats: sample(2)})
		require.Equal(w.t, sample(2), w.pool(jobs).Stats)
		require.Zero(w.t, w.pool("nothing"))
		w.join("q", spec("nothing", backend.Job))
		require.Zero(w.t, w.pool("nothing").Stats)
	}},
	{"a report may be on many pools", func(w *world) {
		var pools []backend.PoolSpec
		var stats []backend.PoolStats
		for i := range 50 {
			pools = append(pools, spec("pool "+number(i), backend.Function))
			stats = append(stats, backend.PoolStats{Pool: pools[i].Name, Stats: sample(uint64(i))})
		}
		w.join("p", pools...)
		w.report(stats...)
		for i := range stats {
			require.Equal(w.t, stats[i].Stats, w.pool(stats[i].Pool).Stats)
		}
	}},
	{"a pool tells when the task that is next was submitted", func(w *world) {
		p := w.host(maxWorkers(2), retries(1))
		require.True(w.t, w.pool(calls).Oldest.IsZero())
		later := func(id string) { // so that no two are submitted in the same millisecond
			w.t.Helper()
			created := w.get(id).Created
			w.eventually(func() bool { return time.Since(created) > 2*time.Millisecond }, "time to pass")
		}
		slot := p.start(task("a", calls)).ID
		later("a")
		sub := task("b", calls)
		sub.Input, sub.Root, sub.Trace = []byte("0123456789"), "012", "9876543210"
		p.start(sub)
		later("b")
		n := nested("n", calls)
		n.Trace = "1"
		p.start(n)
		oldest := func(id string) {
			w.t.Helper()
			require.Equal(w.t, w.get(id).Created, w.pool(calls).Oldest)
		}
		require.True(w.t, w.pool(jobs).Oldest.IsZero())
		oldest("n") // goes before the others
		p.claim(slot)
		oldest("a")
		a := p.claim(slot)
		oldest("b")
		p.claim(slot)
		require.True(w.t, w.pool(calls).Oldest.IsZero())
		a.settle(backend.Settlement{Outcome: backend.Failed, RetryIn: long})
		require.True(w.t, w.pool(calls).Oldest.IsZero(), "what waits for a retry is not counted")
	}},
	{"a pool counts its jobs by status", func(w *world) {
		p := w.host(retries(1))
		require.Nil(w.t, w.pool(calls).Jobs)
		require.Empty(w.t, w.pool(jobs).Jobs)
		require.NotNil(w.t, w.pool(jobs).Jobs)
		p.run(task("s1", jobs)).succeed()
		p.run(task("s2", jobs)).succeed()
		p.run(task("f", jobs)).settle(backend.Settlement{Outcome: backend.Failed, Permanent: true})
		p.run(task("r", jobs))
		p.run(task("g", jobs))
		p.run(task("p", jobs)).fail()
		p.start(task("c", jobs))
		other := task("o", "other")
		p.start(other, task("call", calls))
		w.cancel("g", "c")
		want := map[backend.Status]int{
			backend.StatusSucceeded: 2, backend.StatusFailed: 1, backend.StatusRunning: 1, backend.StatusCancelling: 1,
			backend.StatusPending: 1, backend.StatusCancelled: 1,
		}
		require.Equal(w.t, want, w.pool(jobs).Jobs)
		require.Equal(w.t, map[backend.Status]int{backend.StatusPending: 1}, w.pool("other").Jobs)
		require.Nil(w.t, w.pool(calls).Jobs)
		w.remove("s1", "f")
		delete(want, backend.StatusFailed)
		want[backend.StatusSucceeded] = 1
		require.Equal(w.t, want, w.pool(jobs).Jobs)
	}},
}
