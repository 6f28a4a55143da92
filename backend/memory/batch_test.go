package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
)

// crew is a store with n workers of the function f, and their slots. None has claimed.
func crew(t *testing.T, n int) (backend.Store, []string) {
	t.Helper()
	s := memory.New().Namespace("test")
	session := backend.Session{ID: "s", Launches: true, Lease: time.Hour, Starting: time.Hour, Pools: []backend.PoolSpec{
		{Name: "f", Kind: backend.Function, MaxWorkers: n, Spare: n, CrashBudget: 3},
	}}
	require.NoError(t, s.Join(t.Context(), session, silent{}))
	slots, err := s.Reserve(t.Context(), "s", []string{"f"}, 10)
	require.NoError(t, err)
	require.Len(t, slots, n)
	ids := make([]string, n)
	for i := range slots {
		ids[i] = slots[i].ID
	}
	return s, ids
}

func submitCalls(t *testing.T, s backend.Store, n int) {
	t.Helper()
	subs := make([]backend.Submission, n)
	for i := range subs {
		subs[i] = backend.Submission{ID: fmt.Sprint(i), Kind: backend.Function, Pool: "f"}
	}
	_, err := s.Submit(t.Context(), "s", subs)
	require.NoError(t, err)
}

// The suite lets a store give fewer tasks than a claim could get. This one gives all.
func TestClaimGetsItsWholeShare(t *testing.T) {
	for _, c := range []struct {
		tasks, workers, most int
		got                  []int // by claims one after another
	}{
		{tasks: 10, workers: 3, most: 64, got: []int{4, 2, 2, 1, 1}},
		{tasks: 9, workers: 3, most: 64, got: []int{3, 2, 2, 1, 1}},
		{tasks: 200, workers: 1, most: 64, got: []int{64, 64, 64, 8}},
		{tasks: 5, workers: 1, most: 2, got: []int{2, 2, 1}},
		{tasks: 3, workers: 4, most: 64, got: []int{1, 1, 1}},
		{tasks: 3, workers: 1, most: 0, got: []int{1, 1, 1}},
	} {
		s, slots := crew(t, c.workers)
		submitCalls(t, s, c.tasks)
		for i, want := range c.got {
			as, err := s.Claim(t.Context(), backend.ClaimRequest{Slot: slots[i%c.workers], Session: "s", Op: uint64(i + 1), Max: c.most})
			require.NoError(t, err)
			require.Len(t, as, want, "claim %d of %+v", i, c)
		}
	}
}

func TestSubmitHandsOverWholeBundles(t *testing.T) {
	s, slots := crew(t, 3)
	var claims []backend.Claiming
	for _, slot := range slots {
		x, err := s.(backend.Exchanger).Exchange(t.Context(), nil, backend.ClaimRequest{
			Slot: slot, Session: "s", Op: 1, Cooldown: time.Hour, Max: 64, Bundle: 4,
		})
		require.NoError(t, err)
		claims = append(claims, x.Claim)
	}
	submitCalls(t, s, 10)
	var got []int
	for _, c := range claims {
		as, err := c.Wait(t.Context())
		require.NoError(t, err)
		got = append(got, len(as))
	}
	require.Equal(t, []int{2, 4, 4}, got, "who came last is given tasks first")
	for _, slot := range slots {
		require.NoError(t, s.Exit(t.Context(), []backend.SlotExit{{Slot: slot}}))
	}
}
