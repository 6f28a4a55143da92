package backendtest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// shows checks why a task is PENDING.
func (w *world) shows(id, reason string) {
	w.t.Helper()
	got := w.get(id)
	require.Equal(w.t, backend.StatusPending, got.Status)
	require.Equal(w.t, reason, got.Reason)
}

// reasonRules compare with the words of [backend.PendingReason] written out, so that
// a backend that gives it wrong numbers is found.
var reasonRules = []rule{
	{"a task without a definition says that none has joined", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs))
		w.shows("a", `no app with a handler for "jobs" has joined yet`)
		w.join("p", spec(jobs, backend.Job))
		require.NotContains(w.t, w.get("a").Reason, "joined")
	}},
	{"a task whose apps are gone says so", func(w *world) {
		p, c := w.host(), w.client("c")
		p.leave()
		c.start(task("a", jobs))
		w.shows("a", `no app with a handler for "jobs" is running`)
	}},
	{"a task whose worker is starting says so", func(w *world) {
		p := w.host()
		p.start(task("a", jobs))
		w.shows("a", "a worker is starting")
	}},
	{"a task beyond the concurrency limit says so", func(w *world) {
		p := w.host(maxWorkers(2))
		p.run(task("a", jobs))
		p.run(task("b", jobs))
		p.start(task("c", jobs))
		w.shows("c", "concurrency limit 2/2")
	}},
	{"a call beyond the worker limit says so", func(w *world) {
		p := w.host(maxWorkers(1))
		p.run(task("a", calls))
		p.start(task("b", calls))
		w.shows("b", "worker limit 1/1")
	}},
	{"a task beyond the quota says so", func(w *world) {
		p := w.joinAs(backend.Session{
			ID: "p", Launches: true, Quota: backend.Quota{CPU: 1}, Pools: []backend.PoolSpec{spec(jobs, backend.Job)},
		})
		p.run(task("a", jobs))
		p.start(task("b", jobs))
		w.shows("b", "quota of the app has no room for 1 CPU and 1024 MiB more")
	}},
	{"a task whose worker the platform refused shows the platform's words until a worker comes", func(w *world) {
		p := w.host(maxWorkers(3))
		slot := p.start(task("a", jobs), task("b", jobs)).ID
		exit := backend.SlotExit{Slot: slot, Note: "no node has 16 CPU", Refused: true}
		require.NoError(w.t, w.store.Exit(w.ctx, []backend.SlotExit{exit}))
		w.shows("a", "no node has 16 CPU")
		w.shows("b", "no node has 16 CPU")
		require.Equal(w.t, "no node has 16 CPU", w.pool(jobs).Blocked)
		p.next(jobs)
		w.shows("b", "a worker is starting")
		require.Empty(w.t, w.pool(jobs).Blocked)
	}},
	{"an exit that is no refusal blocks nothing", func(w *world) {
		p := w.host(retries(1))
		p.run(task("a", jobs)).crash("exit code 137")
		require.Empty(w.t, w.pool(jobs).Blocked)
		w.shows("a", "waiting for a worker")
	}},
	{"a task that nobody launches a worker for waits for one", func(w *world) {
		p := w.joinAs(backend.Session{ID: "p", Pools: []backend.PoolSpec{spec(jobs, backend.Job)}})
		p.start(task("a", jobs))
		w.shows("a", "waiting for a worker")
	}},
	{"a task that waits for its retry says for how long", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Failed, RetryIn: time.Hour})
		require.Regexp(w.t, `^retry in (1h0m0s|59m59(\.\d+)?s|59m[0-5]\d(\.\d+)?s), attempt 2$`, w.get("a").Reason)
	}},
	{"a task that is not PENDING has no reason", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		require.Empty(w.t, w.get("a").Reason)
		w.cancel("a")
		require.Empty(w.t, w.get("a").Reason)
		a.release()
		require.Empty(w.t, w.get("a").Reason)
	}},
}
