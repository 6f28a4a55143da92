package mn_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// within shuts an app down on a goroutine, with a bound, and returns its result.
func within(app *mn.App, bound time.Duration) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		result <- app.Shutdown(ctx)
	}()
	return result
}

func TestShutdownLetsRunningJobsFinishAndAcceptsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		job := mn.NewJob("count", counting, mn.MaxConcurrency(1))
		var said logged
		app := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}, Logger: said.logger()})
		j := job.On(app)
		running, waiting := start(t, j, 59), start(t, j, 59)
		began := time.Now()
		result := within(app, time.Hour)
		settled()
		_, err := j.Start(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrAppClosed)
		_, err = job.On(app).Wait(t.Context(), running)
		require.NoError(t, err, "what runs can still be watched")
		require.NoError(t, <-result)
		require.Equal(t, time.Minute, time.Since(began))
		require.Empty(t, said.entries(), "a long shutdown has nothing to complain about")

		other := job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}))
		require.Equal(t, mn.Succeeded, ended(t, other, waiting).Status, "what waits stays for others")
	})
}

func TestShutdownOfAnIdleAppTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		warm := mn.NewFunction("warm", func(_ context.Context, in int) (int, error) { return in, nil }, mn.SpareWorkers(3))
		app := mntest.New(t, job, warm)
		_, err := warm.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		began := time.Now()
		for range 2 {
			require.NoError(t, app.Shutdown(t.Context()))
		}
		require.NoError(t, app.Close())
		require.Zero(t, time.Since(began))
		_, err = job.On(app).Start(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrAppClosed)
		_, err = warm.On(app).Call(t.Context(), 1)
		require.ErrorIs(t, err, mn.ErrAppClosed)
	})
}

func TestJobThatNeedsFunctionsCanFinishDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deep := mn.NewFunction("deep", func(_ context.Context, in int) (int, error) {
			pass(time.Second)
			return in + 1, nil
		})
		double := mn.NewFunction("twice", func(ctx context.Context, in int) (int, error) {
			once, err := deep.Call(ctx, in)
			if err != nil {
				return 0, err
			}
			return deep.Call(ctx, once)
		})
		job := mn.NewJob("calls", func(ctx context.Context, n int, yield func(int) bool) error {
			pass(time.Minute) // the calls begin during the shutdown, with no worker there
			for i := range n {
				v, err := double.Call(ctx, i)
				if err != nil {
					return err
				}
				yield(v)
			}
			return nil
		})
		app := mntest.New(t, deep, double, job)
		id := start(t, job.On(app), 10)
		require.NoError(t, <-within(app, time.Hour))
		info := get(t, job.On(app), id)
		require.Equal(t, mn.Succeeded, info.Status, info.Error)
		require.Equal(t, 11, info.Result)
	})
}

func TestFunctionThatNeedsFunctionsCanFinishDuringShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mn.NewFunction("inner", func(_ context.Context, in int) (int, error) { return in + 1, nil })
		outer := mn.NewFunction("outer", func(ctx context.Context, in int) (int, error) {
			pass(time.Minute)
			return inner.Call(ctx, in)
		})
		app := mntest.New(t, inner, outer)
		result := outer.On(app).Go(t.Context(), 1)
		settled()
		require.NoError(t, <-within(app, time.Hour))
		out, err := result.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, out)
	})
}

func TestShutdownHandsBackWhatDoesNotFinishWithoutCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var told log[error]
		var attempts log[int]
		job := mn.NewJob("long", func(ctx context.Context, _ int, yield func(int) bool) error {
			attempts.add(mn.Attempt(ctx))
			last, _ := mn.LastYield[int](ctx)
			for i := last + 1; i <= 100; i++ {
				if !yield(i) {
					told.add(context.Cause(ctx))
					return errors.New("does not matter")
				}
				pass(time.Second)
			}
			return nil
		}) // no retries
		apps := make([]*mn.App, 3)
		for i := range apps {
			apps[i] = mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}})
		}
		id := start(t, job.On(apps[0]), 0, mn.WithLock("l"))
		for _, app := range apps[:2] {
			pass(10 * time.Second)
			err := <-within(app, 5*time.Second)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, err, app.Shutdown(t.Context()), "later calls return the same")
			require.NoError(t, app.Close())
		}
		settled()
		info := get(t, job.On(apps[2]), id)
		require.Equal(t, mn.Running, info.Status)
		require.Equal(t, []string{"l"}, info.Locks)
		end := ended(t, job.On(apps[2]), id)
		require.Equal(t, mn.Succeeded, end.Status)
		require.Equal(t, 100, end.Result)
		require.Equal(t, 1, end.Attempt)
		require.Equal(t, []int{1, 1, 1}, attempts.entries())
		require.Len(t, told.entries(), 2)
		for _, cause := range told.entries() {
			require.ErrorIs(t, cause, mn.ErrDraining)
		}
	})
}

func TestShutdownLeavesStubbornHandlersBehindAfterDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		s := newStubborn(t)
		job := mn.NewJob("stubborn", s.handle)
		timing := mn.DefaultTiming
		timing.Drain = 3 * time.Second
		app := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}, Timing: timing})
		client := mn.NewJob[int, int]("stubborn", nil)
		c := client.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{client}}))
		id := start(t, job.On(app), 7)
		cancelled := start(t, job.On(app), 8)
		require.NoError(t, c.Cancel(t.Context(), cancelled)) // has a grace of five minutes

		began := time.Now()
		result := within(app, 10*time.Second)
		pass(13*time.Second - 1)
		settled()
		require.Equal(t, mn.Running, get(t, c, id).Status)
		pass(2 * time.Second)
		settled()
		info := get(t, c, id)
		require.Equal(t, mn.Pending, info.Status)
		require.Equal(t, 7, info.Result)
		require.Equal(t, `no app with a handler for "stubborn" is running`, info.Reason)
		require.Equal(t, mn.Cancelled, get(t, c, cancelled).Status)
		require.ErrorIs(t, <-result, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(began), 20*time.Second)
	})
}

func TestCloseHandsBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		job := mn.NewJob("wait", obedient)
		var ops log[string]
		tapped := &tap{Backend: store, before: func(op string) error { ops.add(op); return nil }}
		app := mntest.NewWith(t, mn.Config{Backend: tapped, Definitions: []mn.Definition{job}})
		client := mn.NewJob[int, int]("wait", nil)
		c := client.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{client}}))
		id := start(t, c, 0)
		began := time.Now()
		require.NoError(t, app.Close())
		require.Zero(t, time.Since(began))
		require.Equal(t, mn.Pending, get(t, c, id).Status)
		settled()
		said := ops.entries()
		require.Equal(t, "leave", said[len(said)-1], "the last word to the backend, which need not wait for the lease")
	})
}

func TestConcurrentShutdownsWaitForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		app := mntest.New(t, job)
		start(t, job.On(app), 9)
		began := time.Now()
		first := within(app, time.Hour)
		settled()
		second := within(app, time.Second)
		require.NoError(t, <-second)
		require.Equal(t, 10*time.Second, time.Since(began), "its own bound does not count")
		require.NoError(t, <-first)
	})
}

// primeSignals begins the runtime's part in signals, which App.Run needs and which
// must not begin in a bubble.
func primeSignals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
}

func TestRunReturnsWhatMainReturned(t *testing.T) {
	primeSignals()
	failed := errors.New("failed")
	for _, want := range []error{nil, failed} {
		synctest.Test(t, func(t *testing.T) {
			job := mn.NewJob("count", counting)
			app := mntest.New(t, job)
			err := app.Run(t.Context(), func(ctx context.Context) error {
				id, err := job.Start(ctx, 3) // unbound: the context carries the app
				if err == nil {
					_, err = job.Wait(ctx, id)
				}
				return errors.Join(err, want)
			})
			require.ErrorIs(t, err, want)
			_, err = job.On(app).Start(t.Context(), 1)
			require.ErrorIs(t, err, mn.ErrAppClosed, "the app was shut down")
		})
	}
}

func TestRunGivesRunningWorkTenSeconds(t *testing.T) {
	primeSignals()
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting)
		app := mntest.New(t, job)
		began := time.Now()
		err := app.Run(t.Context(), func(ctx context.Context) error {
			_, err := job.Start(ctx, 1000)
			pass(time.Second)
			return err
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(began), 11*time.Second)
		require.LessOrEqual(t, time.Since(began), 13*time.Second)
	})
}
