package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var submitRules = []rule{
	{"a submitted task is PENDING and reads back as it was submitted", func(w *world) {
		c := w.client("c")
		sub := backend.Submission{
			ID: "a", Kind: backend.Job, Pool: jobs, Input: []byte("in\x00put"), Parent: "parent", Depth: 3, Locks: []string{"y", "x"},
		}
		c.start(sub)
		got := w.get("a")
		require.NotZero(w.t, got.Version)
		require.NotZero(w.t, got.Created)
		want := &backend.Task{
			ID: "a", Kind: backend.Job, Pool: jobs, Status: backend.StatusPending, Version: got.Version,
			Input: sub.Input, Parent: "parent", Depth: 3, Locks: []string{"x", "y"}, Reason: got.Reason, Created: got.Created,
		}
		require.Equal(w.t, want, got)
		require.NotEmpty(w.t, got.Reason)
	}},
	{"an empty input is an input", func(w *world) {
		p := w.host()
		a := p.run(backend.Submission{ID: "a", Kind: backend.Job, Pool: jobs})
		require.Empty(w.t, a.Input)
	}},
	{"a task ID that exists is not submitted again", func(w *world) {
		p := w.host()
		again := task("a", jobs, "other")
		again.Input = []byte("other")
		a := p.run(task("a", jobs, "key"))
		for range 2 {
			got := p.submit(again)[0]
			require.Equal(w.t, backend.Submitted{Existing: true}, got)
			require.Equal(w.t, "input of a", string(w.get("a").Input))
			w.free("other")
			if w.status("a") == backend.StatusRunning {
				a.succeed()
			}
		}
		w.is("a", backend.StatusSucceeded)
	}},
	{"a call that exists is not submitted again", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		require.Equal(w.t, backend.Submitted{Existing: true}, p.submit(task("a", calls))[0])
		require.Equal(w.t, counts{Running: 1, Slots: 1}, w.counts(calls))
		a.succeed()
	}},
	{"a task ID of another definition is refused", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job), spec("other", backend.Job))
		p.start(task("a", jobs))
		got := p.submit(task("a", "other", "key"))[0]
		require.ErrorIs(w.t, got.Err, backend.ErrTaskExists)
		require.Equal(w.t, jobs, w.get("a").Pool)
		w.free("key")
	}},
	{"a name of the other kind is refused", func(w *world) {
		p := w.host()
		sub := task("a", jobs)
		sub.Kind = backend.Function
		require.ErrorIs(w.t, p.submit(sub)[0].Err, backend.ErrWrongKind)
		w.gone("a")
	}},
	{"a session that has not joined cannot submit", func(w *world) {
		w.host()
		_, err := w.store.Submit(w.ctx, "nobody", []backend.Submission{task("a", jobs)})
		require.ErrorIs(w.t, err, backend.ErrSessionLost)
		w.gone("a")
	}},
	{"more than MaxPending waiting tasks are refused", func(w *world) {
		p := w.host(maxPending(2), maxWorkers(1))
		slot := p.start(task("a", jobs), task("b", jobs))
		got := p.submit(task("c", jobs, "key"))[0]
		require.ErrorIs(w.t, got.Err, backend.ErrBackpressure)
		w.gone("c")
		w.free("key")
		p.claim(slot.ID)
		p.start(task("c", jobs)) // running tasks do not count
		require.ErrorIs(w.t, p.submit(task("d", jobs))[0].Err, backend.ErrBackpressure)
		w.cancel("b")
		p.start(task("d", jobs))
	}},
	{"without MaxPending any number may wait", func(w *world) {
		p := w.host(maxWorkers(1))
		var subs []backend.Submission
		for i := range 2000 {
			subs = append(subs, task(fmt.Sprint(i), jobs))
		}
		p.start(subs...)
		require.Equal(w.t, 2000, w.pool(jobs).Pending)
	}},
	{"a refused task does not spoil its batch", func(w *world) {
		p := w.host()
		p.start(task("old", jobs, "key"))
		wrong := task("wrong", jobs)
		wrong.Kind = backend.Function
		got := p.submit(task("a", jobs), task("locked", jobs, "key"), wrong, task("old", jobs), task("b", jobs))
		require.NoError(w.t, got[0].Err)
		require.Error(w.t, got[1].Err)
		require.Error(w.t, got[2].Err)
		require.True(w.t, got[3].Existing)
		require.NoError(w.t, got[4].Err)
		w.is("a", backend.StatusPending)
		w.is("b", backend.StatusPending)
		w.gone("locked")
		w.gone("wrong")
	}},
	{"an ID twice in one batch is one task", func(w *world) {
		p := w.host()
		got := p.submit(task("a", jobs), task("a", jobs))
		require.False(w.t, got[0].Existing)
		require.True(w.t, got[1].Existing)
		require.Equal(w.t, 1, w.pool(jobs).Pending)
	}},
	{"an empty batch is answered empty", func(w *world) {
		require.Empty(w.t, w.host().submit())
	}},
	{"an idle worker gets a submitted task directly", func(w *world) {
		p, c := w.host(), w.client("c")
		idle := p.rest(calls, p.worker(), long)
		require.Empty(w.t, c.start(task("a", calls)).ID)
		w.is("a", backend.StatusRunning)
		require.Equal(w.t, counts{Running: 1, Slots: 1}, w.counts(calls))
		idle.gets("a").succeed()
	}},
	{"a batch goes to all idle workers", func(w *world) {
		p := w.host(maxWorkers(2))
		slots := p.workers(calls, 2)
		one, two := p.rest(calls, slots[0], long), p.rest(calls, slots[1], long)
		p.start(task("a", calls), task("b", calls), task("c", calls))
		one.end()
		two.end()
		require.ElementsMatch(w.t, []string{"a", "b"}, []string{one.a.Lease.Task, two.a.Lease.Task})
		w.is("c", backend.StatusPending)
	}},
	{"a submit that finds no idle worker reserves a slot and names it", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs))
		require.NotEmpty(w.t, slot.ID)
		require.Equal(w.t, jobs, slot.Pool)
		require.Equal(w.t, counts{Pending: 1, Starting: 1, Slots: 1}, w.counts(jobs))
	}},
	{"each reserved slot has its own ID", func(w *world) {
		p := w.host(spares(3))
		seen := make(map[string]bool)
		for _, a := range p.submit(task("a", jobs), task("b", jobs), task("c", calls)) {
			seen[a.Slot.ID] = true
		}
		slots := p.reserve(calls)
		for _, s := range slots {
			seen[s.ID] = true
		}
		require.Len(w.t, seen, 6)
	}},
	{"a task submitted again is not given to a worker that is idle", func(w *world) {
		p := w.host()
		slots := p.workers(calls, 2)
		first, second := p.rest(calls, slots[0], long), p.rest(calls, slots[1], long)
		p.start(task("a", calls))
		w.eventually(func() bool { return !first.pending() || !second.pending() }, "a worker gets the task")
		idle, taken := first, second
		if !first.pending() {
			idle, taken = second, first
		}
		for range 3 {
			require.Equal(w.t, backend.Submitted{Existing: true}, p.submit(task("a", calls))[0])
		}
		a := taken.gets("a")
		require.Equal(w.t, backend.Submitted{Existing: true}, p.submit(task("a", calls))[0])
		require.Equal(w.t, counts{Running: 1, Idle: 1, Slots: 2}, w.counts(calls))
		require.True(w.t, idle.pending())
		a.succeed()
		p.result("a")
	}},
	{"a session that is lost submits nothing, though a worker is idle", func(w *world) {
		p, c := w.host(), w.client("c")
		idle := p.rest(calls, p.worker(), long)
		c.leave()
		for _, session := range []string{"c", "never"} {
			_, err := w.store.Submit(w.ctx, session, []backend.Submission{task("a", calls)})
			require.ErrorIs(w.t, err, backend.ErrSessionLost)
		}
		require.Equal(w.t, counts{Idle: 1, Slots: 1}, w.counts(calls))
		require.Nil(w.t, w.find("a"))
		require.True(w.t, idle.pending())
	}},
	{"a slot outlives the task that it was reserved for", func(w *world) {
		p := w.host()
		first := p.start(task("a", jobs))
		w.remove("a")
		require.Empty(w.t, p.start(task("b", jobs)).ID, "the first slot's worker will take it")
		second := p.start(task("a", jobs))
		require.NotEqual(w.t, first.ID, second.ID)
		require.Equal(w.t, 2, w.pool(jobs).Slots)
		for _, id := range []string{first.ID, second.ID} {
			p.claim(id).settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		}
		require.Zero(w.t, w.counts(jobs))
	}},
	{"a submit reserves nothing beyond MaxWorkers", func(w *world) {
		p := w.host(maxWorkers(2))
		got := p.submit(task("a", jobs), task("b", jobs), task("c", jobs))
		require.NotEmpty(w.t, got[1].Slot.ID)
		require.Empty(w.t, got[2].Slot.ID)
		require.Equal(w.t, 2, w.pool(jobs).Slots)
	}},
	{"a submit reserves nothing where a worker is on its way that lacks a task", func(w *world) {
		p := w.host(spares(0))
		first := p.start(task("a", jobs))
		w.cancel("a")
		require.Empty(w.t, p.start(task("b", jobs)).ID)
		require.Equal(w.t, "b", p.claim(first.ID).Lease.Task)
	}},
	{"a submit by a session that does not launch the pool reserves nothing, and who does hears the demand", func(w *world) {
		deaf := w.joinAs(backend.Session{ID: "deaf", Pools: []backend.PoolSpec{spec(jobs, backend.Job)}})
		p := w.host()
		q := w.joinAs(backend.Session{ID: "q", Launches: true, Pools: []backend.PoolSpec{spec("other", backend.Job)}})
		p.inbox.forget()
		require.Empty(w.t, q.start(task("a", jobs)).ID)
		require.Zero(w.t, w.pool(jobs).Slots)
		p.hearsDemand(jobs)
		require.False(w.t, q.inbox.demanded(jobs))
		require.False(w.t, deaf.inbox.demanded(jobs))
	}},
	{"the slices of a submit may be reused by the caller", func(w *world) {
		p := w.host()
		subs := []backend.Submission{task("a", jobs, "x", "y")}
		p.start(subs...)
		subs[0].Locks[0], subs[0].Locks[1] = "p", "q"
		subs[0] = task("b", jobs)
		require.Equal(w.t, []string{"x", "y"}, w.get("a").Locks)
		w.holds("a", "x", "y")
		w.cancel("a")
		require.Empty(w.t, w.held())
	}},
	{"what is returned may be changed by the caller", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs, "x", "y"))
		lease := a.Lease
		req := backend.ClaimRequest{Slot: lease.Slot, Session: p.ID, Op: p.op}
		*a.Assignment = backend.Assignment{}
		a = p.claimAs(req)
		require.Equal(w.t, lease, a.Lease)
		why := failure("it broke")
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: why})
		why.Code = "changed"
		got := w.get("a")
		require.Equal(w.t, failure("it broke"), got.Failure)
		got.Locks[0], got.Failure.Code, got.Pool = "p", "changed", "changed"
		got = w.get("a")
		require.Equal(w.t, []string{"x", "y"}, got.Locks)
		require.Equal(w.t, failure("it broke"), got.Failure)
		require.Equal(w.t, jobs, got.Pool)
	}},
}
