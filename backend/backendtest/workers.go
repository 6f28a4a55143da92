package backendtest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// slots reads all worker slots of a pool, by slot.
func (w *world) slots(pool string) map[string]backend.WorkerInfo {
	w.t.Helper()
	page, err := w.store.Workers(w.ctx, pool, 0, 1000)
	require.NoError(w.t, err)
	all := make(map[string]backend.WorkerInfo)
	for _, i := range page {
		require.NotContains(w.t, all, i.Slot)
		require.Equal(w.t, pool, i.Pool)
		all[i.Slot] = i
	}
	return all
}

var workerRules = []rule{
	{"a slot is starting, busy or idle", func(w *world) {
		p := w.joinAs(backend.Session{ID: "p", Label: "host:1", Launches: true, Pools: []backend.PoolSpec{spec(calls, backend.Function)}})
		slot := p.start(task("a", calls)).ID
		info := backend.WorkerInfo{Slot: slot, Pool: calls, State: backend.WorkerStarting, Session: "p", Label: "host:1"}
		require.Equal(w.t, map[string]backend.WorkerInfo{slot: info}, w.slots(calls))
		a := p.claim(slot)
		info.State, info.Tasks = backend.WorkerBusy, []string{"a"}
		require.Equal(w.t, info, w.slots(calls)[slot])
		a.succeed()
		info.State, info.Tasks = backend.WorkerIdle, nil
		require.Equal(w.t, info, w.slots(calls)[slot])
		idle := p.rest(calls, slot, long)
		require.Equal(w.t, info, w.slots(calls)[slot])
		p.start(task("b", calls))
		idle.gets("b")
		info.State, info.Tasks = backend.WorkerBusy, []string{"b"}
		require.Equal(w.t, map[string]backend.WorkerInfo{slot: info}, w.slots(calls))
		p.exit(slot, "")
		require.Empty(w.t, w.slots(calls))
	}},
	{"a slot tells all of its tasks", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(nested("n", calls), task("c", calls))
		p.claimNested(a.Lease.Slot)
		require.ElementsMatch(w.t, []string{"a", "n"}, w.slots(calls)[a.Lease.Slot].Tasks)
	}},
	{"a slot lives in the session that claims, and before in that which launches it", func(w *world) {
		pools := []backend.PoolSpec{spec(jobs, backend.Job)}
		p := w.joinAs(backend.Session{ID: "launcher", Label: "one", Launches: true, Pools: pools})
		q := w.joinAs(backend.Session{ID: "worker", Label: "two", Pools: pools})
		slot := p.start(task("a", jobs)).ID
		require.Equal(w.t, "launcher", w.slots(jobs)[slot].Session)
		require.Equal(w.t, "one", w.slots(jobs)[slot].Label)
		q.claim(slot)
		require.Equal(w.t, backend.WorkerInfo{
			Slot: slot, Pool: jobs, State: backend.WorkerBusy, Session: "worker", Label: "two", Tasks: []string{"a"},
		}, w.slots(jobs)[slot])
	}},
	{"a label is the one joined last", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs)).ID
		require.Empty(w.t, w.slots(jobs)[slot].Label)
		for _, label := range []string{"a: {b}\x00", "c", ""} {
			p.Label = label
			p.again()
			require.Equal(w.t, label, w.slots(jobs)[slot].Label)
		}
	}},
	{"pages of slots have each slot once, and only the pool's", func(w *world) {
		const n = 7
		p := w.join("p", spec(jobs, backend.Job), spec(calls, backend.Function, maxWorkers(n)))
		p.start(task("job", jobs))
		var want []string
		for i, a := range p.submit(tasks(n)...) {
			want = append(want, a.Slot.ID)
			if i%2 == 0 {
				p.claim(a.Slot.ID)
			}
		}
		for limit := 1; limit <= n+1; limit++ {
			var got []string
			for offset := 0; offset < n+1; offset += limit {
				page, err := w.store.Workers(w.ctx, calls, offset, limit)
				require.NoError(w.t, err)
				require.Len(w.t, page, max(0, min(limit, n-offset)))
				for _, i := range page {
					got = append(got, i.Slot)
				}
			}
			require.ElementsMatch(w.t, want, got, "in pages of %d", limit)
		}
		require.Len(w.t, w.slots(jobs), 1)
		for _, pool := range []string{"nothing", ""} {
			require.Empty(w.t, w.slots(pool))
		}
		page, err := w.store.Workers(w.ctx, calls, 0, 0)
		require.NoError(w.t, err)
		require.Empty(w.t, page)
		for _, bad := range [][2]int{{-1, 0}, {0, -1}, {-5, -5}} {
			page, err := w.store.Workers(w.ctx, calls, bad[0], bad[1])
			require.NoError(w.t, err)
			require.Empty(w.t, page)
		}
	}},
	{"a page may have many slots", func(w *world) {
		const n = 450
		p := w.host(maxWorkers(n))
		var want []string
		for _, a := range p.submit(tasks(n)...) {
			want = append(want, a.Slot.ID)
		}
		slices.Sort(want)
		var got []string
		for id := range w.slots(calls) {
			got = append(got, id)
		}
		slices.Sort(got)
		require.Equal(w.t, want, got)
		page, err := w.store.Workers(w.ctx, calls, 10, n-20)
		require.NoError(w.t, err)
		require.Len(w.t, page, n-20)
	}},
}
