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

func exists[In, Out any](t *testing.T, j *mn.Job[In, Out], id mn.JobID) bool {
	t.Helper()
	_, err := j.Get(t.Context(), id)
	if err != nil {
		require.ErrorIs(t, err, mn.ErrJobDoesNotExist)
	}
	for listed := range j.ListIDs(t.Context()) {
		if listed == id {
			return true
		}
	}
	return err == nil
}

func TestRemoveOfAnEndedJobDeletesItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.KeepYields(3))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 3)
		ended(t, j, id)
		for range 2 {
			require.NoError(t, j.Remove(t.Context(), id), "removing twice is no error")
			require.False(t, exists(t, j, id))
		}
		require.Equal(t, id, start(t, j, 1, mn.WithID(id)), "its ID is free again")
		require.Equal(t, 1, ended(t, j, id).Result)
	})
}

func TestRemoveOfAPendingJobDeletesItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.MaxConcurrency(1))
		j := job.On(mntest.New(t, job))
		first, second := start(t, j, 3), start(t, j, 3)
		require.NoError(t, j.Remove(t.Context(), second))
		require.False(t, exists(t, j, second))
		require.Equal(t, mn.Succeeded, ended(t, j, first).Status)
	})
}

func TestRemoveOfARunningJobCancelsItAndDeletesItWhenItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var cause error
		job := mn.NewJob("slow", func(ctx context.Context, _ int, _ func(int) bool) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			pass(time.Minute)
			return nil
		})
		j := job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}))
		client := mn.NewJob[int, int]("slow", nil)
		caller := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{client}})
		id := start(t, j, 0)
		for range 2 {
			require.NoError(t, client.On(caller).Remove(t.Context(), id))
		}
		require.NoError(t, caller.Close(), "the wish outlives who had it")

		info := get(t, j, id)
		require.Equal(t, mn.Cancelling, info.Status)
		require.True(t, info.Removing)
		pass(time.Minute - 1)
		require.True(t, exists(t, j, id))
		pass(1)
		settled()
		require.False(t, exists(t, j, id))
		require.ErrorIs(t, cause, mn.ErrJobCancelled)
	})
}

func TestRemoveReachesAHandlerThatIgnoresIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(t)
		job := mn.NewJob("stubborn", s.handle, mn.CancellationGrace(time.Minute))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 0)
		require.NoError(t, j.Remove(t.Context(), id))
		_, err := j.Wait(t.Context(), id)
		require.ErrorIs(t, err, mn.ErrJobDoesNotExist)
		require.False(t, exists(t, j, id))
	})
}
