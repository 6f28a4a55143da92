package backendtest

import (
	"context"
	"fmt"
	"runtime"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// lend has a worker whose handler waits claim nested tasks beside the case, mostly
// from before it returns: it gives the other goroutine time, without depending on it.
func (p *process) lend(slot string) *waiting {
	req := p.request(slot)
	req.Nested = true
	lent := p.await(req)
	for range 20 {
		runtime.Gosched()
		p.counts(calls)
	}
	return lent
}

var nestedRules = []rule{
	{"a nested claim takes only nested tasks", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("top", calls))
		lent := p.lend(a.Lease.Slot)
		p.start(nested("deep", calls))
		b := lent.gets("deep")
		require.Equal(w.t, 1, b.Depth)
		require.Equal(w.t, counts{Pending: 1, Running: 2, Slots: 1}, w.counts(calls))
		b.succeed()
		a.succeed()
		require.Equal(w.t, "top", p.claim(a.Lease.Slot).Lease.Task)
	}},
	{"a waiting nested claim gets no other task, and never ends the slot", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", calls))
		lent := p.lend(a.Lease.Slot)
		c.start(task("top", calls))
		c.start(nested("deep", calls))
		lent.gets("deep").succeed()
		w.is("top", backend.StatusPending)
		a.succeed()
		p.claim(a.Lease.Slot).succeed()
		c.result("top")
	}},
	{"nested tasks that no worker of their own can take are lent to a waiting worker", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", calls))
		for i := range 20 {
			lent := p.lend(a.Lease.Slot)
			id := fmt.Sprint(i)
			[]*process{p, c}[i%2].start(nested(id, calls))
			b := lent.gets(id)
			require.Equal(w.t, a.Lease.Slot, b.Lease.Slot)
			b.succeed()
		}
		require.Equal(w.t, 1, w.pool(calls).Slots)
	}},
	{"nested tasks are lent when the platform refuses the worker that was to take them", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		for i := range 20 {
			lent := p.lend(a.Lease.Slot)
			id := fmt.Sprint(i)
			if slot := p.start(nested(id, calls)).ID; slot != "" {
				exit := backend.SlotExit{Slot: slot, Note: "no capacity", Refused: true}
				require.NoError(w.t, w.store.Exit(w.ctx, []backend.SlotExit{exit}))
			}
			lent.gets(id).succeed()
		}
	}},
	{"a nested claim whose context ends takes nothing", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		lent := p.lend(a.Lease.Slot)
		lent.stop()
		lent.fails(context.Canceled)
		p.start(nested("deep", calls))
		w.is("deep", backend.StatusPending)
		require.Equal(w.t, "deep", p.claimNested(a.Lease.Slot).Lease.Task)
	}},
	{"a lent worker that is lost loses both tasks", func(w *world) {
		p := w.host(maxWorkers(1), crashes(1))
		a := p.run(task("a", calls))
		p.start(nested("deep", calls))
		b := p.claimNested(a.Lease.Slot)
		b.crash("gone")
		for _, id := range []string{"a", "deep"} {
			got := w.get(id)
			require.Equal(w.t, backend.StatusPending, got.Status)
			require.Equal(w.t, 1, got.Crashes)
		}
		require.Equal(w.t, counts{Pending: 2}, w.counts(calls))
	}},
	{"a nested claim repeated with the same Op returns the same task", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(nested("one", calls), nested("two", calls))
		req := p.request(a.Lease.Slot)
		req.Nested = true
		require.Equal(w.t, p.claimAs(req).Lease, p.claimAs(req).Lease)
		w.is("two", backend.StatusPending)
	}},
	{"a nested claim ends when its slot does", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		lent := p.lend(a.Lease.Slot)
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		lent.fails(backend.ErrSlotLost)
	}},
}
