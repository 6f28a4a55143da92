package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

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
			id := func(name string) string { return fmt.Sprint(name, behind) } // ended calls may be known for a while
			lost := p.run(task(id("lost"), calls))
			if behind {
				p.start(task(id("x"), calls), task(id("y"), calls))
			}
			lost.crash("")
			require.Equal(w.t, 1, w.get(id("lost")).Crashes)
			slot := p.start(task(id("v"), calls), task(id("w"), calls)).ID
			require.NotEmpty(w.t, slot)
			var ids []string
			for w.pool(calls).Pending > 0 {
				batch := p.claimSeveral(slot, 64)
				if got := names(batch); len(got) > 1 {
					require.NotContains(w.t, got, id("lost"))
				}
				ids = append(ids, names(batch)...)
				p.end(backend.Succeeded, batch...)
			}
			require.ElementsMatch(w.t, map[bool][]string{
				false: {id("lost"), id("v"), id("w")}, true: {id("x"), id("y"), id("lost"), id("v"), id("w")},
			}[behind], ids)
			require.Equal(w.t, 2, p.result(id("lost")).Attempt)
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
