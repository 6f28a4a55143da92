package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var resultRules = []rule{
	{"a call's result is delivered to the session that submitted it, and to no other", func(w *world) {
		p, c, d := w.host(), w.client("c"), w.client("d")
		slots := p.workers(calls, 2)
		one, two := p.rest(calls, slots[0], long), p.rest(calls, slots[1], long)
		p.inbox.forget()
		c.start(task("of c", calls))
		d.start(task("of d", calls))
		for _, r := range []*waiting{one, two} {
			r.end()
			(&attempt{p, r.a}).succeed()
		}
		require.Equal(w.t, backend.Result{ID: "of c", Status: backend.StatusSucceeded, Data: []byte("result of of c"), Attempt: 1}, c.result("of c"))
		d.result("of d")
		_, heard := c.inbox.find("of d")
		require.False(w.t, heard)
		_, heard = p.inbox.find("of c")
		require.False(w.t, heard)
	}},
	{"a failed call's result tells why", func(w *world) {
		p := w.host()
		p.run(task("a", calls)).fail()
		require.Equal(w.t, backend.Result{ID: "a", Status: backend.StatusFailed, Failure: failure("it broke"), Attempt: 1}, p.result("a"))
	}},
	{"a cancelled call's result says so", func(w *world) {
		p := w.host()
		a := p.run(task("running", calls))
		p.start(task("pending", calls))
		w.cancel("running", "pending")
		require.Equal(w.t, backend.Result{ID: "pending", Status: backend.StatusCancelled}, p.result("pending"))
		a.succeed()
		r := p.result("running")
		require.Equal(w.t, backend.StatusCancelled, r.Status)
		require.Nil(w.t, r.Data)
		require.Equal(w.t, 1, r.Attempt)
	}},
	{"a result may be empty", func(w *world) {
		p := w.host()
		p.run(task("a", calls)).settle(backend.Settlement{Outcome: backend.Succeeded})
		require.Empty(w.t, p.result("a").Data)
	}},
	{"a call's record is gone once its result is delivered", func(w *world) {
		for i, end := range []func(*attempt){
			func(a *attempt) { a.succeed() },
			func(a *attempt) { a.settle(backend.Settlement{Outcome: backend.Failed, Permanent: true}) },
			func(a *attempt) { w.cancel(a.Lease.Task); a.release() },
			func(a *attempt) { a.fail(); a.claim(a.Lease.Slot).succeed() },
			func(a *attempt) { a.crash(""); a.next(calls).succeed() },
		} {
			p, id := w.host(retries(1), crashes(1)), fmt.Sprint(i)
			end(p.run(task(id, calls)))
			p.result(id)
			w.goes(id)
			p.leave()
		}
		_, err := w.store.Await(w.ctx, "0", backend.Until{})
		require.ErrorIs(w.t, err, backend.ErrNotFound)
	}},
	{"a call can be read while it is unfinished", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", calls))
		got := w.get("a")
		require.Equal(w.t, backend.Function, got.Kind)
		require.Equal(w.t, backend.StatusRunning, got.Status)
		a.fail()
		w.is("a", backend.StatusPending)
	}},
	{"a job's end is delivered to nobody", func(w *world) {
		p := w.host()
		p.run(task("job", jobs)).succeed()
		p.run(task("call", calls)).succeed()
		p.result("call")
		_, heard := p.inbox.find("job")
		require.False(w.t, heard)
	}},
	{"a thousand calls are each answered once and leave nothing behind", func(w *world) {
		p := w.host(maxWorkers(1))
		var subs []backend.Submission
		for i := range 1000 {
			subs = append(subs, task(fmt.Sprint(i), calls))
		}
		slot := p.start(subs...).ID
		for range subs {
			p.claim(slot).succeed()
		}
		w.eventually(func() bool {
			p.inbox.mu.Lock()
			defer p.inbox.mu.Unlock()
			return len(p.inbox.results) >= len(subs)
		}, "all results")
		seen := make(map[string]string)
		for _, r := range p.inbox.results {
			seen[r.ID] = string(r.Data)
		}
		for _, s := range subs {
			require.Equal(w.t, "result of "+s.ID, seen[s.ID])
			w.goes(s.ID)
		}
		p.claimFails(slot, backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
	}},
}
