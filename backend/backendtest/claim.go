package backendtest

import (
	"context"
	"errors"
	"fmt"
	"time"

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

var idleRules = []rule{
	{"a worker idle for its cooldown retires and its slot ends", func(w *world) {
		p := w.host()
		slot := p.worker()
		idle := p.rest(calls, slot, 50*time.Millisecond)
		idle.fails(backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
		p.claimFails(slot, backend.ErrSlotLost)
	}},
	{"a worker without cooldown retires at once when there is nothing to do", func(w *world) {
		p := w.host()
		slot := p.worker()
		p.claimFails(slot, backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
		p.claimFails(slot, backend.ErrSlotLost)
	}},
	{"a worker without cooldown does what there is to do", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.worker()
		p.start(task("a", calls))
		p.claim(slot).succeed()
		p.result("a")
	}},
	{"each task starts the cooldown anew", func(w *world) {
		p, c := w.host(), w.client("c")
		slot := p.worker()
		const cooldown = 100 * time.Millisecond
		begin := time.Now()
		for i := 0; time.Since(begin) < 3*cooldown; i++ {
			rested := time.Now()
			idle := p.rest(calls, slot, cooldown)
			c.start(task(fmt.Sprint(i), calls))
			idle.end()
			if errors.Is(idle.err, backend.ErrRetired) { // the machine stalled for so long
				require.GreaterOrEqual(w.t, time.Since(rested), cooldown)
				return
			}
			idle.gets(fmt.Sprint(i)).succeed()
		}
		last := time.Now()
		p.rest(calls, slot, cooldown).fails(backend.ErrRetired)
		require.GreaterOrEqual(w.t, time.Since(last), cooldown)
	}},
	{"spares do not retire", func(w *world) {
		p, c := w.host(spares(1)), w.client("c")
		slots := p.workers(calls, 3)
		first := p.rest(calls, slots[0], 10*time.Millisecond)
		other := spec("other", backend.Function)
		q := w.join("q", other)
		q.rest("other", q.workers("other", 1)[0], 50*time.Millisecond).fails(backend.ErrRetired)
		require.True(w.t, first.pending(), "the spare retired")
		require.Equal(w.t, 1, w.pool(calls).Idle)
		c.start(task("a", calls))
		first.gets("a").succeed()
	}},
	{"idle workers above the spares retire", func(w *world) {
		p := w.host(spares(1))
		slots := p.workers(calls, 3)
		var idle []*waiting
		for _, slot := range slots {
			idle = append(idle, p.rest(calls, slot, 30*time.Millisecond))
		}
		w.eventually(func() bool { return w.pool(calls).Slots == 1 }, "two workers to retire")
		require.Equal(w.t, 1, w.pool(calls).Idle)
		waits := 0
		for _, r := range idle {
			if r.pending() {
				waits++
			}
		}
		require.GreaterOrEqual(w.t, waits, 1)
	}},
	{"a worker that is a spare no more retires", func(w *world) {
		p := w.host(spares(1))
		idle := p.rest(calls, p.worker(), 10*time.Millisecond)
		p.Pools = []backend.PoolSpec{spec(calls, backend.Function)}
		p.again()
		idle.fails(backend.ErrRetired)
	}},
	{"an idle worker whose slot is ended gets to know", func(w *world) {
		p := w.host()
		slot := p.worker()
		idle := p.rest(calls, slot, long)
		require.NoError(w.t, w.store.Exit(w.ctx, []backend.SlotExit{{Slot: slot}}))
		idle.fails(backend.ErrSlotLost)
		require.Zero(w.t, w.counts(calls))
	}},
}

var nestedRules = []rule{
	{"a nested claim takes only nested tasks", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("top", calls), nested("deep", calls))
		b := p.claimNested(a.Lease.Slot)
		require.Equal(w.t, "deep", b.Lease.Task)
		require.Equal(w.t, 1, b.Depth)
		require.Equal(w.t, counts{Pending: 1, Running: 2, Slots: 1}, w.counts(calls))
		b.succeed()
		a.succeed()
		require.Equal(w.t, "top", p.claim(a.Lease.Slot).Lease.Task)
	}},
	{"a waiting nested claim gets no other task, and never ends the slot", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", calls))
		req := p.request(a.Lease.Slot)
		req.Nested = true
		lent := p.await(req)
		c.start(task("top", calls))
		c.start(nested("deep", calls))
		lent.gets("deep").succeed()
		w.is("top", backend.StatusPending)
		a.succeed()
		p.claim(a.Lease.Slot).succeed()
		c.result("top")
	}},
	{"nested tasks that no worker of their own can take are lent to a waiting worker", func(w *world) {
		p := w.host(maxWorkers(1), crashes(0))
		a := p.run(task("a", calls))
		for i := range 20 {
			req := p.request(a.Lease.Slot)
			req.Nested = true
			lent := p.await(req)
			p.counts(calls) // gives the claim time to begin waiting; either order must work
			id := fmt.Sprint(i)
			p.start(nested(id, calls))
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
			req := p.request(a.Lease.Slot)
			req.Nested = true
			lent := p.await(req)
			p.counts(calls)
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
		req := p.request(a.Lease.Slot)
		req.Nested = true
		lent := p.await(req)
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
		req := p.request(a.Lease.Slot)
		req.Nested = true
		lent := p.await(req)
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		lent.fails(backend.ErrSlotLost)
	}},
}
