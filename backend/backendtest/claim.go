package backendtest

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var claimRules = []rule{
	{"a claim leases the oldest task of the slot's pool", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("c", calls), task("b", calls), task("a", calls), task("job", jobs)).ID
		for _, id := range []string{"c", "b", "a"} {
			a := p.claim(slot)
			require.Equal(w.t, id, a.Lease.Task)
			w.is(id, backend.StatusRunning)
			a.succeed()
		}
		p.claimFails(slot, backend.ErrRetired)
		w.is("job", backend.StatusPending)
	}},
	{"nested tasks go first", func(w *world) {
		p := w.host(maxWorkers(1))
		deeper := nested("n2", calls)
		deeper.Depth = 7
		slot := p.start(task("a", calls), task("b", calls), nested("n1", calls), deeper).ID
		for _, id := range []string{"n1", "n2", "a", "b"} {
			a := p.claim(slot)
			require.Equal(w.t, id, a.Lease.Task)
			a.succeed()
		}
	}},
	{"a claim tells what the handler needs", func(w *world) {
		p := w.host(retries(1))
		sub := backend.Submission{
			ID: "a", Kind: backend.Job, Pool: jobs, Input: []byte("input"), Parent: "parent", Depth: 2,
		}
		a := p.run(sub)
		created := w.get("a").Created
		want := backend.Assignment{
			Lease: a.Lease, Kind: backend.Job, Pool: jobs, Input: sub.Input, Parent: "parent", Depth: 2, Attempt: 1, Created: created,
		}
		require.Equal(w.t, want, *a.Assignment)
		require.Equal(w.t, "a", a.Lease.Task)
		a.yield(3)
		a.fail()
		second := p.claim(a.Lease.Slot)
		want.Lease, want.Attempt = second.Lease, 2
		want.Result, want.Yields = value(3).Data, 3
		require.Equal(w.t, want, *second.Assignment)
	}},
	{"a claim makes the task RUNNING and charges an attempt", func(w *world) {
		p := w.host()
		p.run(task("a", jobs))
		got := w.get("a")
		require.Equal(w.t, backend.StatusRunning, got.Status)
		require.Equal(w.t, 1, got.Attempt)
		require.False(w.t, got.Started.IsZero())
		require.False(w.t, got.Started.Before(got.Created))
		require.Empty(w.t, got.Reason)
	}},
	{"the first claim brings a reserved slot to life", func(w *world) {
		p := w.host()
		slot := p.start(task("a", calls))
		require.Equal(w.t, counts{Pending: 1, Starting: 1, Slots: 1}, w.counts(calls))
		a := p.claim(slot.ID)
		require.Equal(w.t, counts{Running: 1, Slots: 1}, w.counts(calls))
		a.succeed()
		require.Equal(w.t, counts{Slots: 1}, w.counts(calls))
	}},
	{"any process may claim with a slot that another one launched", func(w *world) {
		p, q := w.host(), w.client("worker process")
		slot := p.start(task("a", calls))
		a := q.claim(slot.ID)
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld}, q.beat(a))
		a.succeed()
		require.Equal(w.t, backend.StatusSucceeded, p.result("a").Status)
	}},
	{"epochs grow with every lease of the namespace, and nonces differ", func(w *world) {
		p := w.host(retries(100))
		var last backend.Lease
		nonces := make(map[uint64]bool)
		slots := []string{p.start(task("a", jobs)).ID, p.start(task("b", calls)).ID}
		for i := range 20 {
			a := p.claim(slots[i%2])
			require.Greater(w.t, a.Lease.Epoch, last.Epoch)
			require.Equal(w.t, slots[i%2], a.Lease.Slot)
			last = a.Lease
			nonces[last.Nonce] = true
			a.release()
		}
		require.Len(w.t, nonces, 20)
	}},
	{"a claim repeated with the same Op returns the same task while that is leased", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", calls), task("b", calls)).ID
		req := p.request(slot)
		first := p.claimAs(req)
		second := p.claimAs(req)
		require.Equal(w.t, first.Assignment, second.Assignment)
		require.Equal(w.t, 1, w.get("a").Attempt)
		w.is("b", backend.StatusPending)
		first.succeed()
		require.Equal(w.t, "b", p.claimAs(req).Lease.Task)
	}},
	{"a claim with another Op is another claim", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", calls), task("b", calls)).ID
		require.Equal(w.t, "a", p.claim(slot).Lease.Task)
		require.Equal(w.t, "b", p.claim(slot).Lease.Task)
	}},
	{"the same Op of another slot is another claim", func(w *world) {
		p := w.host()
		got := p.submit(task("a", calls), task("b", calls))
		one := p.claimAs(backend.ClaimRequest{Slot: got[0].Slot.ID, Session: p.ID, Op: 7})
		two := p.claimAs(backend.ClaimRequest{Slot: got[1].Slot.ID, Session: p.ID, Op: 7})
		require.NotEqual(w.t, one.Lease.Task, two.Lease.Task)
	}},
	{"a claim repeated after its task was handed over returns that task", func(w *world) {
		p := w.host()
		slot := p.worker()
		req := p.request(slot)
		req.Cooldown = long
		idle := p.await(req)
		w.eventually(func() bool { return w.pool(calls).Idle == 1 }, "an idle worker")
		p.start(task("a", calls))
		a := idle.gets("a")
		require.Equal(w.t, a.Lease, p.claimAs(req).Lease)
	}},
	{"a claim with an unknown slot is lost", func(w *world) {
		p := w.host()
		p.start(task("a", jobs))
		p.claimFails("nothing", backend.ErrSlotLost)
		w.is("a", backend.StatusPending)
	}},
	{"a claim with a slot that has ended is lost", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		a.crash("")
		p.start(task("b", calls))
		p.claimFails(a.Lease.Slot, backend.ErrSlotLost)
		w.is("b", backend.StatusPending)
	}},
	{"a waiting claim whose context ends takes nothing, and the worker may claim again", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		slot := p.worker()
		idle := p.rest(calls, slot, long)
		idle.stop()
		idle.fails(context.Canceled)
		require.Equal(w.t, counts{Slots: 1}, w.counts(calls))
		c.start(task("a", calls))
		w.is("a", backend.StatusPending)
		p.claim(slot).succeed()
		c.result("a")
	}},
	{"a task handed over as the claim's context ends is not lost", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		slot := p.worker()
		for i := range 50 {
			id := fmt.Sprint(i)
			idle := p.rest(calls, slot, long)
			w.beside(idle.stop)
			c.start(task(id, calls))
			idle.end()
			if idle.err != nil {
				require.ErrorIs(w.t, idle.err, context.Canceled)
				p.claim(slot).succeed()
			} else {
				idle.gets(id).succeed()
			}
			require.Equal(w.t, 1, c.result(id).Attempt)
		}
	}},
	{"many waiting workers get one task each", func(w *world) {
		const n = 20
		p, c := w.host(maxWorkers(n)), w.client("c")
		var idle []*waiting
		for _, slot := range p.workers(calls, n) {
			idle = append(idle, p.rest(calls, slot, long))
		}
		for i := range n {
			c.start(task(fmt.Sprint(i), calls))
		}
		seen := make(map[string]bool)
		for _, r := range idle {
			r.end()
			require.NoError(w.t, r.err)
			seen[r.a.Lease.Task] = true
		}
		require.Len(w.t, seen, n)
	}},
}
