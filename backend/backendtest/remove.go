package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var removeRules = []rule{
	{"Remove of an ended job deletes it", func(w *world) {
		p := w.host(keepYields(5))
		a := p.run(task("a", jobs, "key"))
		a.yield(1)
		a.succeed()
		w.remove("a")
		w.gone("a")
		require.Empty(w.t, w.page(backend.ListRequest{}))
		errs, err := w.store.Cancel(w.ctx, []string{"a"})
		require.NoError(w.t, err)
		require.ErrorIs(w.t, errs[0], backend.ErrNotFound)
	}},
	{"Remove of a pending job deletes it and it never runs", func(w *world) {
		p := w.host()
		slot := p.start(task("a", jobs, "key"))
		w.remove("a")
		w.gone("a")
		w.free("key")
		require.Empty(w.t, w.page(backend.ListRequest{}))
		p.claimFails(slot.ID, backend.ErrRetired)
	}},
	{"Remove of a running job cancels it now and deletes it when it has ended", func(w *world) {
		p := w.host(retries(5))
		for _, end := range []func(*attempt){
			func(a *attempt) { require.Equal(w.t, backend.StatusCancelled, a.succeed()) },
			func(a *attempt) { require.Equal(w.t, backend.StatusCancelled, a.fail()) },
			func(a *attempt) { require.Equal(w.t, backend.StatusCancelled, a.release()) },
			func(a *attempt) { a.crash("") },
		} {
			a := p.run(task("a", jobs, "key"))
			w.remove("a")
			got := w.get("a")
			require.Equal(w.t, backend.StatusCancelling, got.Status)
			require.True(w.t, got.Removing)
			p.hearsCancel(a)
			require.Equal(w.t, []string{"a"}, w.page(backend.ListRequest{}))
			end(a)
			w.gone("a")
			require.Empty(w.t, w.held())
			require.Empty(w.t, w.page(backend.ListRequest{}))
		}
	}},
	{"Remove of a CANCELLING job deletes it when it has ended", func(w *world) {
		a := w.host().run(task("a", jobs))
		w.cancel("a")
		require.False(w.t, w.get("a").Removing)
		w.remove("a")
		require.True(w.t, w.get("a").Removing)
		a.release()
		w.gone("a")
	}},
	{"Remove of a job that waits for its retry deletes it", func(w *world) {
		p := w.host(retries(5))
		a := p.run(task("a", jobs, "key"))
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke"), RetryIn: long})
		w.remove("a")
		w.gone("a")
		w.free("key")
		require.Zero(w.t, w.pool(jobs).Delayed)
	}},
	{"Remove is idempotent, and unknown IDs count as removed", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		w.remove("a", "nothing", "a")
		before := w.get("a")
		w.remove("a")
		require.Equal(w.t, before, w.get("a"))
		a.release()
		w.remove("a")
		w.gone("a")
	}},
	{"an ID that was removed may be used anew", func(w *world) {
		p := w.host(keepYields(5))
		a := p.run(task("a", jobs, "key"))
		a.yield(1)
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		w.remove("a")
		b := p.run(task("a", jobs, "key"))
		require.Equal(w.t, 1, b.Attempt)
		require.Zero(w.t, b.Yields)
		require.Empty(w.t, w.log("a", 0, 10))
		require.Zero(w.t, w.get("a").Result)
	}},
	{"Remove leaves other jobs alone", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs, "1"), task("ab", jobs, "2"), task("b", jobs, "3"))
		w.remove("a", "b")
		require.Equal(w.t, []string{"ab"}, w.page(backend.ListRequest{}))
		require.Equal(w.t, map[string]string{"2": "ab"}, w.held())
	}},
}
