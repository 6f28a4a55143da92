package mn_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// failing fails in every attempt and notes when it ran.
func failing(starts *log[time.Time], err error) mn.JobFunc[int, int] {
	return func(ctx context.Context, _ int, _ func(int) bool) error {
		starts.add(time.Now())
		return err
	}
}

func TestRetriesAreCounted(t *testing.T) {
	for _, retries := range []int{0, 1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var starts log[time.Time]
			job := mn.NewJob("failing", failing(&starts, errors.New("disk full")), mn.Retries(retries))
			j := job.On(mntest.New(t, job))
			end := ended(t, j, start(t, j, 0, mn.WithLock("l")))
			require.Equal(t, mn.Failed, end.Status)
			require.Len(t, starts.entries(), retries+1)
			require.Equal(t, retries+1, end.Attempt)
			require.Equal(t, "disk full", end.Error.Message)
			require.Equal(t, retries+1, end.Error.Attempt)
			require.Empty(t, end.Locks)
		})
	}
}

func TestBackoffDoublesToItsLimitAndHalfOfItIsRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const first, longest = time.Second, 10 * time.Second
		var starts log[time.Time]
		job := mn.NewJob("failing", failing(&starts, errors.New("no")),
			mn.Retries(7), mn.Backoff(first, longest), mn.MaxConcurrency(20))
		j := job.On(mntest.New(t, job))
		ended(t, j, start(t, j, 0))
		at := starts.entries()
		require.Len(t, at, 8)
		for n := 1; n < len(at); n++ {
			wait, whole := at[n].Sub(at[n-1]), min(first<<(n-1), longest)
			require.GreaterOrEqual(t, wait, whole/2, "before attempt %d", n+1)
			require.LessOrEqual(t, wait, whole, "before attempt %d", n+1)
		}
	})
}

func TestWaitingForARetryIsPendingWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts log[time.Time]
		job := mn.NewJob("failing", failing(&starts, errors.New("disk full")),
			mn.Retries(1), mn.Backoff(time.Hour, time.Hour), mn.MaxConcurrency(1))
		other := mn.NewJob("count", counting)
		app := mntest.New(t, job, other)
		j := job.On(app)
		id := start(t, j, 0, mn.WithLock("l"))
		info := get(t, j, id)
		require.Equal(t, mn.Pending, info.Status)
		require.Regexp(t, `^retry in [345]\d?m.*, attempt 2$`, info.Reason)
		require.Equal(t, "disk full", info.Error.Message, "what the last attempt said can be read meanwhile")
		require.Equal(t, 1, info.Attempt)
		require.Equal(t, []string{"l"}, info.Locks, "locks are held over all attempts")

		another := start(t, j, 0)
		require.Len(t, starts.entries(), 2, "a waiting job takes no place")
		require.NoError(t, j.Cancel(t.Context(), id))
		require.Equal(t, mn.Cancelled, get(t, j, id).Status)
		require.NoError(t, j.Remove(t.Context(), another))
		pass(2 * time.Hour)
		require.Len(t, starts.entries(), 2, "a cancelled or removed job is not retried")
	})
}

func TestPermanentErrorsAreNotRetried(t *testing.T) {
	for name, err := range map[string]error{
		"plain":   mn.Permanent(errors.New("bad input")),
		"wrapped": fmt.Errorf("step 3: %w", mn.Permanent(errors.New("bad input"))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var starts log[time.Time]
				job := mn.NewJob("failing", failing(&starts, err), mn.Retries(5))
				j := job.On(mntest.New(t, job))
				end := ended(t, j, start(t, j, 0))
				require.Equal(t, mn.Failed, end.Status)
				require.Equal(t, err.Error(), end.Error.Message)
				require.Len(t, starts.entries(), 1)
			})
		})
	}
}

func TestUnreadableInputFailsWithoutRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, ran := memory.New(), log[time.Time]{}
		job, text := mn.NewJob("job", failing(&ran, nil), mn.Retries(5)), mn.NewJob[string, int]("job", nil)
		j := job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}))
		other := text.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{text}}))
		end := ended(t, j, start(t, other, "not a number"))
		require.Equal(t, mn.Failed, end.Status)
		require.Contains(t, end.Error.Message, `decode "in"`)
		require.Equal(t, 1, end.Attempt)
		require.Empty(t, ran.entries())
	})
}

func TestLastYieldIsWhatEarlierAttemptsYielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			attempt int
			last    int
			ok      bool
		}
		var log log[seen]
		job := mn.NewJob("resumes", func(ctx context.Context, _ int, yield func(int) bool) error {
			last, ok := mn.LastYield[int](ctx)
			log.add(seen{mn.Attempt(ctx), last, ok})
			if n := mn.Attempt(ctx); n != 2 { // the second attempt yields nothing
				yield(n * 10)
				yield(n*10 + 1)
			}
			if mn.Attempt(ctx) == 4 {
				return nil
			}
			return errors.New("again")
		}, mn.Retries(3))
		j := job.On(mntest.New(t, job))
		end := ended(t, j, start(t, j, 0))
		require.Equal(t, mn.Succeeded, end.Status)
		require.Nil(t, end.Error, "a success leaves no error")
		require.Equal(t, 41, end.Result)
		require.EqualValues(t, 6, end.Yields)
		require.Equal(t, []seen{{1, 0, false}, {2, 11, true}, {3, 11, true}, {4, 31, true}}, log.entries())
	})
}

func TestUnreadableLastYieldFailsTheJobInsteadOfBeginningAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts log[bool]
		job := mn.NewJob("wrong-type", func(ctx context.Context, _ int, yield func(int) bool) error {
			_, ok := mn.LastYield[string](ctx)
			attempts.add(ok)
			yield(1)
			return errors.New("again")
		}, mn.Retries(9))
		j := job.On(mntest.New(t, job))
		end := ended(t, j, start(t, j, 0))
		require.Equal(t, mn.Failed, end.Status)
		require.Contains(t, end.Error.Message, `decode "out"`)
		require.Equal(t, []bool{false, false}, attempts.entries())
	})
}

func TestOutsideAHandlerThereIsNothingToResume(t *testing.T) {
	_, ok := mn.LastYield[int](t.Context())
	require.False(t, ok)
	require.Equal(t, 1, mn.Attempt(t.Context()))
	require.Empty(t, mn.TaskID(t.Context()))
	require.Zero(t, mn.FencingToken(t.Context()))
	require.NotNil(t, mn.Logger(t.Context()))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, mn.CleanupContext(gone).Err())
}
