package backendtest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// brief makes a session whose leases end during a case.
func brief(id string, pools ...backend.PoolSpec) backend.Session {
	return backend.Session{
		ID: id, Pools: pools, Launches: true, Lease: 200 * time.Millisecond, Margin: 50 * time.Millisecond,
	}
}

// expires sweeps until the process's session has ended. Nothing may beat for it.
func (p *process) expires() {
	p.t.Helper()
	p.sweepUntil(func() bool {
		return !p.alive()
	}, "the session to expire")
}

// alive asks without a heartbeat, which would keep the session: an empty batch is
// refused to a session that has ended.
func (p *process) alive() bool {
	p.t.Helper()
	_, err := p.store.Submit(p.ctx, p.ID, nil)
	if err != nil {
		require.ErrorIs(p.t, err, backend.ErrSessionLost)
	}
	return err == nil
}

var sessionRules = []rule{
	{"a pool is declared from the first join and serving while a session is joined", func(w *world) {
		require.Zero(w.t, w.pool(jobs))
		p := w.host()
		info := w.pool(jobs)
		require.True(w.t, info.Declared)
		require.True(w.t, info.Serving)
		require.Equal(w.t, p.Pools[0], info.Spec)
		p.leave()
		info = w.pool(jobs)
		require.True(w.t, info.Declared)
		require.False(w.t, info.Serving)
	}},
	{"pools that are only used are known too, in name order", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs), task("b", calls))
		w.join("z", spec("a", backend.Job), spec("z", backend.Job))
		pools, err := w.store.Pools(w.ctx)
		require.NoError(w.t, err)
		var names []string
		for _, p := range pools {
			names = append(names, p.Spec.Name)
		}
		require.Equal(w.t, []string{"a", calls, jobs, "z"}, names)
		require.False(w.t, w.pool(jobs).Declared)
		require.Equal(w.t, 1, w.pool(jobs).Pending)
	}},
	{"the spec joined last is in force for everybody", func(w *world) {
		p := w.join("one", spec(jobs, backend.Job, maxWorkers(1)))
		require.NotEmpty(w.t, p.start(task("a", jobs)).ID)
		require.Empty(w.t, p.start(task("b", jobs)).ID)
		w.join("two", spec(jobs, backend.Job, maxWorkers(2)))
		require.Equal(w.t, 2, w.pool(jobs).Spec.MaxWorkers)
		require.NotEmpty(w.t, p.start(task("c", jobs)).ID)
	}},
	{"a join repeated replaces what the session said before", func(w *world) {
		p := w.host()
		p.Pools = p.Pools[:1]
		p.again()
		require.True(w.t, w.pool(jobs).Serving)
		require.False(w.t, w.pool(calls).Serving)
		p.Launches = false
		p.again()
		require.Empty(w.t, p.start(task("a", jobs)).ID, "a slot for a session that launches nothing")
	}},
	{"a join repeated keeps the session's calls and slots", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		p.again()
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld}, p.beat(a))
		a.succeed()
		require.Equal(w.t, backend.StatusSucceeded, p.result("a").Status)
		p.claimFails(a.Lease.Slot, backend.ErrRetired)
	}},
	{"after a join repeated the new inbox hears", func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		old := p.inbox
		p.inbox = newInbox()
		p.again()
		old.forget()
		w.cancel("a")
		p.hearsCancel(a)
		a.succeed()
		p.result("a")
		require.True(w.t, old.empty())
	}},
	{"leaving ends the session", func(w *world) {
		p := w.host()
		p.leave()
		require.False(w.t, p.alive())
		_, err := p.tryBeat()
		require.ErrorIs(w.t, err, backend.ErrSessionLost)
		_, err = w.store.Reserve(w.ctx, p.ID, []string{jobs}, unlimited)
		require.ErrorIs(w.t, err, backend.ErrSessionLost)
	}},
	{"leaving twice, or without having joined, is no error", func(w *world) {
		p := w.host()
		p.leave()
		p.leave()
		require.NoError(w.t, w.store.Leave(w.ctx, "nobody"))
	}},
	{"leaving cancels and forgets the session's unfinished calls", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		slot := p.worker()
		resting := p.rest(calls, slot, long)
		c.start(task("running", calls))
		a := resting.gets("running")
		c.start(task("waiting", calls), task("job", jobs))
		c.leave()
		w.gone("waiting")
		p.hearsCancel(a)
		require.Equal(w.t, backend.StatusCancelled, a.succeed())
		w.gone("running")
		w.is("job", backend.StatusPending)
		p.claimFails(slot, backend.ErrRetired)
	}},
	{"a session that left hears nothing more", func(w *world) {
		p, c := w.host(), w.client("c")
		slot := p.worker()
		resting := p.rest(calls, slot, long)
		c.start(task("a", calls))
		a := resting.gets("a")
		c.leave()
		c.inbox.forget()
		a.succeed()
		d := w.client("d")
		d.start(task("b", calls))
		p.claim(slot).succeed()
		d.result("b")
		c.heardNothing()
	}},
	{"a session that leaves hears nothing of its own end", func(w *world) {
		p, c := w.host(), w.client("c")
		p.run(task("own call", calls))
		p.run(task("own job", jobs))
		p.start(task("own waiting call", calls))
		p.inbox.forget()
		p.leave()
		c.start(task("a", calls))
		w.cancel("a")
		c.result("a")
		p.heardNothing()
	}},
	{"leaving ends the session's slots as lost", func(w *world) {
		p, other := w.host(retries(1)), w.client("c")
		a := p.run(task("a", jobs))
		starting := p.start(task("b", jobs))
		idle := p.rest(calls, p.worker(), long)
		p.leave()
		idle.fails(backend.ErrSlotLost)
		got := w.get("a")
		require.Equal(w.t, backend.StatusPending, got.Status)
		require.Equal(w.t, 1, got.Crashes)
		require.Equal(w.t, backend.CodeLost, got.Failure.Code)
		require.Zero(w.t, w.counts(calls))
		require.Equal(w.t, counts{Pending: 2}, w.counts(jobs))
		other.claimFails(starting.ID, backend.ErrSlotLost)
		require.ErrorIs(w.t, a.trySettle(backend.Settlement{Outcome: backend.Succeeded}).Err, backend.ErrLeaseLost)
	}},
	{"a task whose session ends is lost once, however many workers the session had", func(w *world) {
		p, c := w.join("one", spec(calls, backend.Function, crashes(1), maxWorkers(20))), w.client("c")
		slots := p.workers(calls, 8)
		var idle []*waiting
		for _, slot := range slots[1:] {
			idle = append(idle, p.rest(calls, slot, long))
		}
		c.start(task("a", calls))
		w.eventually(func() bool { return w.pool(calls).Idle == 6 }, "the call to be taken")
		p.leave()
		for _, r := range idle {
			r.end()
		}
		require.Equal(w.t, 1, w.get("a").Crashes)
		require.Equal(w.t, backend.StatusPending, w.status("a"))
	}},
	{"a session without heartbeats expires, its calls are cancelled and its slots lost", func(w *world) {
		p := w.joinAs(brief("p", spec(jobs, backend.Job), spec(calls, backend.Function)))
		p.run(task("job", jobs, "key"))
		p.start(task("call", calls))
		p.expires()
		w.gone("call")
		got := w.get("job")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, backend.CodeLost, got.Failure.Code)
		w.free("key")
		require.Zero(w.t, w.counts(jobs))
		require.Zero(w.t, w.counts(calls))
	}},
	{"a session that expired gets no results of calls made before", func(w *world) {
		p, c := w.host(), w.joinAs(brief("c"))
		slot := p.worker()
		resting := p.rest(calls, slot, long)
		c.start(task("a", calls))
		a := resting.gets("a")
		c.expires()
		c.again()
		c.inbox.forget()
		require.Equal(w.t, backend.StatusCancelled, a.succeed())
		w.gone("a")
		c.start(task("b", calls))
		p.claim(slot).succeed()
		c.result("b")
		_, heard := c.inbox.find("a")
		require.False(w.t, heard)
	}},
	{"the slices of a join may be reused by the caller", func(w *world) {
		pools := []backend.PoolSpec{spec(jobs, backend.Job), spec(calls, backend.Function)}
		p := w.join("p", pools...)
		pools[0], pools[1] = backend.PoolSpec{Name: "x"}, backend.PoolSpec{Name: "y"}
		p.leave()
		require.False(w.t, w.pool(jobs).Serving)
		require.False(w.t, w.pool(calls).Serving)
	}},
	{"what blocks gives up when its context is done", func(w *world) {
		p := w.host()
		resting := p.rest(calls, p.worker(), long)
		resting.stop()
		resting.fails(context.Canceled)
		p.start(task("a", jobs))
		ctx, cancel := context.WithTimeout(w.ctx, time.Millisecond)
		defer cancel()
		_, err := w.store.Await(ctx, "a", backend.Until{Ended: true})
		require.ErrorIs(w.t, err, context.DeadlineExceeded)
	}},
}
