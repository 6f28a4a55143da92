package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var exitRules = []rule{
	{"tasks of a worker whose exit was seen are lost at once", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.crash("exit code 137: out of memory")
		got := w.get("a")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, &backend.Failure{Code: backend.CodeLost, Note: "exit code 137: out of memory"}, got.Failure)
		require.Equal(w.t, 1, got.Crashes)
		require.Zero(w.t, got.Errors)
		require.False(w.t, got.Ended.IsZero())
		require.Zero(w.t, w.counts(jobs))
		require.Equal(w.t, []backend.LeaseState{backend.LeaseLost}, p.beat(a))
	}},
	{"an exit repeated, or of an unknown slot, is no error", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.crash("")
		a.crash("")
		w.exit("nothing", "")
		require.NoError(w.t, w.store.Exit(w.ctx, nil))
		require.Equal(w.t, 1, w.get("a").Crashes)
		require.Equal(w.t, counts{Pending: 1}, w.counts(jobs))
	}},
	{"an exit of a worker that never came frees its slot", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", jobs))
		w.exit(slot.ID, "")
		require.Equal(w.t, counts{Pending: 1}, w.counts(jobs))
		require.Zero(w.t, w.get("a").Crashes, "a task that no worker had is not lost")
		require.Equal(w.t, "a", p.next(jobs).Lease.Task)
	}},
	{"an exit after the end changes nothing", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		before := w.get("a")
		a.crash("late")
		require.Equal(w.t, before, w.get("a"))
	}},
	{"exits come in batches", func(w *world) {
		p := w.host()
		a, b := p.run(task("a", jobs)), p.run(task("b", jobs))
		exits := []backend.SlotExit{{Slot: a.Lease.Slot, Note: "1"}, {Slot: "nothing"}, {Slot: b.Lease.Slot, Note: "2"}}
		require.NoError(w.t, w.store.Exit(w.ctx, exits))
		require.Equal(w.t, "1", w.get("a").Failure.Note)
		require.Equal(w.t, "2", w.get("b").Failure.Note)
	}},
	{"a lost task goes at once to an idle worker", func(w *world) {
		p := w.host(crashes(1))
		slots := p.workers(calls, 2)
		p.start(task("a", calls))
		a := p.claim(slots[0])
		idle := p.rest(calls, slots[1], long)
		a.crash("")
		require.Equal(w.t, 2, idle.gets("a").Attempt)
	}},
}
