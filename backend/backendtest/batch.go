package backendtest

import (
	"fmt"
	"runtime"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// A store may give fewer tasks than a claim could get, even one by one. The rules
// of batches therefore say what it must not do with those that it gives together.

// several is a claim of up to n tasks, ready to wait for them.
func (p *process) several(slot string, n int) backend.ClaimRequest {
	req := p.request(slot)
	req.Max, req.Bundle = n, n
	return req
}

// rests is a claim like several, of a worker that stays where there is nothing to do.
func (p *process) rests(slot string, n int) backend.ClaimRequest {
	req := p.several(slot, n)
	req.Cooldown = long
	return req
}

// share is how many of the tasks that wait a claim may get at the most.
func (p *process) share(n int) int {
	p.t.Helper()
	now := p.pool(calls)
	return max(1, min(n, (now.Pending+now.Slots-1)/now.Slots))
}

// claimSeveral claims up to n calls, of which there must be some, and checks that the
// slot gets no more than its share, each under a lease of its own.
func (p *process) claimSeveral(slot string, n int) []*attempt {
	p.t.Helper()
	most, before := p.share(n), p.pool(calls)
	all := p.claimAll(p.several(slot, n))
	require.LessOrEqual(p.t, len(all), most, "%d tasks waited for %d slots", before.Pending, before.Slots)
	after := p.pool(calls)
	require.Equal(p.t, before.Pending-len(all), after.Pending)
	require.Equal(p.t, before.Running+len(all), after.Running)
	return all
}

// claimAll claims tasks that must be there.
func (p *process) claimAll(req backend.ClaimRequest) []*attempt {
	p.t.Helper()
	as, err := p.store.Claim(p.ctx, req)
	require.NoError(p.t, err)
	return p.attempts(req.Slot, as)
}

// attempts checks tasks that a slot got together.
func (p *process) attempts(slot string, as []backend.Assignment) []*attempt {
	p.t.Helper()
	require.NotEmpty(p.t, as)
	all := make([]*attempt, len(as))
	for i := range as {
		all[i] = &attempt{p, &as[i]}
		require.Equal(p.t, slot, as[i].Lease.Slot)
		require.Equal(p.t, "input of "+as[i].Lease.Task, string(as[i].Input))
		p.is(as[i].Lease.Task, backend.StatusRunning)
		require.Equal(p.t, as[i].Attempt, p.get(as[i].Lease.Task).Attempt)
		if i > 0 {
			require.Greater(p.t, as[i].Lease.Epoch, as[i-1].Lease.Epoch)
		}
	}
	return all
}

// end settles attempts together, each of which must be in force.
func (p *process) end(outcome backend.Outcome, attempts ...*attempt) {
	p.t.Helper()
	ends := make([]backend.Settlement, len(attempts))
	for i, a := range attempts {
		ends[i] = backend.Settlement{Lease: a.Lease, Outcome: outcome, Result: a.Input}
	}
	got, err := p.store.Settle(p.ctx, ends)
	require.NoError(p.t, err)
	require.Len(p.t, got, len(ends))
	for i := range got {
		require.NoError(p.t, got[i].Err, "end of %s", ends[i].Lease.Task)
	}
}

// exhaust claims with one slot, up to n at once, what waits, and returns the tasks in the
// order in which it got them.
func (p *process) exhaust(slot string, n int) (ids []string) {
	p.t.Helper()
	for p.pool(calls).Pending > 0 {
		batch := p.claimSeveral(slot, n)
		ids = append(ids, names(batch)...)
		p.end(backend.Succeeded, batch...)
	}
	return ids
}

func names(attempts []*attempt) []string {
	ids := make([]string, len(attempts))
	for i, a := range attempts {
		ids[i] = a.Lease.Task
	}
	return ids
}

// tasks are calls named 00, 01, …
func tasks(n int) []backend.Submission {
	subs := make([]backend.Submission, n)
	for i := range subs {
		subs[i] = task(number(i), calls)
	}
	return subs
}

func number(i int) string { return fmt.Sprintf("%02d", i) }

func numbers(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, number(i))
	}
	return ids
}

var batchRules = []rule{
	{"a claim of several gets no more than its share of what waits", func(w *world) {
		p := w.host(maxWorkers(3))
		var ids []string
		for _, a := range p.submit(tasks(10)...)[:3] {
			ids = append(ids, names(p.claimSeveral(a.Slot.ID, 64))...) // one that has not begun to claim counts
		}
		require.Equal(w.t, numbers(0, len(ids)), ids)
		for _, id := range numbers(len(ids), 10) {
			w.is(id, backend.StatusPending)
		}
	}},
	{"a claim of several gets no more than Max, and one without it", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(tasks(20)...).ID
		p.end(backend.Succeeded, p.claimSeveral(slot, 0)...)
		for _, n := range []int{1, 3, 2} {
			p.end(backend.Succeeded, p.claimSeveral(slot, n)...)
		}
	}},
	{"a claim of several gets them in the order of single claims", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("c", calls), task("a", calls), nested("n2", calls), nested("n1", calls), task("b", calls)).ID
		require.Equal(w.t, []string{"n2", "n1", "c", "a", "b"}, p.exhaust(slot, 64))
		require.Equal(w.t, counts{Slots: 1}, w.counts(calls))
	}},
	{"a task that waits for a retry is neither given nor counted", func(w *world) {
		p := w.host(maxWorkers(1), retries(5))
		a := p.run(task("late", calls))
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: long})
		p.start(tasks(3)...)
		require.Equal(w.t, numbers(0, 3), p.exhaust(a.Lease.Slot, 64))
		w.is("late", backend.StatusPending)
	}},
	{"a task that was lost with a worker comes alone", func(w *world) {
		p := w.host(maxWorkers(1), crashes(3))
		for _, behind := range []bool{false, true} {
			lost := p.run(task("lost", calls))
			if behind {
				p.start(task("x", calls), task("y", calls))
			}
			lost.crash("")
			require.Equal(w.t, 1, w.get("lost").Crashes)
			slot := p.start(task("v", calls), task("w", calls)).ID
			require.NotEmpty(w.t, slot)
			var ids []string
			for w.pool(calls).Pending > 0 {
				batch := p.claimSeveral(slot, 64)
				if got := names(batch); len(got) > 1 {
					require.NotContains(w.t, got, "lost")
				}
				ids = append(ids, names(batch)...)
				p.end(backend.Succeeded, batch...)
			}
			require.ElementsMatch(w.t, map[bool][]string{
				false: {"lost", "v", "w"}, true: {"x", "y", "lost", "v", "w"},
			}[behind], ids)
			require.Equal(w.t, 2, p.result("lost").Attempt)
			p.inbox.forget()
			w.exit(slot, "")
		}
	}},
	{"jobs come one by one", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", jobs), task("b", jobs), task("c", jobs)).ID
		for _, id := range []string{"a", "b"} {
			batch := p.claimAll(p.several(slot, 64))
			require.Equal(w.t, []string{id}, names(batch))
			batch[0].succeed()
		}
		w.is("c", backend.StatusPending)
	}},
	{"nested claims come one by one", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(nested("n1", calls), nested("n2", calls), task("top", calls))
		for _, id := range []string{"n1", "n2"} {
			req := p.several(a.Lease.Slot, 64)
			req.Nested = true
			require.Equal(w.t, []string{id}, names(p.claimAll(req)))
		}
		w.is("top", backend.StatusPending)
	}},
	{"a claim of several repeated with the same Op returns those that are still leased", func(w *world) {
		p := w.host(maxWorkers(1))
		req := p.several(p.start(tasks(6)...).ID, 4)
		batch := p.claimAll(req)
		require.Equal(w.t, batch, p.claimAll(req))
		for len(batch) > 1 {
			p.end(backend.Succeeded, batch[0])
			batch = batch[1:]
			require.Equal(w.t, batch, p.claimAll(req))
		}
		require.Equal(w.t, 1, w.pool(calls).Running)
		p.end(backend.Succeeded, batch[0])
		again := p.claimAll(req)
		require.NotContains(w.t, names(again), batch[0].Lease.Task, "a claim like any other")
		require.LessOrEqual(w.t, len(again), 4)
	}},
	{"a claim of several repeated does not return what was cancelled or handed back meanwhile", func(w *world) {
		p := w.host(maxWorkers(1))
		req := p.several(p.start(tasks(4)...).ID, 4)
		batch := p.claimAll(req)
		if len(batch) < 3 {
			return
		}
		w.cancel(batch[0].Lease.Task)
		p.end(backend.Released, batch[0], batch[2])
		rest := append(batch[1:2:2], batch[3:]...)
		require.Equal(w.t, rest, p.claimAll(req))
	}},
	{"each task of a batch is under a lease of its own", func(w *world) {
		p := w.host(maxWorkers(1), retries(1))
		slot := p.start(tasks(5)...).ID
		batch := p.claimSeveral(slot, 64)
		for _, state := range p.beat(batch...) {
			require.Equal(w.t, backend.LeaseHeld, state)
		}
		last := batch[len(batch)-1]
		require.Equal(w.t, backend.StatusPending, last.fail(), "they may end in any order")
		p.end(backend.Succeeded, batch[:len(batch)-1]...)
		require.ErrorIs(w.t, last.store.Yield(w.ctx, last.Lease, []backend.Yield{value(1)}), backend.ErrLeaseLost)
		require.Equal(w.t, last.Lease.Task, p.exhaust(slot, 64)[5-len(batch)], "the retry comes after those that waited")
		require.Equal(w.t, 2, p.result(last.Lease.Task).Attempt)
	}},
	{"a batch is lost with its slot, each task charged one crash and tried again", func(w *world) {
		p := w.host(maxWorkers(1), crashes(1))
		slot := p.start(tasks(5)...).ID
		batch := p.claimSeveral(slot, 64)
		done := batch[0]
		done.succeed()
		w.exit(slot, "it died")
		lost := batch[1:]
		for i, state := range p.beat(lost...) {
			got := w.get(lost[i].Lease.Task)
			require.Equal(w.t, backend.LeaseLost, state)
			require.Equal(w.t, backend.StatusPending, got.Status)
			require.Equal(w.t, []int{1, 1}, []int{got.Crashes, got.Attempt})
			require.Equal(w.t, "it died", got.Failure.Note)
		}
		next := p.reserve(calls)[0].ID
		again := 0
		for w.pool(calls).Pending > 0 {
			got := p.claimSeveral(next, 64)
			for _, a := range got {
				if a.Attempt == 2 {
					again++
					require.Len(w.t, got, 1)
				}
			}
			p.end(backend.Succeeded, got...)
		}
		require.Equal(w.t, len(lost), again)
		require.Equal(w.t, 1, p.result(done.Lease.Task).Attempt)
	}},
	{"a batch without heartbeats is lost as a whole", func(w *world) {
		p := w.joinAs(brief("p", spec(calls, backend.Function, maxWorkers(1), crashes(1))))
		batch := p.claimSeveral(p.start(tasks(4)...).ID, 64)
		w.sweepUntil(func() bool {
			p.beat() // the session lives
			return w.pool(calls).Running == 0
		}, "the leases to be lost")
		for i, state := range p.beat(batch...) {
			require.Equal(w.t, backend.LeaseLost, state)
			require.Equal(w.t, 1, w.get(batch[i].Lease.Task).Crashes)
		}
	}},
	{"released tasks of a batch are not charged and come again in the order of the settlement", func(w *world) {
		p := w.host(maxWorkers(2))
		slots := p.submit(tasks(8)...)
		batch := p.claimSeveral(slots[0].Slot.ID, 64)
		p.end(backend.Succeeded, batch[0])
		p.end(backend.Released, batch[1:]...)
		var back, seen []string
		for _, a := range batch[1:] {
			back = append(back, a.Lease.Task)
			got := w.get(a.Lease.Task)
			require.Equal(w.t, backend.StatusPending, got.Status)
			require.Zero(w.t, got.Attempt+got.Errors+got.Crashes)
			require.Nil(w.t, got.Failure)
		}
		all := p.exhaust(slots[1].Slot.ID, 64)
		require.Len(w.t, all, 7)
		for _, id := range all {
			require.Equal(w.t, 1, p.result(id).Attempt)
			for _, b := range back {
				if id == b {
					seen = append(seen, id)
				}
			}
		}
		require.Equal(w.t, back, seen)
	}},
	{"released tasks of a batch go to workers that wait", func(w *world) {
		p := w.host(maxWorkers(2))
		slots := p.workers(calls, 2)
		idle := p.restAs(calls, p.rests(slots[0], 3))
		p.start(tasks(3)...) // to the waiting one, and what it does not get is claimed
		idle.end()
		busy := p.attempts(slots[0], idle.as)
		other := p.rest(calls, slots[1], long)
		if len(busy) < 3 {
			other.end() // what was not handed over waited for it
			return
		}
		p.end(backend.Released, busy[1])
		require.Equal(w.t, 1, other.gets(busy[1].Lease.Task).Attempt)
	}},
	{"a cancel of one task of a batch concerns no other", func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(4)...).ID, 64)
		last := batch[len(batch)-1]
		w.cancel(last.Lease.Task)
		p.hearsCancel(last)
		for i, state := range p.beat(batch...) {
			if i < len(batch)-1 {
				require.Equal(w.t, backend.LeaseHeld, state)
				require.False(w.t, p.inbox.cancelled(batch[i].Lease))
			} else {
				require.Equal(w.t, backend.LeaseCancelling, state)
			}
		}
		p.end(backend.Released, last)
		require.Equal(w.t, backend.StatusCancelled, p.result(last.Lease.Task).Status)
		w.goes(last.Lease.Task)
		p.end(backend.Succeeded, batch[:len(batch)-1]...)
	}},
	{"a batch handed back in part while its tasks are cancelled ends each once", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(tasks(12)...).ID
		for round := 0; w.pool(calls).Pending > 0; round++ {
			batch := p.claimSeveral(slot, 4)
			together(2, func(i int) {
				if i == 0 {
					_, _ = w.store.Cancel(w.ctx, names(batch))
					return
				}
				ends := make([]backend.Settlement, len(batch))
				for n, a := range batch {
					ends[n] = backend.Settlement{Lease: a.Lease, Outcome: backend.Outcome(1 + 2*(n%2))} // succeeded or released
				}
				_, _ = w.store.Settle(w.ctx, ends)
			})
		}
		for _, id := range numbers(0, 12) {
			require.True(w.t, p.result(id).Status.Terminal())
			w.goes(id)
		}
	}},
}

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

var batchExchangeRules = []rule{
	{"an exchange of several ends answers each, and claims several", optional(func(w *world) {
		p := w.host(maxWorkers(1), retries(1))
		batch := p.claimSeveral(p.start(tasks(12)...).ID, 4)
		most := (w.pool(calls).Pending + len(batch)) // those that are retried or handed back wait too
		ends, want := make([]backend.Settlement, len(batch)), make([]backend.Settled, len(batch))
		for i, a := range batch {
			ends[i].Lease, ends[i].Outcome, ends[i].Failure = a.Lease, backend.Outcome(1+i%3), failure("it broke")
			want[i].Status = []backend.Status{backend.StatusSucceeded, backend.StatusPending, backend.StatusPending}[i%3]
		}
		req := p.several(batch[0].Lease.Slot, 5)
		x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, req)
		require.NoError(w.t, err)
		require.Equal(w.t, want, x.Settled)
		require.NoError(w.t, x.Err)
		require.Nil(w.t, x.Claim)
		next := p.attempts(req.Slot, x.Tasks)
		require.LessOrEqual(w.t, len(next), min(5, most))
		require.Equal(w.t, numbers(len(batch), len(batch)+len(next)), names(next))
		require.Equal(w.t, next, p.claimAll(req))
		again, err := w.store.Settle(w.ctx, ends)
		require.NoError(w.t, err)
		require.Equal(w.t, want, again, "the settlement repeated answers as the first time")
	})},
	{"a stale end among others of an exchange is refused alone", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(12)...).ID, 5)
		for stale := range batch {
			ends := make([]backend.Settlement, len(batch))
			for i, a := range batch {
				ends[i] = success
				ends[i].Lease = a.Lease
			}
			ends[stale].Lease.Nonce++
			req := p.several(batch[0].Lease.Slot, 1)
			x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, req)
			require.NoError(w.t, err)
			for i, got := range x.Settled {
				if i == stale {
					require.ErrorIs(w.t, got.Err, backend.ErrLeaseLost)
					w.is(batch[i].Lease.Task, backend.StatusRunning)
				} else {
					require.Equal(w.t, backend.Settled{Status: backend.StatusSucceeded}, got)
					p.result(batch[i].Lease.Task)
				}
			}
			require.Len(w.t, x.Tasks, 1)
			p.end(backend.Succeeded, append(p.attempts(req.Slot, x.Tasks), batch[stale])...)
			if w.pool(calls).Pending < 6 {
				return
			}
			batch = p.claimSeveral(req.Slot, 2)
		}
	})},
	{"an exchange of several whose reply is lost is repeated as a settlement and a claim", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(12)...).ID, 4)
		lossy := Faulty(w.place, Faults{LoseReply: 1}).Namespace(w.name).(backend.Exchanger)
		ends := make([]backend.Settlement, len(batch))
		for i, a := range batch {
			ends[i] = backend.Settlement{Lease: a.Lease, Outcome: backend.Succeeded, Result: a.Input}
		}
		req := p.several(batch[0].Lease.Slot, 5)
		_, err := lossy.Exchange(w.ctx, ends, req)
		require.ErrorIs(w.t, err, ErrReplyLost)
		got := w.pool(calls).Running
		p.end(backend.Succeeded, batch...)
		next := p.claimAll(req)
		require.Len(w.t, next, got, "those that the lost reply named, and no others")
		require.Equal(w.t, numbers(len(batch), len(batch)+got), names(next))
		for _, a := range next {
			require.Equal(w.t, 1, a.Attempt)
		}
		require.Equal(w.t, counts{Pending: 12 - len(batch) - got, Running: got, Slots: 1}, w.counts(calls))
	})},
	{"an exchange that finds nothing waits for a bundle", optional(func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", calls))
		req := p.rests(a.Lease.Slot, 64)
		req.Bundle = 3
		x := a.exchange(success, req)
		require.NoError(w.t, x.Err)
		c.start(tasks(5)...)
		as, err := x.Claim.Wait(w.ctx)
		require.NoError(w.t, err)
		batch := p.attempts(req.Slot, as)
		require.LessOrEqual(w.t, len(batch), 3)
		require.Equal(w.t, batch, p.claimAll(req))
		p.end(backend.Succeeded, batch...)
		require.Equal(w.t, numbers(len(batch), 5), p.exhaust(req.Slot, 64))
	})},
	{"an exchange that leaves with one of its ends ends the slot and loses none of the others", optional(func(w *world) {
		p := w.host(maxWorkers(1), crashes(1))
		batch := p.claimSeveral(p.start(tasks(6)...).ID, 3)
		ends := make([]backend.Settlement, len(batch))
		for i, a := range batch {
			ends[i] = success
			ends[i].Lease, ends[i].Leave = a.Lease, i == len(batch)-1
		}
		x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, p.several(batch[0].Lease.Slot, 3))
		require.NoError(w.t, err)
		for i := range x.Settled {
			require.Equal(w.t, backend.Settled{Status: backend.StatusSucceeded}, x.Settled[i])
		}
		require.ErrorIs(w.t, x.Err, backend.ErrSlotLost)
		require.Empty(w.t, x.Tasks)
		require.Equal(w.t, 6-len(batch), w.pool(calls).Pending)
		require.Zero(w.t, w.pool(calls).Running)
	})},
	{"an exchange is not held up by what a batch has left in flight", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(6)...).ID, 3)
		x := batch[0].exchange(success, p.several(batch[0].Lease.Slot, 2))
		require.NoError(w.t, x.Err)
		next := p.attempts(batch[0].Lease.Slot, x.Tasks)
		require.Equal(w.t, len(batch)-1+len(next), w.pool(calls).Running)
		p.end(backend.Succeeded, append(batch[1:], next...)...)
	})},
}
