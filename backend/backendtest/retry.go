package backendtest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// next has a new or a live worker claim the task that waits in the pool.
func (p *process) next(pool string) *attempt {
	p.t.Helper()
	slots, err := p.store.Reserve(p.ctx, p.ID, []string{pool}, unlimited)
	require.NoError(p.t, err)
	require.Len(p.t, slots, 1, "slots for the task that waits")
	return p.claim(slots[0].ID)
}

// soon claims a task that waits for its retry.
func (a *attempt) soon() *attempt {
	a.t.Helper()
	req := a.request(a.Lease.Slot)
	req.Cooldown = long
	return a.await(req).gets(a.Lease.Task)
}

var retryRules = []rule{
	{"a job is retried while its budget lasts", func(w *world) {
		p := w.host(retries(2))
		a := p.run(task("a", jobs))
		for n := 1; n <= 2; n++ {
			require.Equal(w.t, backend.StatusPending, a.fail())
			got := w.get("a")
			require.Equal(w.t, n, got.Errors)
			require.Equal(w.t, n, got.Attempt)
			a = p.claim(a.Lease.Slot)
			require.Equal(w.t, n+1, a.Attempt)
		}
		require.Equal(w.t, backend.StatusFailed, a.fail())
		require.Equal(w.t, 3, w.get("a").Errors)
	}},
	{"without Retries the first failure is the end", func(w *world) {
		require.Equal(w.t, backend.StatusFailed, w.host().run(task("a", jobs)).fail())
	}},
	{"a function is retried after errors by Retries", func(w *world) {
		p := w.host(retries(1), crashes(5))
		a := p.run(task("a", calls))
		require.Equal(w.t, backend.StatusPending, a.fail())
		a = p.claim(a.Lease.Slot)
		require.Equal(w.t, backend.StatusFailed, a.fail())
		r := p.result("a")
		require.Equal(w.t, failure("it broke"), r.Failure)
		require.Equal(w.t, 2, r.Attempt)
	}},
	{"a job's budget counts crashes like errors", func(w *world) {
		p := w.host(retries(1), crashes(5))
		a := p.run(task("a", jobs))
		require.Equal(w.t, backend.StatusPending, a.fail())
		p.claim(a.Lease.Slot).crash("")
		got := w.get("a")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, 1, got.Errors)
		require.Equal(w.t, 1, got.Crashes)
		require.Equal(w.t, 2, got.Attempt)

		b := p.run(task("b", jobs))
		b.crash("")
		w.is("b", backend.StatusPending)
		require.Equal(w.t, backend.StatusFailed, p.next(jobs).fail())
	}},
	{"a function has a budget for crashes beside that for errors", func(w *world) {
		p := w.host(retries(1), crashes(1))
		a := p.run(task("a", calls))
		a.crash("out of memory")
		got := w.get("a")
		require.Equal(w.t, backend.StatusPending, got.Status)
		require.Equal(w.t, &backend.Failure{Code: backend.CodeLost, Note: "out of memory"}, got.Failure)
		a = p.next(calls)
		require.Equal(w.t, 2, a.Attempt)
		require.Equal(w.t, backend.StatusPending, a.fail())
		a = p.claim(a.Lease.Slot)
		a.crash("again")
		w.gone("a")
		r := p.result("a")
		require.Equal(w.t, backend.StatusFailed, r.Status)
		require.Equal(w.t, &backend.Failure{Code: backend.CodeLost, Note: "again"}, r.Failure)
		require.Equal(w.t, 3, r.Attempt)
	}},
	{"without CrashBudget a function's first crash is its end", func(w *world) {
		p := w.host(retries(5))
		p.run(task("a", calls)).crash("")
		require.Equal(w.t, backend.CodeLost, p.result("a").Failure.Code)
	}},
	{"a permanent failure is not retried", func(w *world) {
		p := w.host(retries(5))
		a := p.run(task("a", jobs))
		got := a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("no use"), Permanent: true})
		require.Equal(w.t, backend.StatusFailed, got)
	}},
	{"the budget in force is the one joined last", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		w.join("q", spec(jobs, backend.Job, retries(1)))
		require.Equal(w.t, backend.StatusPending, a.fail())
	}},
	{"what ended the last attempt is told until the task succeeds", func(w *world) {
		p := w.host(retries(2))
		a := p.run(task("a", jobs))
		a.fail()
		require.Equal(w.t, failure("it broke"), w.get("a").Failure)
		a = p.claim(a.Lease.Slot)
		require.Equal(w.t, failure("it broke"), w.get("a").Failure)
		a.succeed()
		require.Nil(w.t, w.get("a").Failure)
		require.Equal(w.t, 1, w.get("a").Errors)
	}},
	{"a retry without delay goes behind those that wait", func(w *world) {
		p := w.host(retries(1), maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls))
		a.fail()
		require.Equal(w.t, "b", p.claim(a.Lease.Slot).Lease.Task)
		require.Equal(w.t, "a", p.claim(a.Lease.Slot).Lease.Task)
	}},
	{"a delayed retry does not begin before its time", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: 100 * time.Millisecond})
		got := w.get("a")
		require.Equal(w.t, backend.StatusPending, got.Status)
		require.GreaterOrEqual(w.t, got.NotBefore.Sub(got.Started), 99*time.Millisecond)
		require.Equal(w.t, counts{Delayed: 1, Slots: 1}, w.counts(jobs))
		a.soon()
		began := w.get("a")
		require.False(w.t, began.Started.Before(got.NotBefore), "it began at %s, before %s", began.Started, got.NotBefore)
		require.True(w.t, began.NotBefore.IsZero())
		require.Equal(w.t, counts{Running: 1, Slots: 1}, w.counts(jobs))
	}},
	{"delayed retries come in the order of their times", func(w *world) {
		p := w.host(retries(1), maxWorkers(3))
		var last *attempt
		for i, in := range []int{90, 30, 60} {
			last = p.run(task(fmt.Sprint(i), jobs))
			last.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: time.Duration(in) * time.Millisecond})
		}
		for _, want := range []string{"1", "2", "0"} {
			req := p.request(last.Lease.Slot)
			req.Cooldown = long
			p.await(req).gets(want).succeed()
		}
	}},
	{"a delayed task whose time has come waits for a worker and is hinted", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		end := backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: 30 * time.Millisecond, Leave: true}
		a.settle(end)
		p.inbox.forget()
		version := w.get("a").Version
		w.eventually(func() bool { return w.pool(jobs).Pending == 1 }, "the retry's time to come")
		p.hearsDemand(jobs)
		got := w.get("a")
		require.True(w.t, got.NotBefore.IsZero())
		require.Greater(w.t, got.Version, version)
		p.next(jobs).succeed()
	}},
	{"delayed tasks demand no workers", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: long, Leave: true})
		slots := p.reserve(jobs)
		require.Empty(w.t, slots)
	}},
	{"after the second crash a task waits as CrashDelay says", func(w *world) {
		p := w.host(retries(5))
		p.run(task("a", jobs)).crash("")
		require.True(w.t, w.get("a").NotBefore.IsZero(), "the first crash costs no delay")
		p.next(jobs).crash("")
		got := w.get("a")
		require.Equal(w.t, 2, got.Crashes)
		delay := got.NotBefore.Sub(got.Started)
		require.InDelta(w.t, backend.CrashDelay(2).Seconds(), delay.Seconds(), 0.9)
		require.GreaterOrEqual(w.t, delay, backend.CrashDelay(2))
		require.Equal(w.t, counts{Delayed: 1}, w.counts(jobs))
	}},
}
