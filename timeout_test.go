package mn_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestTimeoutFailsTheJobAndIsNotRetried(t *testing.T) {
	for name, answer := range map[string]error{
		"returns nil": nil, "returns an error": errors.New("no"), "returns ctx.Err": context.Canceled,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				job := mn.NewJob("slow", func(ctx context.Context, _ int, yield func(int) bool) error {
					deadline, ok := ctx.Deadline()
					if !ok || time.Until(deadline) != time.Hour {
						return errors.New("the context does not tell the deadline")
					}
					yield(1)
					<-ctx.Done()
					cause = context.Cause(ctx)
					pass(time.Second)
					yield(2)
					return answer
				}, mn.Timeout(time.Hour), mn.Retries(3))
				j := job.On(mntest.New(t, job))
				end := ended(t, j, start(t, j, 0, mn.WithLock("l")))
				require.Equal(t, mn.Failed, end.Status)
				require.ErrorIs(t, cause, mn.ErrTimeout)
				require.ErrorIs(t, end.Error, mn.ErrTimeout)
				require.Equal(t, "timed out after 1h0m0s", end.Error.Message)
				require.Equal(t, time.Hour+time.Second, end.Ended.Sub(end.Started))
				require.Equal(t, 1, end.Attempt)
				require.Equal(t, 2, end.Result)
				start(t, j, 0, mn.WithLock("l"))
			})
		})
	}
}

func TestTimeoutStandsWhateverFailsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("slow", func(ctx context.Context, _ int, yield func(float64) bool) error {
			<-ctx.Done()
			yield(math.NaN())
			return nil
		}, mn.Retries(3))
		j := job.On(mntest.New(t, job))
		end := ended(t, j, start(t, j, 0))
		require.Equal(t, 1, end.Attempt)
		require.ErrorIs(t, end.Error, mn.ErrTimeout)
	})
}

func TestHandlerThatIgnoresItsTimeoutIsEndedAtTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(t)
		job := mn.NewJob("stubborn", s.handle, mn.Timeout(time.Hour), mn.CancellationGrace(time.Minute), mn.Retries(3))
		j := job.On(mntest.New(t, job))
		end := ended(t, j, start(t, j, 1, mn.WithLock("l")))
		require.Equal(t, mn.Failed, end.Status)
		require.ErrorIs(t, end.Error, mn.ErrTimeout)
		require.Equal(t, time.Hour+time.Minute, end.Ended.Sub(end.Started))
		require.Equal(t, 1, end.Result)
		require.Equal(t, 1, end.Attempt)
		require.Empty(t, end.Locks)
	})
}

func TestTimeoutCountsFromTheStartOfEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("half", func(ctx context.Context, _ int, _ func(int) bool) error {
			pass(50 * time.Minute)
			if mn.Attempt(ctx) < 3 {
				return errors.New("again")
			}
			return nil
		}, mn.Timeout(time.Hour), mn.Retries(2), mn.MaxConcurrency(1))
		j := job.On(mntest.New(t, job))
		start(t, j, 0)
		waited := start(t, j, 0) // waits longer than its timeout
		require.Equal(t, mn.Succeeded, ended(t, j, waited).Status)
	})
}

func TestCancelAfterTheTimeoutEndsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		job := mn.NewJob("slow", func(ctx context.Context, _ int, _ func(int) bool) error {
			<-ctx.Done()
			pass(time.Minute)
			cause = context.Cause(ctx)
			return nil
		}, mn.Timeout(time.Hour))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 0)
		pass(time.Hour + time.Second)
		require.NoError(t, j.Cancel(t.Context(), id))
		require.Equal(t, mn.Cancelled, ended(t, j, id).Status)
		require.ErrorIs(t, cause, mn.ErrTimeout, "the first cause stands")
	})
}

// However a job ends, the calls that it has made end with it.
func TestCallsOfAJobEndWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		opts   []mn.JobOption
		act    func(*mn.Job[string, int], mn.JobID) error
		status mn.Status
	}{
		"returns":    {status: mn.Succeeded},
		"panics":     {status: mn.Failed},
		"cancelled":  {act: func(j *mn.Job[string, int], id mn.JobID) error { return j.Cancel(context.Background(), id) }, status: mn.Cancelled},
		"times out":  {opts: []mn.JobOption{mn.Timeout(time.Minute)}, status: mn.Failed},
		"is ignored": {opts: []mn.JobOption{mn.Timeout(time.Minute), mn.CancellationGrace(time.Minute)}, status: mn.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var began, over log[int]
				call := mn.NewFunction("call", func(ctx context.Context, in int) (int, error) {
					began.add(in)
					<-ctx.Done()
					over.add(in)
					return 0, context.Cause(ctx)
				}, mn.MaxWorkers(3), mn.Timeout(1000*time.Hour))
				release := make(chan struct{})
				defer close(release)
				job := mn.NewJob("calls", func(ctx context.Context, how string, _ func(int) bool) error {
					for i := range 5 { // of these calls three run
						call.Go(ctx, i)
					}
					call.Go(mn.CleanupContext(ctx), 5)
					call.Go(context.WithoutCancel(ctx), 7)
					pass(time.Second)
					switch how {
					case "returns":
						return nil
					case "panics":
						panic("no")
					case "is ignored":
						<-release
					}
					_, err := call.Call(ctx, 6)
					return err
				}, c.opts...)
				app := mntest.New(t, call, job)
				j := job.On(app)
				id := start(t, j, name)
				pass(2 * time.Second)
				if c.act != nil {
					require.NoError(t, c.act(j, id))
				}
				require.Equal(t, c.status, ended(t, j, id).Status)
				pass(mn.DefaultTiming.Heartbeat) // which tells where the hint was too early
				settled()
				require.GreaterOrEqual(t, len(began.entries()), 3)
				require.ElementsMatch(t, began.entries(), over.entries(), "each call's handler is told")
			})
		})
	}
}
