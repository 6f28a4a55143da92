package backendtest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// useless checks that no write works with a lease and that none changes the task.
func (w *world) useless(l backend.Lease, why string) {
	w.t.Helper()
	before, locks, pool := w.find(l.Task), w.held(), w.counts(jobs)
	require.ErrorIs(w.t, w.store.Yield(w.ctx, l, []backend.Yield{value(1000)}), backend.ErrLeaseLost, why)
	require.ErrorIs(w.t, w.store.Lock(w.ctx, l, []string{"stale"}), backend.ErrLeaseLost, why)
	for _, outcome := range []backend.Outcome{backend.Succeeded, backend.Failed, backend.Released} {
		end := backend.Settlement{Lease: l, Outcome: outcome, Failure: failure("stale"), Yields: []backend.Yield{value(1000)}, Leave: true}
		got, err := w.store.Settle(w.ctx, []backend.Settlement{end})
		require.NoError(w.t, err)
		require.ErrorIs(w.t, got[0].Err, backend.ErrLeaseLost, why)
	}
	require.Equal(w.t, before, w.find(l.Task), why)
	require.Equal(w.t, locks, w.held(), why)
	require.Equal(w.t, pool, w.counts(jobs), why)
}

var leaseRules = []rule{
	{"a stale lease changes nothing", func(w *world) {
		p := w.host(retries(1))
		old := p.run(task("a", jobs, "key"))
		old.crash("")
		w.useless(old.Lease, "no attempt running")
		slot := p.reserve(jobs)
		current := p.claim(slot[0].ID)
		w.useless(old.Lease, "another attempt running")
		require.Equal(w.t, []backend.LeaseState{backend.LeaseLost, backend.LeaseHeld}, p.beat(old, current))
		current.succeed()
		w.useless(old.Lease, "ended by another attempt")
		w.remove("a")
		w.useless(old.Lease, "removed")
	}},
	{"a lease of a settled attempt yields and locks nothing", func(w *world) {
		p := w.host(retries(1))
		for range 2 {
			a := p.run(task("a", jobs))
			a.fail()
			require.ErrorIs(w.t, w.store.Yield(w.ctx, a.Lease, []backend.Yield{value(1)}), backend.ErrLeaseLost)
			require.ErrorIs(w.t, a.lock("key"), backend.ErrLeaseLost)
			require.Equal(w.t, []backend.LeaseState{backend.LeaseLost}, p.beat(a))
			require.Zero(w.t, w.get("a").Yields)
			w.free("key")
			p.claim(a.Lease.Slot).fail()
			w.remove("a")
			w.exit(a.Lease.Slot, "")
		}
	}},
	{"a lease that differs in any part is stale", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		b := p.run(task("b", jobs))
		for why, change := range map[string]func(*backend.Lease){
			"another nonce, as after a failover that set the epoch back": func(l *backend.Lease) { l.Nonce++ },
			"an older epoch": func(l *backend.Lease) { l.Epoch-- },
			"a newer epoch":  func(l *backend.Lease) { l.Epoch++ },
			"another slot":   func(l *backend.Lease) { l.Slot = b.Lease.Slot },
			"another task":   func(l *backend.Lease) { l.Task = "b" },
			"no such task":   func(l *backend.Lease) { l.Task = "nothing" },
			"no lease":       func(l *backend.Lease) { *l = backend.Lease{} },
		} {
			l := a.Lease
			change(&l)
			w.useless(l, why)
			states, err := w.store.Heartbeat(w.ctx, p.ID, []backend.Lease{l})
			require.NoError(w.t, err)
			require.Equal(w.t, []backend.LeaseState{backend.LeaseLost}, states, why)
		}
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld, backend.LeaseHeld}, p.beat(a, b))
		a.succeed()
	}},
	{"a lease without heartbeat is lost though its session lives", func(w *world) {
		p := w.joinAs(brief("p", spec(jobs, backend.Job, retries(1))))
		a, b := p.run(task("a", jobs)), p.run(task("b", jobs))
		w.sweepUntil(func() bool {
			p.beat(b)
			return w.status("a") == backend.StatusPending
		}, "the lease of a to be lost")
		w.is("b", backend.StatusRunning)
		got := w.get("a")
		require.Equal(w.t, 1, got.Crashes)
		require.Equal(w.t, backend.CodeLost, got.Failure.Code)
		require.NotEmpty(w.t, got.Failure.Note)
		require.Equal(w.t, []backend.LeaseState{backend.LeaseLost, backend.LeaseHeld}, p.beat(a, b))
		w.useless(a.Lease, "expired")
		p.claimFails(a.Lease.Slot, backend.ErrSlotLost)
		p.hearsKill(a.Lease.Slot)
		require.False(w.t, p.inbox.killed(b.Lease.Slot))
	}},
	{"a late heartbeat keeps a lease that nobody has swept", func(w *world) {
		p := w.joinAs(brief("p", spec(jobs, backend.Job)))
		a := p.run(task("a", jobs))
		other := newWorld(w.t, w.place)
		q := other.joinAs(brief("q"))
		q.expires() // so p's lease has run out as well, but this namespace was not swept
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld}, p.beat(a))
		require.Equal(w.t, backend.StatusSucceeded, a.succeed())
	}},
	{"a timeout and grace that passed end the attempt although heartbeats come", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(20*time.Millisecond, 20*time.Millisecond), retries(5)))
		a := p.run(task("a", jobs, "key"))
		w.sweepUntil(func() bool {
			p.beat(a)
			return w.status("a").Terminal()
		}, "the attempt to be ended")
		got := w.get("a")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, backend.CodeTimeout, got.Failure.Code)
		require.GreaterOrEqual(w.t, got.Ended.Sub(got.Started), 40*time.Millisecond)
		w.free("key")
		w.useless(a.Lease, "timed out")
		p.claimFails(a.Lease.Slot, backend.ErrSlotLost)
		p.hearsKill(a.Lease.Slot)
		require.Zero(w.t, w.counts(jobs))
	}},
	{"a call that is handed over is killed when its timeout and grace are over", func(w *world) {
		p := w.join("p", spec(calls, backend.Function, limits(10*time.Millisecond, 10*time.Millisecond)))
		idle := p.rest(calls, p.worker(), long)
		p.start(task("a", calls))
		idle.gets("a")
		w.sweepUntil(func() bool { return w.find("a") == nil }, "the call to be ended")
		require.Equal(w.t, backend.CodeTimeout, p.result("a").Failure.Code)
	}},
	{"a function's timeout is delivered to its caller", func(w *world) {
		p := w.join("p", spec(calls, backend.Function, limits(10*time.Millisecond, 10*time.Millisecond), crashes(9)))
		p.run(task("a", calls))
		w.sweepUntil(func() bool { return w.find("a") == nil }, "the call to be ended")
		r := p.result("a")
		require.Equal(w.t, backend.StatusFailed, r.Status)
		require.Equal(w.t, backend.CodeTimeout, r.Failure.Code)
	}},
	{"without a timeout an attempt lasts as long as its heartbeats", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(0, 0)), spec(calls, backend.Job, limits(time.Nanosecond, 0)))
		a := p.run(task("a", jobs))
		sub := task("b", calls)
		sub.Kind = backend.Job
		p.run(sub)
		w.sweepUntil(func() bool { return w.status("b").Terminal() }, "the other to time out")
		w.is("a", backend.StatusRunning)
		a.succeed()
	}},
	{"the timeout in force is the one joined last", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(20*time.Millisecond, 0), retries(1)),
			spec("marker", backend.Job, limits(1, 40*time.Millisecond)))
		a := p.run(task("a", jobs))
		a.fail()
		p.Pools[0] = spec(jobs, backend.Job, limits(0, 0), retries(1))
		p.again()
		p.claim(a.Lease.Slot)
		p.run(task("b", "marker"))
		w.sweepUntil(func() bool { return w.status("b").Terminal() }, "the marker to be ended")
		w.is("a", backend.StatusRunning)
	}},
	{"a cancelled task whose handler does not return is ended when its grace is over", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(long, 20*time.Millisecond)))
		a := p.run(task("a", jobs, "key"))
		w.cancel("a")
		w.sweepUntil(func() bool {
			p.beat(a)
			return w.status("a").Terminal()
		}, "the cancelled task to be ended")
		w.is("a", backend.StatusCancelled)
		require.Nil(w.t, w.get("a").Failure)
		w.free("key")
		w.useless(a.Lease, "killed")
		p.hearsKill(a.Lease.Slot)
	}},
	{"a cancel does not prolong what the timeout would end", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(10*time.Millisecond, 150*time.Millisecond)),
			spec("soon", backend.Job, limits(1, 50*time.Millisecond)), spec("late", backend.Job, limits(1, 130*time.Millisecond)))
		marker := func(pool string) {
			p.run(task(pool, pool))
			w.sweepUntil(func() bool { return w.status(pool).Terminal() }, "the marker to be ended")
		}
		p.run(task("a", jobs))
		marker("soon")
		w.cancel("a") // its timeout has passed, its grace has not
		marker("late")
		require.True(w.t, w.status("a").Terminal(), "the cancel gave it another grace")
	}},
}
