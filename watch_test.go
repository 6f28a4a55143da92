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
