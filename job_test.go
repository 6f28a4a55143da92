package mn_test

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

const unknownID = mn.JobID("01900000-0000-7000-8000-000000000000")

func TestJobEndsWithItsLastYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		j := job.On(mntest.New(t, job))
		began := time.Now()
		id := start(t, j, 3)
		out, err := j.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 3, out)

		info := get(t, j, id)
		require.Equal(t, mn.JobInfo[int]{
			ID: id, Status: mn.Succeeded, Result: 3, Yields: 3, Attempt: 1,
			Created: began, Started: began, Ended: began.Add(4 * time.Second),
		}, info)
	})
}

func TestJobWithoutYieldHasTheZeroResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		j := job.On(mntest.New(t, job))
		out, err := j.Wait(t.Context(), start(t, j, 0))
		require.NoError(t, err)
		require.Zero(t, out)
	})
}

func TestJobStaysPendingUntilAnAppHasItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		client := mn.NewJob[int, int]("count", nil)
		c := client.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{client}}))
		id := start(t, c, 2)
		pass(time.Hour)
		info := get(t, c, id)
		require.Equal(t, mn.Pending, info.Status)
		require.Equal(t, `no app with a handler for "count" has joined yet`, info.Reason)

		server := mn.NewJob("count", counting)
		mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{server}})
		out, err := c.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 2, out)
		require.Empty(t, get(t, c, id).Reason, "only a PENDING job has a reason")
	})
}

func TestWithIDMakesAStartIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		job := mn.NewJob("once", func(_ context.Context, in string, yield func(string) bool) error {
			runs.Add(1)
			yield(in)
			return nil
		})
		other := mn.NewJob("other", counting)
		app := mntest.New(t, job, other)
		j := job.On(app)
		id := mn.JobID(uuid.Must(uuid.NewV7()).String())
		for _, in := range []string{"first", "again"} {
			require.Equal(t, id, start(t, j, in, mn.WithID(id), mn.WithLock("same")))
		}
		require.Equal(t, "first", ended(t, j, id).Result)
		require.Equal(t, id, start(t, j, "after its end", mn.WithID(id)))
		require.EqualValues(t, 1, runs.Load())

		_, err := other.On(app).Start(t.Context(), 1, mn.WithID(id))
		require.ErrorContains(t, err, "another definition has this ID")
	})
}

func TestIDsThatNameNoJobOfTheDefinitionDoNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, other := mn.NewJob("count", counting), mn.NewJob("other", counting)
		app := mntest.New(t, job, other)
		j := job.On(app)
		others := start(t, other.On(app), 1)
		for name, id := range map[string]mn.JobID{
			"unknown": unknownID, "empty": "", "malformed": "no-uuid", "upper case": mn.JobID(strings.ToUpper(string(others))),
			"braced": "{" + unknownID + "}", "too long": mn.JobID(strings.Repeat("a", 1e5)), "with NUL": "\x00", "of another definition": others,
		} {
			_, err := j.Get(t.Context(), id)
			require.ErrorIs(t, err, mn.ErrJobDoesNotExist, name)
			_, err = j.Wait(t.Context(), id)
			require.ErrorIs(t, err, mn.ErrJobDoesNotExist, name)
			for _, err := range j.Watch(t.Context(), id) {
				require.ErrorIs(t, err, mn.ErrJobDoesNotExist, name)
			}
			if id == others {
				continue
			}
			require.ErrorIs(t, j.Cancel(t.Context(), id), mn.ErrJobDoesNotExist, name)
			require.NoError(t, j.Remove(t.Context(), id), "%s: what does not exist counts as removed", name)
			if id != unknownID {
				_, err = j.Start(t.Context(), 1, mn.WithID(id))
				require.ErrorContains(t, err, "UUID", name)
			}
		}
	})
}

func TestStartRefusesWhatItCannotStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		channel := mn.NewJob("channel", func(context.Context, chan int, func(int) bool) error { return nil })
		float := mn.NewJob("float", func(context.Context, float64, func(int) bool) error { return nil })
		text := mn.NewJob("text", func(context.Context, string, func(int) bool) error { return nil })
		app := mntest.NewWith(t, mn.Config{
			Definitions: []mn.Definition{channel, float, text}, PayloadLimit: mn.KiB,
		})
		ctx := app.Context(t.Context())

		_, err := channel.Start(ctx, make(chan int))
		require.ErrorContains(t, err, `mn: start of job "channel": encode "in"`)
		_, err = float.Start(ctx, math.NaN())
		require.ErrorContains(t, err, "NaN")
		_, err = text.Start(ctx, strings.Repeat("x", 1025), mn.WithLock("l"))
		require.ErrorIs(t, err, mn.ErrPayloadTooLarge)
		for _, keys := range [][]string{{""}, {"ok", ""}, {strings.Repeat("k", 1025)}} {
			_, err = text.Start(ctx, "", mn.WithLock(keys...))
			require.ErrorContains(t, err, "lock key")
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err = text.Start(gone, "", mn.WithLock("l"))
		require.ErrorIs(t, err, context.Canceled)

		for range text.List(ctx) {
			t.Error("nothing must be stored")
		}
		for range app.Locks(ctx) {
			t.Error("no lock must be held")
		}
		_, err = text.Wait(ctx, start(t, text.On(app), "", mn.WithLock("l")))
		require.NoError(t, err, "the app stays usable")
	})
}

func TestMethodsNeedAnAppThatHasTheDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, stranger := mn.NewJob("count", counting), mn.NewJob("stranger", counting)
		app := mntest.New(t, job)
		_, err := job.Start(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrNoApp)
		_, err = stranger.On(app).Start(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrUnknownDefinition)
		require.ErrorContains(t, err, `"stranger"`)
		for _, err := range job.List(t.Context()) {
			require.ErrorIs(t, err, mn.ErrNoApp)
		}
		require.ErrorIs(t, job.Remove(t.Context(), unknownID), mn.ErrNoApp)
	})
}

func TestConcurrencyLimitHoldsAndIsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, jobs = 3, 20
		var running, most atomic.Int32
		job := mn.NewJob("limited", func(_ context.Context, in int, _ func(int) bool) error {
			now := running.Add(1)
			defer running.Add(-1)
			for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
			}
			pass(time.Duration(in%4+1) * time.Second)
			return nil
		}, mn.MaxConcurrency(limit))
		j := job.On(mntest.New(t, job))
		ids := make([]mn.JobID, jobs)
		for i := range ids {
			ids[i] = start(t, j, i)
		}
		last := get(t, j, ids[jobs-1])
		require.Equal(t, mn.Pending, last.Status)
		require.Equal(t, "concurrency limit 3/3", last.Reason)
		for _, id := range ids {
			require.Equal(t, mn.Succeeded, ended(t, j, id).Status)
		}
		require.EqualValues(t, limit, most.Load(), "the limit is reached and never exceeded")
	})
}

func TestHandlersStartJobsWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		child := mn.NewJob("child", counting)
		parent := mn.NewJob("parent", func(ctx context.Context, n int, yield func(mn.JobID) bool) error {
			id, err := child.Start(ctx, n)
			if err == nil {
				yield(id)
			}
			return err
		})
		app := mntest.New(t, child, parent)
		out := ended(t, parent.On(app), start(t, parent.On(app), 4))
		require.Equal(t, mn.Succeeded, out.Status, "a parent does not wait for the jobs that it started")
		childEnd := ended(t, child.On(app), out.Result)
		require.Equal(t, mn.Succeeded, childEnd.Status, "and its end does not end them")
		require.Equal(t, 4, childEnd.Result)
	})
}

func TestPendingLimitGivesBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.MaxConcurrency(1), mn.MaxPending(2))
		j := job.On(mntest.New(t, job))
		first := start(t, j, 10)
		start(t, j, 10)
		start(t, j, 10)
		_, err := j.Start(t.Context(), 10, mn.WithLock("l"))
		require.ErrorIs(t, err, mn.ErrBackpressure)
		require.NoError(t, j.Cancel(t.Context(), first))
		pass(time.Second)
		settled()
		start(t, j, 10, mn.WithLock("l"))
	})
}
