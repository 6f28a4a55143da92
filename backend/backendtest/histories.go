package backendtest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/multinode/mn/backend"
)

// RunHistories compares a backend with a small model over random histories: few tasks,
// locks and workers, so that they get into each other's way. -rapid.checks sets the
// number of histories and -rapid.steps their length. Run includes it.
func RunHistories(t *testing.T, open func(t *testing.T) backend.Backend) {
	b := open(t)
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, b)
		t.Repeat(map[string]func(*rapid.T){
			"submit":    h.submit,
			"claim":     h.claim,
			"nested":    h.claimNested,
			"yield":     h.yield,
			"settle":    h.settle,
			"settle 2":  h.settle, // as often as tasks are started
			"again":     h.settleAgain,
			"stale":     h.stale,
			"cancel":    h.cancel,
			"remove":    h.remove,
			"lock":      h.lock,
			"exit":      h.exit,
			"reserve":   h.reserve,
			"heartbeat": h.heartbeat,
			"append":    h.append,
			"":          h.check,
		})
		h.cleanUp(t)
	})
}

// The few things that histories are about.
var (
	historyJobs  = []string{"j1", "j2", "j3", "j4"}
	historyLocks = []string{"k1", "k2", "k3"}
)

// history is a namespace beside its model.
type history struct {
	*process
	m     *model
	calls int             // numbers calls, whose IDs never come again
	ended []settlementEnd // of settlements that were answered
	old   []backend.Lease // leases that are over without a settlement
}

type settlementEnd struct {
	sent     backend.Settlement
	answered backend.Settled
}

func newHistory(t *rapid.T, b backend.Backend) *history {
	specs := []backend.PoolSpec{
		spec(jobs, backend.Job, maxWorkers(3), retries(1), keepYields(2)),
		spec(calls, backend.Function, maxWorkers(2), retries(1), crashes(1)),
	}
	return &history{process: newWorld(t, b).join("host", specs...), m: newModel(specs...)}
}

// pick draws one of a map's values, in the order of the keys; nil if there is none.
func pick[V any](t *rapid.T, from map[string]V, fits func(V) bool) (v V) {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(from)) {
		if fits(from[k]) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		t.Skip("none")
	}
	return from[rapid.SampledFrom(keys).Draw(t, "which")]
}

func anyLocks(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(historyLocks), 0, 2, rapid.ID).Draw(t, "locks")
}

func (h *history) submit(t *rapid.T) {
	var sub backend.Submission
	if rapid.Bool().Draw(t, "job") {
		sub = task(rapid.SampledFrom(historyJobs).Draw(t, "id"), jobs, anyLocks(t)...)
	} else {
		h.calls++
		sub = task(fmt.Sprintf("call %d", h.calls), calls)
		sub.Depth = rapid.IntRange(0, 1).Draw(t, "depth")
		sub.Root = rapid.SampledFrom(historyJobs).Draw(t, "root")
	}
	err, existing := h.m.refuses(sub)
	got := h.process.submit(sub)[0]
	require.Equal(t, err, got.Err)
	require.Equal(t, existing, got.Existing)
	if err != nil {
		return
	}
	if existing { // a slot that nobody came with may be named again
		if got.Slot.ID != "" {
			require.False(t, h.m.slots[got.Slot.ID].alive)
		}
		return
	}
	h.m.submit(sub)
	if h.m.room(sub.Pool) > 0 {
		require.NotEmpty(t, got.Slot.ID)
		require.NotContains(t, h.m.slots, got.Slot.ID)
		h.m.reserve(got.Slot.ID, sub.Pool)
	} else {
		require.Empty(t, got.Slot.ID)
	}
}

func (h *history) reserve(t *rapid.T) {
	want := map[string]int{jobs: h.m.room(jobs), calls: h.m.room(calls)}
	got := map[string]int{jobs: 0, calls: 0}
	for _, s := range h.process.reserve(jobs, calls) {
		require.NotContains(t, h.m.slots, s.ID)
		h.m.reserve(s.ID, s.Pool)
		got[s.Pool]++
	}
	require.Equal(t, want, got)
}

// claim has a worker without a task claim one, twice with one Op. With nothing to do
// it retires.
func (h *history) claim(t *rapid.T) {
	s := pick(t, h.m.slots, func(s *modelSlot) bool { return len(s.tasks) == 0 })
	want := h.m.next(s, false)
	if want == nil {
		h.claimFails(s.id, backend.ErrRetired)
		h.claimFails(s.id, backend.ErrSlotLost)
		delete(h.m.slots, s.id)
		return
	}
	h.take(t, s, want, h.request(s.id))
}

// claimNested has a busy function's worker claim for its waiting handler.
func (h *history) claimNested(t *rapid.T) {
	s := pick(t, h.m.slots, func(s *modelSlot) bool {
		return s.pool == calls && len(s.tasks) > 0 && h.m.next(s, true) != nil
	})
	req := h.request(s.id)
	req.Nested = true
	h.take(t, s, h.m.next(s, true), req)
}

func (h *history) take(t *rapid.T, s *modelSlot, want *modelTask, req backend.ClaimRequest) {
	a := h.claimAs(req)
	require.Equal(t, a.Assignment, h.claimAs(req).Assignment, "a claim repeated")
	if got := h.m.tasks[a.Lease.Task]; got != nil && got.turn == want.turn && got.Depth == want.Depth && got.Pool == want.Pool {
		want = got
	}
	require.Equal(t, want.ID, a.Lease.Task)
	require.Equal(t, want.Attempt+1, a.Attempt)
	require.Equal(t, want.Yields, a.Yields)
	require.Equal(t, want.Result, a.Result)
	require.Equal(t, want.Root, a.Root)
	h.m.claim(s, want, a.Lease)
}

// running draws a task under a lease.
func (h *history) running(t *rapid.T, kinds ...backend.Kind) *modelTask {
	return pick(t, h.m.tasks, func(x *modelTask) bool {
		return x.slot != nil && (len(kinds) == 0 || slices.Contains(kinds, x.Kind))
	})
}

func anyYields(t *rapid.T) (yields []backend.Yield) {
	for _, n := range rapid.SliceOfN(rapid.Uint64Range(1, 12), 0, 3).Draw(t, "yields") {
		yields = append(yields, value(n))
	}
	return yields
}

func (h *history) yield(t *rapid.T) {
	x, yields := h.running(t, backend.Job), anyYields(t)
	require.NoError(t, h.store.Yield(h.ctx, x.lease, yields))
	h.m.yield(x, yields)
}

func (h *history) lock(t *rapid.T) {
	x, keys := h.running(t, backend.Job), anyLocks(t)
	want := h.m.contended(x.ID, keys)
	require.Equal(t, want, h.store.Lock(h.ctx, x.lease, keys))
	if want == nil {
		h.m.lock(x, keys)
	}
}

func (h *history) settle(t *rapid.T) {
	x := h.running(t)
	end := backend.Settlement{
		Lease:     x.lease,
		Outcome:   rapid.SampledFrom([]backend.Outcome{backend.Succeeded, backend.Failed, backend.Released}).Draw(t, "outcome"),
		Permanent: rapid.Bool().Draw(t, "permanent"),
		Leave:     len(x.slot.tasks) == 1 && rapid.Bool().Draw(t, "leave"),
	}
	if x.Kind == backend.Job {
		end.Yields = anyYields(t)
	}
	got, err := h.store.Settle(h.ctx, []backend.Settlement{end})
	require.NoError(t, err)
	slot := x.slot
	h.m.settle(x, end)
	if end.Leave {
		delete(h.m.slots, slot.id)
	}
	require.Equal(t, backend.Settled{Status: x.Status}, got[0])
	h.ended = append(h.ended, settlementEnd{end, got[0]})
}

// settleAgain repeats a settlement: the answer is the same and nothing changes.
func (h *history) settleAgain(t *rapid.T) {
	if len(h.ended) == 0 {
		t.Skip("none")
	}
	e := rapid.SampledFrom(h.ended).Draw(t, "settlement")
	got, err := h.store.Settle(h.ctx, []backend.Settlement{e.sent})
	require.NoError(t, err)
	require.Equal(t, e.answered, got[0])
}

// stale writes with a lease that is over.
func (h *history) stale(t *rapid.T) {
	if len(h.old) == 0 {
		t.Skip("none")
	}
	l := rapid.SampledFrom(h.old).Draw(t, "lease")
	require.ErrorIs(t, h.store.Yield(h.ctx, l, []backend.Yield{value(99)}), backend.ErrLeaseLost)
	require.ErrorIs(t, h.store.Lock(h.ctx, l, historyLocks), backend.ErrLeaseLost)
	got, err := h.store.Settle(h.ctx, []backend.Settlement{{Lease: l, Outcome: backend.Succeeded, Leave: true}})
	require.NoError(t, err)
	require.ErrorIs(t, got[0].Err, backend.ErrLeaseLost)
}

func (h *history) cancel(t *rapid.T) {
	x := pick(t, h.m.tasks, func(*modelTask) bool { return true })
	h.process.cancel(x.ID)
	h.m.move(x, backend.EventCancel)
}

func (h *history) remove(t *rapid.T) {
	id := rapid.SampledFrom(historyJobs).Draw(t, "id")
	h.process.remove(id)
	h.m.remove(id)
}

func (h *history) exit(t *rapid.T) {
	s := pick(t, h.m.slots, func(*modelSlot) bool { return true })
	for _, x := range s.tasks {
		h.old = append(h.old, x.lease)
	}
	h.process.exit(s.id, "gone")
	h.m.exit(s)
}

func (h *history) heartbeat(t *rapid.T) {
	var leases []backend.Lease
	var want []backend.LeaseState
	for _, x := range h.m.tasks {
		if x.slot == nil {
			continue
		}
		leases = append(leases, x.lease)
		if x.Status == backend.StatusCancelling {
			want = append(want, backend.LeaseCancelling)
		} else {
			want = append(want, backend.LeaseHeld)
		}
	}
	for _, l := range h.old {
		leases, want = append(leases, l), append(want, backend.LeaseLost)
	}
	got, err := h.store.Heartbeat(h.ctx, h.ID, leases)
	require.NoError(t, err)
	require.Equal(t, want, append([]backend.LeaseState(nil), got...))
}
