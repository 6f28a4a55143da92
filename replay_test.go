package mn_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

func TestKeptYieldsAreReplayedThenLive(t *testing.T) {
	for name, c := range map[string]struct {
		from uint64
		want []uint64
	}{
		"from 0 is from 1":         {0, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 8}},
		"from 1":                   {1, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 8}},
		"from 3":                   {3, []uint64{3, 4, 5, 6, 7, 8, 8}},
		"from the newest":          {5, []uint64{5, 6, 7, 8, 8}},
		"from what is yet to come": {7, []uint64{5, 6, 7, 8, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := mn.NewJob("count", counting, mn.KeepYields(100))
				j := job.On(mntest.New(t, job))
				id := start(t, j, 8)
				pass(5500 * time.Millisecond) // five are there
				states := watched(t, j, id, mn.FromYield(c.from))
				require.Equal(t, c.want, numbers(states))
				for _, s := range states {
					require.EqualValues(t, s.Yields, s.Result)
					require.Equal(t, s.Status.Terminal(), !s.Ended.IsZero())
				}
			})
		})
	}
}

func TestOnlyTheLastYieldsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeping, plain := mn.NewJob("keeping", counting, mn.KeepYields(3)), mn.NewJob("plain", counting)
		app := mntest.New(t, keeping, plain)
		id := start(t, keeping.On(app), 8)
		ended(t, keeping.On(app), id)
		states := watched(t, keeping.On(app), id, mn.FromYield(1))
		require.Equal(t, []uint64{6, 7, 8}, numbers(states))
		require.Equal(t, []mn.Status{mn.Running, mn.Running, mn.Succeeded}, statuses(states))
		require.Zero(t, states[1].Ended, "what is replayed shows the job as it was then")
		id = start(t, plain.On(app), 8)
		ended(t, plain.On(app), id)
		require.Equal(t, []uint64{8}, numbers(watched(t, plain.On(app), id, mn.FromYield(1))))
	})
}

func TestReplayReadsAnyNumberOfKeptYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.KeepYields(1000))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 350)
		ended(t, j, id)
		want := make([]uint64, 350)
		for i := range want {
			want[i] = uint64(i + 1)
		}
		require.Equal(t, want, numbers(watched(t, j, id, mn.FromYield(1))))
		require.Equal(t, want[50:], numbers(watched(t, j, id, mn.FromYield(51))))
		for info := range j.Watch(t.Context(), id, mn.FromYield(1)) {
			if info.Yields == 120 {
				break
			}
		}
	})
}

func TestReplayMissesNoKeptYieldThoughTheReaderIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.KeepYields(5))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 40)
		var seen []uint64
		for info, err := range j.Watch(t.Context(), id, mn.FromYield(1)) {
			require.NoError(t, err)
			if !info.Status.Terminal() {
				seen = append(seen, info.Yields)
			}
			if info.Yields == 10 {
				pass(6500 * time.Millisecond) // the job is at 16 then and keeps 12 to 16
			}
		}
		var want []uint64
		for n := range uint64(41) {
			if n != 11 {
				want = append(want, n)
			}
		}
		require.Equal(t, want, seen)
	})
}

func TestReplayMissesNoKeptYieldThoughTheJobGoesOnMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		store := &tap{Backend: memory.New(), before: func(op string) error {
			if op != "yields" {
				return nil
			}
			if reads++; reads == 1 {
				pass(7 * time.Second)
			}
			return nil
		}}
		job := mn.NewJob("count", counting, mn.KeepYields(5))
		j := job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}))
		id := start(t, j, 14)
		pass(3500 * time.Millisecond)
		// The state of 3 is read, then the kept yields, when these are 6 to 10.
		require.Equal(t, []uint64{3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14}, numbers(watched(t, j, id, mn.FromYield(1))))
	})
}

func TestYieldNumbersGoOnOverAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("resumes", func(ctx context.Context, _ int, yield func(int) bool) error {
			last, _ := mn.LastYield[int](ctx)
			for i := last + 1; i <= last+3; i++ {
				yield(i)
				pass(time.Second)
			}
			if mn.Attempt(ctx) < 3 {
				return context.DeadlineExceeded
			}
			return nil
		}, mn.Retries(2), mn.KeepYields(100), mn.Backoff(time.Second, time.Second))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 0)
		require.Equal(t, mn.Succeeded, ended(t, j, id).Status)
		states := watched(t, j, id, mn.FromYield(1))
		require.Equal(t, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, numbers(states))
		for _, s := range states {
			require.EqualValues(t, s.Yields, s.Result)
		}
	})
}
