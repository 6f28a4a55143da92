package redis_test

import (
	"fmt"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/redistest"
)

// crowd leases n tasks that do not exist to slots of a pool that do not exist.
func crowd(t *testing.T, root *goredis.Client, pool string, n int) {
	t.Helper()
	if n == 0 {
		return
	}
	fields := make([]any, 0, 2*n)
	for i := range n {
		fields = append(fields, fmt.Sprint("crowd ", i), fmt.Sprint("slot ", i))
	}
	require.NoError(t, root.HSet(t.Context(), "mn:{n}:run:"+pool, fields...).Err())
}

// What slots execute is told whether one step can look through all leased tasks, a reader has
// to do it in parts, or they are too many for both.
func TestWorkersOfACrowdedPool(t *testing.T) {
	for _, c := range []struct {
		crowd int
		told  bool
	}{{0, true}, {990, true}, {3000, true}, {25000, false}} {
		t.Run(fmt.Sprint(c.crowd), func(t *testing.T) {
			b, root := filled(t, redistest.New(t).Addr(), "n")
			s, ctx := b.Namespace("n"), t.Context()
			const starting = "call" // of the call in filled
			var slots []string
			var as []backend.Assignment
			for _, id := range []string{"1", "2"} { // whose workers take on the call, and "1"
				got, err := s.Submit(ctx, "host", []backend.Submission{{ID: id, Kind: backend.Function, Pool: "calls"}})
				require.NoError(t, err)
				slots = append(slots, got[0].Slot.ID)
				as, err = s.Claim(ctx, backend.ClaimRequest{Slot: got[0].Slot.ID, Session: "host", Op: 1})
				require.NoError(t, err)
			}
			busy, idle := slots[0], slots[1]
			_, err := s.Cancel(ctx, []string{"2"})
			require.NoError(t, err)
			x, err := s.(backend.Exchanger).Exchange(ctx, []backend.Settlement{{Lease: as[0].Lease, Outcome: backend.Succeeded}},
				backend.ClaimRequest{Slot: idle, Session: "host", Op: 2, Cooldown: patience})
			require.NoError(t, err)
			defer func() { _, _ = x.Claim.Wait(ctx) }()
			defer func() { _ = s.Exit(ctx, []backend.SlotExit{{Slot: idle}}) }()
			crowd(t, root, "calls", c.crowd)
			page, err := s.Workers(ctx, "calls", 0, 10)
			require.NoError(t, err)
			got := make(map[string]backend.WorkerInfo)
			for _, w := range page {
				got[w.Slot] = w
			}
			require.Equal(t, backend.WorkerBusy, got[busy].State)
			require.Equal(t, backend.WorkerIdle, got[idle].State)
			require.Empty(t, got[idle].Tasks)
			require.Equal(t, backend.WorkerStarting, got[starting].State)
			if c.told {
				require.Equal(t, []string{"call"}, got[busy].Tasks)
			} else {
				require.Empty(t, got[busy].Tasks)
			}
		})
	}
}

// The job of a slot is found among any number of leased tasks, and again when the slot has
// taken on another.
func TestEntriesBySlotInACrowdedPool(t *testing.T) {
	b, root := filled(t, redistest.New(t).Addr(), "n")
	s, ctx := b.Namespace("n"), t.Context()
	bySlot := func(slot, text string) backend.Addition {
		a := logEntry("", text)[0]
		a.Slot = slot
		return a
	}
	crowd(t, root, "calls", 3000)
	crowd(t, root, "jobs", 3000)
	slot := "call" // of the call in filled
	var want []string
	for i := range 4 {
		as, err := s.Claim(ctx, backend.ClaimRequest{Slot: slot, Session: "host", Op: uint64(i + 1)})
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, s.Append(ctx, append(logEntry("other", "o"), bySlot(slot, as[0].Lease.Task), bySlot("nowhere", "x"))))
			want = append(want, "o")
			if i > 0 {
				want = append(want, as[0].Lease.Task)
			}
		}
		_, err = s.Settle(ctx, []backend.Settlement{{Lease: as[0].Lease, Outcome: backend.Succeeded}})
		require.NoError(t, err)
		require.NoError(t, s.Append(ctx, []backend.Addition{bySlot(slot, "idle")}))
		_, err = s.Submit(ctx, "host", []backend.Submission{
			{ID: fmt.Sprint("for other ", i), Kind: backend.Function, Pool: "calls", Root: "other"},
		})
		require.NoError(t, err)
	}
	for i := range want {
		want[i] = fmt.Sprint(i+1, want[i])
	}
	require.Equal(t, want, logOf(t, s, "other"))
}
