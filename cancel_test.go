package mn_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

func TestCancelledPendingJobNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran log[int]
		job := mn.NewJob("noting", func(ctx context.Context, in int, _ func(int) bool) error {
			ran.add(in)
			<-ctx.Done()
			return nil
		}, mn.MaxConcurrency(1))
		j := job.On(mntest.New(t, job))
		first := start(t, j, 1)
		second := start(t, j, 2, mn.WithLock("l"))
		require.NoError(t, j.Cancel(t.Context(), second))
		info := get(t, j, second)
		require.Equal(t, mn.Cancelled, info.Status)
		require.Empty(t, info.Locks)
		require.Zero(t, info.Attempt)
		_, err := j.Wait(t.Context(), second)
		require.ErrorIs(t, err, mn.ErrJobCancelled)
		require.NoError(t, j.Cancel(t.Context(), first))
		ended(t, j, first)
		pass(time.Hour)
		require.Equal(t, []int{1}, ran.entries())
	})
}

// Once a job is CANCELLING it ends CANCELLED, whatever its handler does.
func TestCancelledRunningJobEndsCancelled(t *testing.T) {
	for name, answer := range map[string]func(ctx context.Context, yield func(int) bool) error{
		"returns nil":       func(context.Context, func(int) bool) error { return nil },
		"returns the cause": func(ctx context.Context, _ func(int) bool) error { return context.Cause(ctx) },
		"returns an error":  func(context.Context, func(int) bool) error { return errors.New("no") },
		"panics":            func(context.Context, func(int) bool) error { panic("no") },
		"fails for ever":    func(context.Context, func(int) bool) error { return mn.Permanent(errors.New("no")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				went := true
				job := mn.NewJob("stopped", func(ctx context.Context, _ int, yield func(int) bool) error {
					yield(1)
					<-ctx.Done()
					cause = context.Cause(ctx)
					pass(time.Second)
					went = yield(2)
					pass(time.Minute)
					return answer(ctx, yield)
				}, mn.Retries(3))
				j := job.On(mntest.New(t, job))
				id := start(t, j, 0, mn.WithLock("l"))
				go func() {
					pass(time.Second)
					_ = j.Cancel(context.Background(), id)
				}()
				states := watched(t, j, id)
				require.Equal(t, []mn.Status{mn.Running, mn.Cancelling, mn.Cancelling, mn.Cancelled}, statuses(states))
				require.Equal(t, []string{"l"}, states[1].Locks, "locks are held to the end")
				require.ErrorIs(t, cause, mn.ErrJobCancelled)
				require.False(t, went)
				end := states[3]
				require.Equal(t, 2, end.Result, "the last yield stays readable")
				require.Equal(t, 62*time.Second, end.Ended.Sub(end.Started))
				require.Nil(t, end.Error, "a cancelled job did not fail")
				require.Empty(t, end.Locks)
				out, err := j.Wait(t.Context(), id)
				require.ErrorIs(t, err, mn.ErrJobCancelled)
				require.ErrorContains(t, err, string(id))
				require.Equal(t, 2, out)
			})
		})
	}
}

func TestCancelTwiceAndAfterTheEndIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := mn.NewJob("slow", func(ctx context.Context, _ int, _ func(int) bool) error {
			<-ctx.Done()
			pass(time.Minute)
			return nil
		})
		quick := mn.NewJob("quick", counting)
		app := mntest.New(t, slow, quick)
		id := start(t, slow.On(app), 0)
		for range 3 {
			require.NoError(t, slow.On(app).Cancel(t.Context(), id))
			pass(time.Second)
		}
		end := ended(t, slow.On(app), id)
		require.Equal(t, mn.Cancelled, end.Status)
		require.Equal(t, time.Minute, end.Ended.Sub(end.Started), "later cancels change nothing")
		require.NoError(t, slow.On(app).Cancel(t.Context(), id))

		id = start(t, quick.On(app), 1)
		before := ended(t, quick.On(app), id)
		require.NoError(t, quick.On(app).Cancel(t.Context(), id))
		require.Equal(t, before, get(t, quick.On(app), id), "terminal states never change")
	})
}

func TestCancelIsNotMissedThoughItsHintIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits, returns := mn.NewJob("waits", obedient), mn.NewJob("returns", func(context.Context, int, func(int) bool) error {
			pass(time.Second) // before anything tells of the cancel
			return nil
		})
		app := mntest.NewWith(t, mn.Config{
			Backend: &tap{Backend: memory.New(), deaf: true}, Definitions: []mn.Definition{waits, returns},
		})
		for _, j := range []*mn.Job[int, int]{waits.On(app), returns.On(app)} {
			id := start(t, j, 0)
			require.NoError(t, j.Cancel(t.Context(), id))
			settled()
			require.Equal(t, mn.Cancelling, get(t, j, id).Status)
			end := ended(t, j, id)
			require.Equal(t, mn.Cancelled, end.Status)
			require.LessOrEqual(t, end.Ended.Sub(end.Started), mn.DefaultTiming.Heartbeat)
		}
	})
}

func TestCancelReachesTheWorkerOfAnotherApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		server, client := mn.NewJob("wait", obedient), mn.NewJob[int, int]("wait", nil)
		mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{server}})
		c := client.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{client}}))
		id := start(t, c, 0)
		require.Equal(t, mn.Running, get(t, c, id).Status)
		require.NoError(t, c.Cancel(t.Context(), id))
		settled()
		require.Equal(t, mn.Cancelled, get(t, c, id).Status)
	})
}

// stubborn ignores its context until it is released.
type stubborn struct {
	release chan struct{}
	yielded log[bool]
}

func newStubborn(t *testing.T) *stubborn {
	s := &stubborn{release: make(chan struct{})}
	t.Cleanup(func() { close(s.release) })
	return s
}

func (s *stubborn) handle(_ context.Context, in int, yield func(int) bool) error {
	yield(in)
	<-s.release
	s.yielded.add(yield(in + 1))
	return nil
}

func TestHandlerThatIgnoresCancelIsEndedAtTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{release: make(chan struct{})}
		job := mn.NewJob("stubborn", s.handle, mn.CancellationGrace(10*time.Minute), mn.MaxConcurrency(1))
		var said logged
		j := job.On(mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, Logger: said.logger()}))
		id := start(t, j, 1, mn.WithLock("l"))
		next := start(t, j, 5)
		require.NoError(t, j.Cancel(t.Context(), id))
		cancelled := time.Now()

		pass(10*time.Minute - 1)
		settled()
		require.Equal(t, mn.Cancelling, get(t, j, id).Status)
		require.Equal(t, []string{"l"}, get(t, j, id).Locks)
		require.Equal(t, mn.Pending, get(t, j, next).Status)

		pass(1)
		settled()
		end := get(t, j, id)
		require.Equal(t, mn.Cancelled, end.Status)
		require.Equal(t, 10*time.Minute, end.Ended.Sub(cancelled))
		require.Empty(t, end.Locks)
		require.Equal(t, 1, end.Result)
		require.Equal(t, mn.Running, get(t, j, next).Status, "its place is free, though its goroutine still runs")
		require.Len(t, said.entries(), 1)
		require.Contains(t, said.entries()[0], "did not return within its grace")
		require.Contains(t, said.entries()[0], "(*stubborn).handle", "the stack that still runs is logged")

		close(s.release)
		settled()
		require.Contains(t, s.yielded.entries(), false)
		require.Equal(t, end, get(t, j, id), "what it does later is without effect")
		require.Equal(t, mn.Succeeded, get(t, j, next).Status)
	})
}

func TestZeroGraceEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStubborn(t)
		job := mn.NewJob("stubborn", s.handle, mn.CancellationGrace(0))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 1)
		require.NoError(t, j.Cancel(t.Context(), id))
		settled()
		require.Equal(t, mn.Cancelled, get(t, j, id).Status)
	})
}

func TestCleanupContextLivesToTheEndOfTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		undo := mn.NewFunction("undo", func(_ context.Context, in int) (int, error) {
			pass(time.Minute)
			return in + 1, nil
		})
		var called, cleaned log[error]
		var undone int
		job := mn.NewJob("cleans", func(ctx context.Context, wait time.Duration, _ func(int) bool) error {
			cleanup := mn.CleanupContext(ctx)
			<-ctx.Done()
			_, err := undo.Call(ctx, 1)
			called.add(err)
			undone, err = undo.Call(cleanup, 1)
			called.add(err)
			select {
			case <-cleanup.Done():
			case <-time.After(wait):
			}
			cleaned.add(cleanup.Err())
			return nil
		}, mn.CancellationGrace(5*time.Minute))
		j := job.On(mntest.New(t, undo, job))

		id := start(t, j, time.Minute)
		require.NoError(t, j.Cancel(t.Context(), id))
		end := ended(t, j, id)
		require.Equal(t, mn.Cancelled, end.Status)
		require.Equal(t, 2*time.Minute, end.Ended.Sub(end.Started))
		require.ErrorIs(t, called.entries()[0], mn.ErrJobCancelled)
		require.NoError(t, called.entries()[1])
		require.Equal(t, 2, undone)
		require.Equal(t, []error{nil}, cleaned.entries())

		id = start(t, j, time.Hour)
		require.NoError(t, j.Cancel(t.Context(), id))
		end = ended(t, j, id)
		require.Equal(t, 5*time.Minute, end.Ended.Sub(end.Started))
		settled()
		require.ErrorIs(t, cleaned.entries()[1], context.Canceled)
	})
}

func TestCleanupContextHasTheValuesOfTheContextThatItIsMadeFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var saw log[any]
		var kept mn.FunctionFunc[int, int] = func(_ context.Context, in int) (int, error) { return in + 1, nil }
		undo := mn.NewFunction("undo", kept)
		job := mn.NewJob("cleans", func(ctx context.Context, _ int, _ func(int) bool) error {
			derived, cancel := context.WithTimeout(context.WithValue(ctx, key{}, "span"), time.Hour)
			defer cancel()
			cleanup := mn.CleanupContext(derived)
			<-derived.Done()
			saw.add(cleanup.Value(key{}))
			saw.add(context.Cause(cleanup))
			further, stop := context.WithCancel(cleanup)
			defer stop()
			n, err := undo.Call(further, 1)
			saw.add(err)
			saw.add(n)
			<-further.Done() // with the grace
			saw.add(context.Cause(further))
			return nil
		}, mn.CancellationGrace(time.Minute))
		j := job.On(mntest.New(t, undo, job))
		id := start(t, j, 0)
		require.NoError(t, j.Cancel(t.Context(), id))
		end := ended(t, j, id)
		require.Equal(t, time.Minute, end.Ended.Sub(end.Started))
		settled()
		require.Equal(t, []any{"span", nil, nil, 2, context.Canceled}, saw.entries())
	})
}

// A worker whose goroutine is lost takes no other call along.
func TestCallBehindAHandlerThatDoesNotReturnIsNotCharged(t *testing.T) {
	for name, end := range map[string]func(){
		"abandoned": func() { pass(time.Hour) },
		"Goexit":    runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := mn.NewFunction("f", func(ctx context.Context, bad bool) (int, error) {
					if bad {
						pass(time.Second)
						end()
					}
					return mn.Attempt(ctx), nil
				}, mn.MaxWorkers(1), mn.Timeout(time.Minute), mn.CancellationGrace(time.Minute))
				app := mntest.New(t, f)
				first := f.On(app).Go(t.Context(), true)
				settled()
				attempt, err := f.On(app).Call(t.Context(), false)
				require.NoError(t, err)
				require.Equal(t, 1, attempt)
				_, err = first.Wait(t.Context())
				require.Error(t, err)
				pass(2 * time.Hour)
			})
		})
	}
}
