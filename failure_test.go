package mn_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

func TestFailuresOfHandlersAreToldAndTheAppStaysUsable(t *testing.T) {
	for name, c := range map[string]struct {
		handle   func() error
		want     string
		panicked bool
	}{
		"error":                     {handle: func() error { return errors.New("no space") }, want: "no space"},
		"panic":                     {handle: func() error { panic("index") }, want: "panic: index", panicked: true},
		"panic with an error":       {handle: func() error { panic(errors.New("index")) }, want: "panic: index", panicked: true},
		"panic(nil)":                {handle: func() error { panic(nil) }, want: "panic called with nil argument", panicked: true},
		"nil dereference":           {handle: func() error { var p *mn.RunError; p.ID = ""; return nil }, want: "nil pointer dereference", panicked: true},
		"Goexit":                    {handle: func() error { runtime.Goexit(); return nil }, want: "runtime.Goexit"},
		"wrapped context.Canceled":  {handle: func() error { return fmt.Errorf("dial: %w", context.Canceled) }, want: "dial: context canceled"},
		"wrapped deadline exceeded": {handle: func() error { return fmt.Errorf("dial: %w", context.DeadlineExceeded) }, want: "dial: context deadline exceeded"},
		"wrapped ErrJobCancelled":   {handle: func() error { return fmt.Errorf("child: %w", mn.ErrJobCancelled) }, want: "child: job cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := mn.NewJob("fails", func(ctx context.Context, bad bool, yield func(int) bool) error {
					yield(1)
					pass(time.Second)
					if bad {
						return c.handle()
					}
					return nil
				}, mn.MaxConcurrency(1))
				j := job.On(mntest.New(t, job))
				id := start(t, j, true, mn.WithLock("l"))
				out, err := j.Wait(t.Context(), id)
				require.Equal(t, 1, out)
				var failed *mn.RunError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, string(id), failed.ID)
				require.Contains(t, failed.Message, c.want)
				require.Equal(t, c.panicked, failed.Panicked())
				require.Equal(t, c.panicked, strings.Contains(failed.Stack, "failure_test.go"), failed.Stack)
				require.NotErrorIs(t, err, mn.ErrJobCancelled)
				require.NotErrorIs(t, err, mn.ErrTimeout)
				require.Equal(t, mn.Failed, get(t, j, id).Status)

				_, err = j.Wait(t.Context(), start(t, j, false, mn.WithLock("l")))
				require.NoError(t, err)
			})
		})
	}
}

func TestLongErrorsAreClipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("wordy", func(context.Context, int, func(int) bool) error {
			return errors.New(strings.Repeat("why ", 1e6))
		})
		j := job.On(mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, PayloadLimit: 4 * mn.KiB}))
		end := ended(t, j, start(t, j, 0))
		require.Contains(t, end.Error.Message, "why why")
		require.Less(t, len(end.Error.Message), 4096)
	})
}

func TestLostWorkerFailsItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		job := mn.NewJob("killed", func(ctx context.Context, _ int, yield func(int) bool) error {
			for i := 1; yield(i); i++ {
				pass(time.Second)
			}
			told.add(context.Cause(ctx))
			return nil
		})
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.KillAfterYield("killed", 3))
		j := job.On(app)
		id := start(t, j, 0)
		_, err := j.Wait(t.Context(), id)
		require.ErrorIs(t, err, mn.ErrWorkerLost)
		require.ErrorContains(t, err, "killed by the test", "what the platform saw reaches the user")
		end := get(t, j, id)
		require.Equal(t, mn.Failed, end.Status)
		require.Equal(t, 3, end.Result)
		require.Equal(t, 2*time.Second, end.Ended.Sub(end.Started), "it is found at once")
		pass(time.Second)
		settled()
		require.Len(t, told.entries(), 1)
		require.ErrorIs(t, told.entries()[0], mn.ErrLeaseLost)
	})
}

func TestLostWorkersJobIsResumedWithRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("resumes", func(ctx context.Context, n int, yield func(int) bool) error {
			last, _ := mn.LastYield[int](ctx)
			for i := last + 1; i <= n; i++ {
				if !yield(i) {
					return nil
				}
				pass(time.Second)
			}
			return nil
		}, mn.Retries(1), mn.KeepYields(10))
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.KillAfterYield("resumes", 3))
		j := job.On(app)
		id := start(t, j, 6, mn.WithLock("l"))
		end := ended(t, j, id)
		require.Equal(t, mn.Succeeded, end.Status)
		require.Equal(t, 2, end.Attempt)
		var results []int
		for _, s := range watched(t, j, id, mn.FromYield(1)) {
			results = append(results, s.Result)
		}
		require.Equal(t, []int{1, 2, 3, 4, 5, 6}, results, "nothing twice, nothing missing")
	})
}

// A process that is cut off from the backend gives up its leases before the backend
// gives them to others.
func TestCutOffProcessSeesLeaseLostBeforeItsJobIsLost(t *testing.T) {
	for name, obeys := range map[string]bool{"handler returns": true, "handler goes on": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told log[time.Time]
				release := make(chan struct{})
				defer close(release)
				job := mn.NewJob("cut-off", func(ctx context.Context, _ int, _ func(int) bool) error {
					<-ctx.Done()
					if errors.Is(context.Cause(ctx), mn.ErrLeaseLost) {
						told.add(time.Now())
					}
					if !obeys {
						<-release
					}
					return nil
				})
				app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.DropHeartbeats(3))
				j := job.On(app)
				end := ended(t, j, start(t, j, 0, mn.WithLock("l")))
				require.Equal(t, mn.Failed, end.Status)
				require.ErrorIs(t, end.Error, mn.ErrWorkerLost)
				require.Len(t, told.entries(), 1)
				require.False(t, told.entries()[0].After(end.Ended))
				d := mn.DefaultTiming
				require.LessOrEqual(t, told.entries()[0].Sub(end.Started), d.Lease)
				require.LessOrEqual(t, end.Ended.Sub(end.Started), d.Lease+d.Margin+d.Sweep)
				start(t, j, 0, mn.WithLock("l"))
			})
		})
	}
}

func TestSomeLostHeartbeatsDoNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		j := job.On(mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.DropHeartbeats(2)))
		end := ended(t, j, start(t, j, 60))
		require.Equal(t, mn.Succeeded, end.Status)
		require.Equal(t, 1, end.Attempt)
	})
}

func TestJobOfACrashedAppIsFinishedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		job := mn.NewJob("count", func(ctx context.Context, n int, yield func(int) bool) error {
			last, _ := mn.LastYield[int](ctx)
			for i := last + 1; i <= n; i++ {
				pass(time.Second)
				if !yield(i) {
					return nil
				}
			}
			return nil
		}, mn.Retries(1))
		cutOff := &tap{Backend: store}
		a := job.On(mntest.NewWith(t, mn.Config{Backend: cutOff, Definitions: []mn.Definition{job}}))
		b := job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}))
		id := start(t, a, 100, mn.WithLock("l"))
		pass(50500 * time.Millisecond)
		cutOff.down.Store(true)
		states := watched(t, b, id)
		require.Equal(t, 50, states[0].Result)
		for _, s := range states[:len(states)-1] {
			require.Equal(t, []string{"l"}, s.Locks, "locks are held over the change of workers")
		}
		end := states[len(states)-1]
		require.Equal(t, mn.Succeeded, end.Status)
		require.Equal(t, 2, end.Attempt)
		require.Equal(t, 100, end.Result)
		require.EqualValues(t, 100, end.Yields, "what the first worker yielded after its loss does not count")
		d := mn.DefaultTiming
		require.LessOrEqual(t, end.Started.Sub(end.Created), 50500*time.Millisecond+d.Lease+d.Margin+d.Sweep)
	})
}
