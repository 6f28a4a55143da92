package backendtest

import (
	"fmt"
	"runtime"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var bundleRules = []rule{
	{"of tasks submitted together no worker gets more than its Bundle while others wait", func(w *world) {
		for _, b := range []struct{ max, bundle, most int }{{64, 3, 3}, {2, 64, 2}, {64, 0, 1}, {0, 64, 1}} {
			w := newWorld(w.t, w.place)
			p, c := w.host(maxWorkers(2)), w.client("c")
			var idle []*waiting
			for _, slot := range p.workers(calls, 2) {
				req := p.rests(slot, b.max)
				req.Bundle = b.bundle
				idle = append(idle, p.restAs(calls, req))
			}
			c.start(tasks(9)...)
			got := 0
			for _, i := range idle {
				i.end()
				require.NoError(w.t, i.err)
				require.LessOrEqual(w.t, len(i.as), b.most)
				got += len(p.attempts(i.a.Lease.Slot, i.as))
			}
			require.Equal(w.t, counts{Pending: 9 - got, Running: got, Slots: 2}, w.counts(calls))
			for _, id := range numbers(got, 9) {
				w.is(id, backend.StatusPending)
			}
			require.Equal(w.t, numbers(got, 9), p.exhaust(idle[0].a.Lease.Slot, 64))
		}
	}},
	{"tasks submitted one by one wake a worker each", func(w *world) {
		p, c := w.host(maxWorkers(2)), w.client("c")
		var idle []*waiting
		for _, slot := range p.workers(calls, 2) {
			req := p.rests(slot, 64)
			idle = append(idle, p.restAs(calls, req))
		}
		c.start(task("a", calls))
		c.start(task("b", calls))
		for _, i := range idle {
			i.end()
			require.Len(w.t, i.as, 1)
		}
	}},
	{"tasks of other pools are not handed over with one", func(w *world) {
		p := w.join("p", spec(calls, backend.Function), spec("other", backend.Function))
		slot, other := p.worker(), p.workers("other", 1)[0]
		req := p.rests(slot, 64)
		idle := p.restAs(calls, req)
		req = p.rests(other, 64)
		idle2 := p.restAs("other", req)
		p.start(task("a", calls), task("job", jobs), backend.Submission{ID: "o", Kind: backend.Function, Pool: "other"}, task("b", calls))
		idle.end()
		require.Equal(w.t, "a", idle.a.Lease.Task)
		for _, as := range idle.as {
			require.Equal(w.t, calls, as.Pool)
		}
		idle2.gets("o")
	}},
	{"tasks of two pools in turn all reach a worker that waits, or the queue", func(w *world) {
		p := w.join("p", spec(calls, backend.Function), spec("other", backend.Function))
		mine := p.restAs(calls, p.rests(p.worker(), 64))
		theirs := p.restAs("other", p.rests(p.workers("other", 1)[0], 64))
		var subs []backend.Submission
		for i := range 6 {
			subs = append(subs, task(fmt.Sprint("mine", i), calls), task(fmt.Sprint("theirs", i), calls))
			subs[len(subs)-1].Pool = "other"
		}
		p.start(subs...)
		for pool, idle := range map[string]*waiting{calls: mine, "other": theirs} {
			idle.end()
			require.NoError(w.t, idle.err)
			got := p.attempts(idle.a.Lease.Slot, idle.as)
			require.Equal(w.t, len(got), w.pool(pool).Running, "what is leased is in a worker's hand")
			require.Equal(w.t, 6-len(got), w.pool(pool).Pending)
		}
	}},
	{"a nested task is not added to others", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		req := p.rests(p.worker(), 64)
		idle := p.restAs(calls, req)
		c.start(task("a", calls), nested("n", calls))
		idle.gets("a")
		w.is("n", backend.StatusPending)
	}},
	{"nested claims that wait get one task", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		req := p.several(a.Lease.Slot, 64)
		req.Nested = true
		lent := p.await(req)
		for range 20 { // it is not counted as idle, so that nobody can see it wait
			runtime.Gosched()
			w.find("a")
		}
		n := 0
		w.eventually(func() bool {
			n++
			p.start(nested(fmt.Sprint("n", n), calls), task(fmt.Sprint("top", n), calls))
			return !lent.pending()
		}, "a nested claim to get a task")
		require.NoError(w.t, lent.err)
		require.Len(w.t, lent.as, 1)
		require.Equal(w.t, 1, lent.a.Depth)
		for i := range n {
			w.is(fmt.Sprint("top", i+1), backend.StatusPending)
		}
	}},
	{"a job's worker that waits gets one job", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", jobs))
		a.succeed()
		req := p.rests(a.Lease.Slot, 64)
		idle := p.restAs(jobs, req)
		c.start(task("b", jobs), task("c", jobs))
		idle.gets("b")
		w.is("c", backend.StatusPending)
	}},
	{"a claim repeated after its tasks were handed over together returns them all", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		req := p.rests(p.worker(), 64)
		idle := p.restAs(calls, req)
		c.start(tasks(5)...)
		idle.end()
		batch := p.attempts(req.Slot, idle.as)
		require.Equal(w.t, batch, p.claimAll(req))
		p.end(backend.Succeeded, batch...)
		require.Equal(w.t, numbers(len(batch), 5), append([]string(nil), p.exhaust(req.Slot, 64)...))
	}},
	{"tasks handed over together as the claim's context ends are not lost", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		slot := p.worker()
		for round := range 50 {
			req := p.rests(slot, 64)
			idle := p.restAs(calls, req)
			var subs []backend.Submission
			for i := range 4 {
				subs = append(subs, task(fmt.Sprint(round, " ", i), calls))
			}
			if round%2 == 0 {
				w.beside(idle.stop)
			} else {
				idle.stop() // it ends by and by, and is known to wait until then
			}
			c.start(subs...)
			idle.end()
			if idle.err == nil {
				p.end(backend.Succeeded, p.attempts(slot, idle.as)...)
			}
			require.Zero(w.t, w.pool(calls).Running, "leased to nobody: %v", idle.err)
			p.exhaust(slot, 64)
			for _, sub := range subs {
				require.Equal(w.t, 1, c.result(sub.ID).Attempt)
			}
		}
	}},
	{"many clients and workers with batches: each call is executed once and answered", func(w *world) {
		const clients, workers, rounds, each = 4, 4, 10, 16
		p := w.host(maxWorkers(workers))
		for i, slot := range p.workers(calls, workers) {
			w.beside(func() { p.serveBatches(slot, 1+3*i) })
		}
		var callers []*process
		for i := range clients {
			callers = append(callers, w.client(fmt.Sprint("client ", i)))
		}
		together(clients, func(i int) {
			for round := range rounds {
				subs := make([]backend.Submission, each)
				for n := range subs {
					subs[n] = task(fmt.Sprint(i, " ", round, " ", n), calls)
					subs[n].Depth = n / 12
				}
				if _, err := w.store.Submit(w.ctx, callers[i].ID, subs); err != nil {
					w.t.Errorf("submit: %v", err)
				}
			}
		})
		for i, c := range callers {
			for n := range rounds * each {
				id := fmt.Sprint(i, " ", n/each, " ", n%each)
				require.Equal(w.t, backend.Result{ID: id, Status: backend.StatusSucceeded, Data: []byte(id), Attempt: 1}, c.result(id))
			}
		}
		require.Equal(w.t, counts{Slots: workers, Idle: workers}, w.settlesTo(workers))
		p.leave()
	}},
}

// settlesTo waits until all workers of the usual function wait.
func (w *world) settlesTo(idle int) counts {
	w.t.Helper()
	w.eventually(func() bool { return w.pool(calls).Idle == idle }, "%d idle workers", idle)
	return w.counts(calls)
}

// serveBatches executes calls until the slot ends, up to n at once. It answers the first
// half of each batch, the last of it first, and hands back the others.
func (p *process) serveBatches(slot string, n int) {
	for op := uint64(1000); ; op++ {
		as, err := p.store.Claim(p.ctx, backend.ClaimRequest{
			Slot: slot, Session: p.ID, Op: op, Cooldown: long, Max: n, Bundle: (n + 1) / 2,
		})
		if err != nil {
			return
		}
		ends := make([]backend.Settlement, 0, len(as))
		for i := len(as) - 1; i >= 0; i-- {
			end := backend.Settlement{Lease: as[i].Lease, Outcome: backend.Released}
			if i <= len(as)/2 {
				end.Outcome, end.Result = backend.Succeeded, []byte(as[i].Lease.Task)
			}
			ends = append(ends, end)
		}
		got, err := p.store.Settle(p.ctx, ends)
		if err != nil {
			p.t.Errorf("settle: %v", err)
		}
		for i := range got {
			if got[i].Err != nil {
				p.t.Errorf("settle of %s: %v", ends[i].Lease.Task, got[i].Err)
			}
		}
	}
}
