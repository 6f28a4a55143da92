package backendtest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/multinode/mn/backend"
)

// check compares all that can be read with the model.
func (h *history) check(t *rapid.T) {
	ids := slices.Clone(historyJobs)
	for n := range h.calls {
		ids = append(ids, fmt.Sprintf("call %d", n+1))
	}
	got, err := h.store.Get(h.ctx, ids)
	require.NoError(t, err)
	for i, id := range ids {
		h.same(t, id, h.m.tasks[id], got[i])
	}
	require.Equal(t, h.m.holders, h.held(), "locks")
	for _, pool := range []string{jobs, calls} {
		require.Equal(t, h.m.counts(pool), h.process.counts(pool), pool)
	}
	h.checkLists(t)
	h.checkJournal(t)
	h.checkResults(t)
}

func (h *history) same(t *rapid.T, id string, want *modelTask, got *backend.Task) {
	if want == nil {
		require.Nil(t, got, "task %s", id)
		return
	}
	require.NotNil(t, got, "task %s", id)
	require.Equal(t, want.Status == backend.StatusPending, got.Reason != "", "reason of %s", id)
	require.Equal(t, want.Status.Terminal(), !got.Ended.IsZero(), "end of %s", id)
	have := *got
	have.Failure, have.Reason, have.Version = nil, "", 0
	have.Created, have.Started, have.Ended = want.Created, want.Started, want.Ended
	require.Equal(t, want.Task, have, "task %s", id)
	if want.Kind == backend.Job {
		require.Equal(t, append([]uint64{}, want.log...), h.log(id, 0, 100), "yields of %s", id)
	}
}

func (h *history) checkLists(t *rapid.T) {
	all := h.m.list()
	require.Equal(t, all, h.listed(backend.ListRequest{}))
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(backend.Statuses[:]), 1, 3, rapid.ID).Draw(t, "statuses")
	want := h.m.list(some...)
	require.Equal(t, want, h.listed(backend.ListRequest{Pool: jobs, Statuses: some}))
	limit := rapid.IntRange(1, 3).Draw(t, "limit")
	before := rapid.SampledFrom(historyJobs).Draw(t, "before")
	want = slices.DeleteFunc(want, func(id string) bool { return id >= before })
	require.Equal(t, want[:min(limit, len(want))], h.listed(backend.ListRequest{Statuses: some, Before: before, Limit: limit}))
}

// checkResults waits for the results of the calls that have ended, and sees that no
// other came.
func (h *history) checkResults(t *rapid.T) {
	for id, want := range h.m.results {
		got := h.result(id)
		got.Failure = nil
		require.Equal(t, want, got)
	}
	h.inbox.mu.Lock()
	defer h.inbox.mu.Unlock()
	for _, r := range h.inbox.results {
		require.Contains(t, h.m.results, r.ID)
	}
}

// cleanUp ends everything, after which nothing may be left.
func (h *history) cleanUp(t *rapid.T) {
	for _, s := range slices.Collect(maps.Values(h.m.slots)) {
		h.process.exit(s.id, "")
		h.m.exit(s)
	}
	for id, x := range maps.Clone(h.m.tasks) {
		if x.Kind == backend.Function {
			h.process.cancel(id)
			h.m.move(x, backend.EventCancel)
		}
	}
	h.process.remove(historyJobs...)
	for _, id := range historyJobs {
		h.m.remove(id)
	}
	require.Empty(t, h.m.tasks, "the model ends everything")
	h.check(t)
	require.Zero(t, h.process.counts(jobs))
	require.Zero(t, h.process.counts(calls))
	h.leave()
}
