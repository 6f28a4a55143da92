package mn_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// minute takes a minute.
var minute = mn.NewFunction("minute", func(ctx context.Context, n int) (int, error) {
	select {
	case <-time.After(time.Minute):
		return 2 * n, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
})

func TestGoDoesNotWaitAndFuturesRunInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := minute.On(mntest.New(t, minute))
		began := time.Now()
		var futures []*mn.Future[int]
		for i := range mn.DefaultMaxWorkers {
			futures = append(futures, f.Go(t.Context(), i))
		}
		assert.Zero(t, time.Since(began))
		for i, fut := range futures {
			out, err := fut.Wait(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 2*i, out)
			again, err := fut.Wait(t.Context())
			require.NoError(t, err)
			assert.Equal(t, out, again, "a future may be waited for again")
		}
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

func TestDoneIsClosedWhenTheResultIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fut := minute.On(mntest.New(t, minute)).Go(t.Context(), 4)
		pass(time.Minute - 1)
		select {
		case <-fut.Done():
			t.Error("done too early")
		default:
		}
		<-fut.Done()
		done, cancel := context.WithCancel(t.Context())
		cancel()
		out, err := fut.Wait(done)
		require.NoError(t, err, "a result that is there is returned whatever ctx says")
		assert.Equal(t, 8, out)
	})
}

func TestWaitThatEndsEarlyLeavesTheCallAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fut := minute.On(mntest.New(t, minute)).Go(t.Context(), 4)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := fut.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		out, err := fut.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 8, out)
	})
}

func TestContextOfGoCancelsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended log[error]
		f := waiting(&ended)
		ctx, cancel := context.WithCancel(t.Context())
		fut := f.On(mntest.New(t, f)).Go(ctx, 4)
		settled()
		cancel()
		settled()
		_, err := fut.Wait(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, []error{mn.ErrJobCancelled}, ended.entries())
	})
}

func TestErrorsOfGoComeWithTheFuture(t *testing.T) {
	_, err := double.Go(t.Context(), 4).Wait(t.Context())
	require.ErrorIs(t, err, mn.ErrNoApp)
}

func TestFutureThatNobodyAwaitsEndsWithItsJob(t *testing.T) {
	for name, handler := range map[string]func(context.Context, *mn.Function[int, int]) error{
		"returned": func(ctx context.Context, f *mn.Function[int, int]) error { f.Go(ctx, 1); pass(time.Second); return nil },
		"panicked": func(ctx context.Context, f *mn.Function[int, int]) error {
			f.Go(ctx, 1)
			pass(time.Second)
			panic("oh")
		},
		"with the cleanup context": func(ctx context.Context, f *mn.Function[int, int]) error {
			f.Go(mn.CleanupContext(ctx), 1)
			pass(time.Second)
			return nil
		},
		"with a context of its own": func(ctx context.Context, f *mn.Function[int, int]) error {
			f.Go(context.WithoutCancel(ctx), 1)
			pass(time.Second)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes log[error]
				f := waiting(&causes)
				job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error { return handler(ctx, f) })
				p := newPlace(t)
				job = job.On(p.app(f, job))
				ended(t, job, start(t, job, 1))
				settled()
				assert.Equal(t, []error{mn.ErrJobCancelled}, causes.entries())
				assert.Zero(t, p.pool(f).Running+p.pool(f).Pending)
			})
		})
	}
}

func TestFunctionMayAwaitManyFuturesOfASmallPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaf := mn.NewFunction("leaf", func(_ context.Context, n int) (int, error) { return n + 1, nil }, mn.MaxWorkers(1))
		fan := mn.NewFunction("fan", func(ctx context.Context, n int) (sum int, err error) {
			var futures []*mn.Future[int]
			for i := range n {
				futures = append(futures, leaf.Go(ctx, i))
			}
			for _, fut := range futures {
				out, err := fut.Wait(ctx)
				if err != nil {
					return 0, err
				}
				sum += out
			}
			return sum, nil
		}, mn.MaxWorkers(1))
		out, err := fan.On(mntest.New(t, leaf, fan)).Call(t.Context(), 100)
		require.NoError(t, err)
		assert.Equal(t, 5050, out)
	})
}
