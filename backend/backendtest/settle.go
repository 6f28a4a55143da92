package backendtest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var settleRules = []rule{
	{"a settlement answers with the task's new status", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		require.Equal(w.t, backend.StatusPending, a.release())
		a = p.claim(a.Lease.Slot)
		require.Equal(w.t, backend.StatusPending, a.fail())
		a = p.claim(a.Lease.Slot)
		require.Equal(w.t, backend.StatusFailed, a.fail())
		b := p.run(task("b", jobs))
		require.Equal(w.t, backend.StatusSucceeded, b.succeed())
		c := p.run(task("c", jobs))
		w.cancel("c")
		require.Equal(w.t, backend.StatusCancelled, c.succeed())
	}},
	{"an ended job stays readable", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs, "key"))
		a.yield(1)
		a.succeed()
		got := w.get("a")
		require.Equal(w.t, backend.StatusSucceeded, got.Status)
		require.Equal(w.t, "input of a", string(got.Input))
		require.Equal(w.t, 1, got.Attempt)
		require.False(w.t, got.Ended.Before(got.Started))
		require.False(w.t, got.Started.Before(got.Created))
		require.Empty(w.t, got.Reason)
		require.Nil(w.t, got.Failure)
	}},
	{"a failed job tells why", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		why := &backend.Failure{Code: "a code of the application", Detail: []byte("detail\x00"), Note: "note"}
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: why})
		got := w.get("a")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, why, got.Failure)
		require.Equal(w.t, 1, got.Errors)
		require.Zero(w.t, got.Crashes)
	}},
	{"a task's end is written once: the first writer wins", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.succeed()
		before := w.get("a")
		a.trySettle(backend.Settlement{Outcome: backend.Failed, Failure: failure("late"), Yields: []backend.Yield{value(9)}})
		w.cancel("a")
		a.crash("late")
		require.Equal(w.t, before, w.get("a"))
	}},
	{"a settlement repeated answers as the first time", func(w *world) {
		p := w.host(retries(10))
		for _, outcome := range []backend.Outcome{backend.Released, backend.Failed, backend.Succeeded} {
			a := p.run(task("a", jobs))
			end := backend.Settlement{Outcome: outcome, Failure: failure("it broke"), Leave: true, Yields: []backend.Yield{value(1)}}
			first := a.trySettle(end)
			require.NoError(w.t, first.Err)
			before, pool := w.get("a"), w.counts(jobs)
			require.Equal(w.t, first, a.trySettle(end))
			require.Equal(w.t, before, w.get("a"))
			require.Equal(w.t, pool, w.counts(jobs))
			w.remove("a")
			require.Equal(w.t, first, a.trySettle(end), "also when the task is gone")
		}
	}},
	{"a settlement repeated does not touch the next attempt", func(w *world) {
		p := w.host(retries(10))
		a := p.run(task("a", jobs))
		first := a.trySettle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke")})
		b := p.claim(a.Lease.Slot)
		before := w.get("a")
		require.Equal(w.t, first, a.trySettle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke")}))
		require.Equal(w.t, before, w.get("a"))
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld}, p.beat(b))
	}},
	{"a call's settlement repeated answers as the first time", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		require.Equal(w.t, backend.StatusSucceeded, a.succeed())
		p.result("a")
		require.Equal(w.t, backend.StatusSucceeded, a.succeed())
	}},
	{"a settlement sent twice in one batch counts once", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		end := backend.Settlement{Lease: a.Lease, Outcome: backend.Failed, Failure: failure("it broke")}
		got, err := w.store.Settle(w.ctx, []backend.Settlement{end, end})
		require.NoError(w.t, err)
		require.Equal(w.t, got[0], got[1])
		require.Equal(w.t, 1, w.get("a").Errors)
		w.is("a", backend.StatusPending)
	}},
	{"a stale settlement does not spoil its batch", func(w *world) {
		p := w.host()
		a, b, c := p.run(task("a", jobs)), p.run(task("b", jobs)), p.run(task("c", jobs))
		b.crash("")
		var ends []backend.Settlement
		for _, x := range []*attempt{a, b, c} {
			ends = append(ends, backend.Settlement{Lease: x.Lease, Outcome: backend.Succeeded})
		}
		got, err := w.store.Settle(w.ctx, ends)
		require.NoError(w.t, err)
		require.Equal(w.t, backend.StatusSucceeded, got[0].Status)
		require.ErrorIs(w.t, got[1].Err, backend.ErrLeaseLost)
		require.Equal(w.t, backend.StatusSucceeded, got[2].Status)
	}},
	{"a settlement with Leave ends the slot with the attempt", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), Leave: true})
		require.Equal(w.t, counts{Pending: 1}, w.counts(jobs))
		p.claimFails(a.Lease.Slot, backend.ErrSlotLost)
		require.False(w.t, p.inbox.killed(a.Lease.Slot), "it left by itself")
	}},
	{"a settlement with Leave makes room for the next worker", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", jobs))
		require.Empty(w.t, p.start(task("b", jobs)).ID)
		p.inbox.forget()
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		p.hearsDemand(jobs)
		slots := p.reserve(jobs)
		require.Len(w.t, slots, 1)
		require.Equal(w.t, "b", p.claim(slots[0].ID).Lease.Task)
	}},
	{"a settlement without Leave keeps the slot", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		a.succeed()
		require.Equal(w.t, counts{Slots: 1}, w.counts(calls))
		p.claimFails(a.Lease.Slot, backend.ErrRetired)
	}},
	{"a released attempt is not charged and the task is PENDING again", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.yield(1)
		a.release()
		got := w.get("a")
		require.Equal(w.t, backend.StatusPending, got.Status)
		require.Zero(w.t, got.Attempt)
		require.Zero(w.t, got.Errors)
		require.Zero(w.t, got.Crashes)
		require.Nil(w.t, got.Failure)
		require.True(w.t, got.NotBefore.IsZero())
		b := p.claim(a.Lease.Slot)
		require.Equal(w.t, 1, b.Attempt)
		require.Equal(w.t, value(1).Data, b.Result)
	}},
	{"a released task goes at once to an idle worker", func(w *world) {
		p := w.host()
		slots := p.workers(calls, 2)
		p.start(task("a", calls))
		a := p.claim(slots[0])
		idle := p.rest(calls, slots[1], long)
		a.release()
		require.Equal(w.t, 1, idle.gets("a").Attempt)
	}},
	{"time is the backend's and runs forward", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		first := w.get("a")
		a.fail()
		p.claim(a.Lease.Slot).succeed()
		got := w.get("a")
		require.Equal(w.t, first.Created, got.Created)
		require.False(w.t, got.Started.Before(first.Started))
		require.False(w.t, got.Ended.Before(got.Started))
		require.WithinDuration(w.t, time.Now(), got.Ended, time.Hour)
	}},
}
