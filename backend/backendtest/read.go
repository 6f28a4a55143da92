package backendtest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// value is a yield whose text tells its number.
func value(n uint64) backend.Yield {
	return backend.Yield{Number: n, Data: fmt.Appendf(nil, "value %d", n)}
}

// find reads a task, nil if it does not exist.
func (w *world) find(id string) *backend.Task {
	w.t.Helper()
	tasks, err := w.store.Get(w.ctx, []string{id})
	require.NoError(w.t, err)
	require.Len(w.t, tasks, 1)
	return tasks[0]
}

// get reads a task that must exist.
func (w *world) get(id string) *backend.Task {
	w.t.Helper()
	t := w.find(id)
	require.NotNil(w.t, t, "task %s does not exist", id)
	return t
}

func (w *world) status(id string) backend.Status {
	w.t.Helper()
	return w.get(id).Status
}

// is checks a task's status.
func (w *world) is(id string, want backend.Status) {
	w.t.Helper()
	require.Equal(w.t, want, w.status(id), "status of %s", id)
}

// gone checks that a task does not exist.
func (w *world) gone(id string) {
	w.t.Helper()
	require.Nil(w.t, w.find(id), "task %s exists", id)
}

// goes waits until a task does not exist.
func (w *world) goes(id string) {
	w.t.Helper()
	w.eventually(func() bool { return w.find(id) == nil }, "task %s to be gone", id)
}

// pool reads one pool; a zero one if it is unknown.
func (w *world) pool(name string) backend.PoolInfo {
	w.t.Helper()
	pools, err := w.store.Pools(w.ctx)
	require.NoError(w.t, err)
	for _, p := range pools {
		if p.Spec.Name == name {
			return p
		}
	}
	return backend.PoolInfo{}
}

// counts are the numbers of a PoolInfo, to be compared at once.
type counts struct{ Pending, Delayed, Running, Starting, Idle, Slots int }

func (w *world) counts(pool string) counts {
	w.t.Helper()
	p := w.pool(pool)
	return counts{p.Pending, p.Delayed, p.Running, p.Starting, p.Idle, p.Slots}
}

// held reads all locks: key → holder.
func (w *world) held() map[string]string {
	w.t.Helper()
	locks, err := w.store.Locks(w.ctx, "", 1000)
	require.NoError(w.t, err)
	held := make(map[string]string)
	for _, l := range locks {
		held[l.Key] = l.Holder
	}
	return held
}

// free checks that nobody holds the keys.
func (w *world) free(keys ...string) {
	w.t.Helper()
	held := w.held()
	for _, key := range keys {
		require.NotContains(w.t, held, key)
	}
}

// holds checks who holds the keys.
func (w *world) holds(id string, keys ...string) {
	w.t.Helper()
	held := w.held()
	for _, key := range keys {
		require.Equal(w.t, id, held[key], "holder of %q", key)
	}
}

// page lists the IDs of one page.
func (w *world) page(req backend.ListRequest) []string {
	w.t.Helper()
	tasks, err := w.store.List(w.ctx, req)
	require.NoError(w.t, err)
	ids := []string{}
	for _, t := range tasks {
		ids = append(ids, t.ID)
	}
	return ids
}

// listed is page where nothing else goes on: List and ListIDs must agree.
func (w *world) listed(req backend.ListRequest) []string {
	w.t.Helper()
	ids := w.page(req)
	alone, err := w.store.ListIDs(w.ctx, req)
	require.NoError(w.t, err)
	require.Equal(w.t, ids, append([]string{}, alone...), "ListIDs is List for the IDs alone")
	return ids
}

// log reads the kept yields' numbers.
func (w *world) log(id string, after uint64, limit int) []uint64 {
	w.t.Helper()
	yields, err := w.store.Yields(w.ctx, id, after, limit)
	require.NoError(w.t, err)
	numbers := []uint64{}
	for _, y := range yields {
		require.Equal(w.t, value(y.Number), y)
		numbers = append(numbers, y.Number)
	}
	return numbers
}

// unclock makes tasks of two histories comparable: what the clock decides is reduced
// to whether it is set, and so are slots, whose names a store may choose. Versions, which need
// only grow, are dropped.
func unclock(t *backend.Task) *backend.Task {
	if t == nil {
		return nil
	}
	c := *t
	c.Version = 0
	reduce(&c.Slot, &c.Created, &c.Started, &c.Ended, &c.NotBefore)
	return &c
}

// reduce leaves of a slot and of times whether they are set.
func reduce(slot *string, times ...*time.Time) {
	if *slot != "" {
		*slot = "slot"
	}
	for _, at := range times {
		if !at.IsZero() {
			*at = time.Unix(0, 0)
		}
	}
}

// past reads the attempts of a job that are remembered.
func (w *world) past(id string) []backend.PastAttempt {
	w.t.Helper()
	past, err := w.store.Attempts(w.ctx, id)
	require.NoError(w.t, err)
	return past
}
