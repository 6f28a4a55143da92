package mn_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

func TestWatchShowsEachChangeAndTheEndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.MaxConcurrency(1))
		j := job.On(mntest.New(t, job))
		start(t, j, 2) // holds the only place for three seconds
		id := start(t, j, 3)
		began := time.Now()

		states := watched(t, j, id)
		require.Equal(t, []mn.Status{
			mn.Pending, mn.Running, mn.Running, mn.Running, mn.Running, mn.Succeeded,
		}, statuses(states))
		require.Equal(t, []uint64{0, 0, 1, 2, 3, 3}, numbers(states))
		require.Equal(t, "concurrency limit 1/1", states[0].Reason)
		require.Zero(t, states[0].Attempt)
		require.Equal(t, began.Add(3*time.Second), states[1].Started)
		require.Equal(t, began.Add(7*time.Second), states[5].Ended)
	})
}

func TestWatchOfAnEndedJobShowsItsEndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		j := job.On(mntest.New(t, job))
		id := start(t, j, 3)
		ended(t, j, id)
		states := watched(t, j, id)
		require.Len(t, states, 1)
		require.Equal(t, 3, states[0].Result)
	})
}

func TestSlowReaderMissesStatesButNeverTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		j := job.On(mntest.New(t, job))
		id := start(t, j, 100)
		var seen []uint64
		for info, err := range j.Watch(t.Context(), id) {
			require.NoError(t, err)
			seen = append(seen, info.Yields)
			pass(9500 * time.Millisecond)
		}
		require.Len(t, seen, 12)
		require.IsIncreasing(t, seen[:11])
		require.EqualValues(t, 100, seen[11])
	})
}

func TestManyWatchersEachSeeEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		j := job.On(mntest.New(t, job))
		id := start(t, j, 20)
		var all sync.WaitGroup
		for range 25 {
			all.Go(func() {
				n, last := 0, mn.Pending
				for info, err := range j.Watch(t.Context(), id) {
					if err != nil {
						t.Error(err)
					}
					n, last = n+1, info.Status
				}
				if n != 22 || last != mn.Succeeded {
					t.Errorf("saw %d states, the last %s", n, last)
				}
			})
		}
		all.Wait()
	})
}

func TestWatchWorksFromAnAppThatOnlyKnowsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		server, client := mn.NewJob("count", counting), mn.NewJob[int, int]("count", nil)
		s := server.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{server}}))
		c := client.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{client}}))
		require.Equal(t, []uint64{0, 1, 2, 3, 3}, numbers(watched(t, c, start(t, s, 3))))
		require.Equal(t, []uint64{0, 1, 2, 3, 3}, numbers(watched(t, s, start(t, c, 3))))
	})
}

func TestAppsOfDifferentNamesShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, job := memory.New(), mn.NewJob("count", counting)
		a := job.On(mntest.NewWith(t, mn.Config{Name: "a", Backend: store, Definitions: []mn.Definition{job}}))
		b := job.On(mntest.NewWith(t, mn.Config{Name: "b", Backend: store, Definitions: []mn.Definition{job}}))
		id := start(t, a, 1, mn.WithLock("l"))
		_, err := b.Get(t.Context(), id)
		require.ErrorIs(t, err, mn.ErrJobDoesNotExist)
		start(t, b, 1, mn.WithLock("l"))
	})
}

func TestWatchEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("wait", obedient)
		app := mntest.New(t, job)
		j := job.On(app)
		id := start(t, j, 0)
		for range j.Watch(t.Context(), id) {
			break
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var last error
		for _, err := range j.Watch(ctx, id) {
			last = err
		}
		require.ErrorIs(t, last, context.DeadlineExceeded)
		_, err := j.Wait(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, mn.Running, get(t, j, id).Status, "a reader's end is not the job's")
	})
}

func TestWatchOfAClosingAppEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("wait", obedient)
		app := mntest.New(t, job)
		j := job.On(app)
		id := start(t, j, 0)
		go func() {
			pass(time.Second)
			_ = app.Close()
		}()
		var last error
		for _, err := range j.Watch(t.Context(), id) {
			last = err
		}
		require.ErrorIs(t, last, mn.ErrAppClosed)
	})
}

func TestWatchOfARemovedJobEndsWithDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("wait", obedient)
		j := job.On(mntest.New(t, job))
		id := start(t, j, 0)
		go func() {
			pass(time.Second)
			_ = j.Remove(context.Background(), id)
		}()
		var last error
		for _, err := range j.Watch(t.Context(), id) {
			last = err
		}
		require.ErrorIs(t, last, mn.ErrJobDoesNotExist)
		require.ErrorContains(t, last, string(id))
	})
}

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
		require.Equal(t, []uint64{6, 7, 8}, numbers(watched(t, keeping.On(app), id, mn.FromYield(1))))
		id = start(t, plain.On(app), 8)
		ended(t, plain.On(app), id)
		require.Equal(t, []uint64{8}, numbers(watched(t, plain.On(app), id, mn.FromYield(1))))
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
