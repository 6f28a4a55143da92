package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var cancelRules = []rule{
	{"cancel of a pending task never runs it", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs, "key"))
		w.cancel("a")
		got := w.get("a")
		require.Equal(w.t, backend.StatusCancelled, got.Status)
		require.False(w.t, got.Ended.IsZero())
		require.True(w.t, got.Started.IsZero())
		require.Zero(w.t, got.Attempt)
		require.Empty(w.t, got.Reason)
		require.Equal(w.t, counts{Starting: 1, Slots: 1}, w.counts(jobs))
		p.claimFails(slot.ID, backend.ErrRetired)
	}},
	{"a cancelled task in the middle of a queue is passed over", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", calls), task("b", calls), nested("c", calls), nested("d", calls), task("e", calls)).ID
		w.cancel("b", "c")
		for _, id := range []string{"d", "a", "e"} {
			a := p.claim(slot)
			require.Equal(w.t, id, a.Lease.Task)
			a.succeed()
		}
		p.claimFails(slot, backend.ErrRetired)
	}},
	{"cancel of a running task makes it CANCELLING, hints and shows on heartbeats", func(w *world) {
		p := w.host()
		a, b := p.run(task("a", jobs)), p.run(task("b", jobs))
		w.cancel("a")
		w.is("a", backend.StatusCancelling)
		p.hearsCancel(a)
		require.False(w.t, p.inbox.cancelled(b.Lease))
		require.Equal(w.t, []backend.LeaseState{backend.LeaseCancelling, backend.LeaseHeld}, p.beat(a, b))
		require.True(w.t, w.get("a").Ended.IsZero())
		require.Equal(w.t, 2, w.pool(jobs).Running)
	}},
	{"the hint goes to the process in which the worker lives", func(w *world) {
		p, q := w.host(), w.client("q")
		slot := p.start(task("a", jobs))
		a := q.claim(slot.ID)
		w.cancel("a")
		q.hearsCancel(a)
		require.False(w.t, p.inbox.cancelled(a.Lease))
	}},
	{"once CANCELLING, every outcome ends CANCELLED", func(w *world) {
		p := w.host(retries(5), crashes(5))
		for id, end := range map[string]func(a *attempt){
			"success":     func(a *attempt) { a.succeed() },
			"failure":     func(a *attempt) { a.fail() },
			"release":     func(a *attempt) { a.release() },
			"lost worker": func(a *attempt) { a.crash("") },
		} {
			a := p.run(task(id, jobs, "key"))
			w.cancel(id)
			end(a)
			got := w.get(id)
			require.Equal(w.t, backend.StatusCancelled, got.Status, id)
			require.False(w.t, got.Ended.IsZero(), id)
			require.Nil(w.t, got.Failure, id)
			w.free("key")
		}
		require.Zero(w.t, w.pool(jobs).Pending)
	}},
	{"cancel of an ended task changes nothing and is no error", func(w *world) {
		p := w.host()
		p.run(task("a", jobs)).succeed()
		p.run(task("b", jobs)).fail()
		w.cancel("b")
		before := [2]*backend.Task{w.get("a"), w.get("b")}
		w.cancel("a", "b")
		require.Equal(w.t, before, [2]*backend.Task{w.get("a"), w.get("b")})
		w.is("a", backend.StatusSucceeded)
		w.is("b", backend.StatusFailed)
	}},
	{"a cancel repeated changes nothing more", func(w *world) {
		p := w.host()
		p.run(task("running", jobs))
		p.start(task("pending", jobs))
		w.cancel("running", "pending")
		before := [2]*backend.Task{w.get("running"), w.get("pending")}
		w.cancel("pending", "running")
		require.Equal(w.t, before, [2]*backend.Task{w.get("running"), w.get("pending")})
	}},
	{"cancel of an unknown task is told apart in its batch", func(w *world) {
		p := w.host()
		p.start(task("a", jobs), task("b", jobs))
		errs, err := w.store.Cancel(w.ctx, []string{"a", "nothing", "b"})
		require.NoError(w.t, err)
		require.Len(w.t, errs, 3)
		require.NoError(w.t, errs[0])
		require.ErrorIs(w.t, errs[1], backend.ErrNotFound)
		require.NoError(w.t, errs[2])
		w.is("b", backend.StatusCancelled)
	}},
	{"a result yielded before the cancel stays readable", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.yield(1)
		w.cancel("a")
		a.release()
		got := w.get("a")
		require.Equal(w.t, value(1).Data, got.Result)
		require.Equal(w.t, backend.StatusCancelled, got.Status)
	}},
	{"cancel of a task that waits for its retry ends it", func(w *world) {
		p := w.host(retries(5))
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: long})
		require.False(w.t, w.get("a").NotBefore.IsZero())
		w.cancel("a")
		got := w.get("a")
		require.Equal(w.t, backend.StatusCancelled, got.Status)
		require.True(w.t, got.NotBefore.IsZero())
		require.Equal(w.t, counts{Slots: 1}, w.counts(jobs))
		p.claimFails(a.Lease.Slot, backend.ErrRetired)
	}},
	{"a cancelling task's worker goes on to the next task", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls))
		w.cancel("a")
		a.release()
		require.Equal(w.t, "b", p.claim(a.Lease.Slot).Lease.Task)
	}},
	{"a cancel while its worker's session ends is not missed", func(w *world) {
		p := w.host(retries(5))
		p.run(task("a", jobs))
		w.cancel("a")
		p.leave()
		w.is("a", backend.StatusCancelled)
	}},
}
