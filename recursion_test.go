package mn_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// recursive is the Fibonacci function that calls itself for both of its parts.
func recursive(opts ...mn.FunctionOption) *mn.Function[int, int] {
	fib := mn.NewFunction[int, int]("fib", nil, opts...)
	return fib.Handle(func(ctx context.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		later := fib.Go(ctx, n-1)
		b, err := fib.Call(ctx, n-2)
		if err != nil {
			return 0, err
		}
		a, err := later.Wait(ctx)
		return a + b, err
	})
}

func TestRecursionCompletesWithFewWorkers(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			fib := recursive(mn.MaxWorkers(workers))
			p := newPlace(t)
			app := p.app(fib)
			out, err := fib.On(app).Call(t.Context(), 12)
			require.NoError(t, err)
			assert.Equal(t, 144, out)
			assert.LessOrEqual(t, p.pool(fib).Slots, workers)
		})
	}
}

// mutual gives two functions that call each other, counting down.
func mutual(opts ...mn.FunctionOption) (even, odd *mn.Function[int, bool]) {
	even = mn.NewFunction[int, bool]("even", nil, opts...)
	odd = mn.NewFunction[int, bool]("odd", nil, opts...)
	even.Handle(func(ctx context.Context, n int) (bool, error) {
		if n == 0 {
			return true, nil
		}
		return odd.Call(ctx, n-1)
	})
	odd.Handle(func(ctx context.Context, n int) (bool, error) {
		if n == 0 {
			return false, nil
		}
		return even.Call(ctx, n-1)
	})
	return even, odd
}

func TestMutualRecursionCompletesWithOneWorkerEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		even, odd := mutual(mn.MaxWorkers(1))
		out, err := even.On(mntest.New(t, even, odd)).Call(t.Context(), 101)
		require.NoError(t, err)
		assert.False(t, out)
	})
}

func TestManyRecursionsAtOnceShareOneWorkerEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		even, odd := mutual(mn.MaxWorkers(1))
		app := mntest.New(t, even, odd)
		var futures []*mn.Future[bool]
		for n := range 40 {
			futures = append(futures, even.On(app).Go(t.Context(), n), odd.On(app).Go(t.Context(), n))
		}
		for i, fut := range futures {
			out, err := fut.Wait(t.Context())
			require.NoError(t, err)
			assert.Equal(t, (i/2)%2 == i%2, out)
		}
	})
}

func TestEndlessRecursionIsTooDeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen log[error]
		var deepest atomic.Int64
		f := mn.NewFunction[int, int]("endless", nil, mn.MaxWorkers(1))
		f.Handle(func(ctx context.Context, n int) (int, error) {
			deepest.Store(max(deepest.Load(), int64(n)))
			out, err := f.Call(ctx, n+1)
			if errors.Is(err, mn.ErrTooDeep) {
				seen.add(err)
			}
			var run *mn.RunError
			if errors.As(err, &run) {
				err = errors.New(run.Message) // else it would grow with each level
			}
			return out, err
		})
		p := newPlace(t)
		_, err := f.On(p.app(f)).Call(t.Context(), 0)
		var run *mn.RunError
		require.ErrorAs(t, err, &run)
		assert.Contains(t, run.Message, mn.ErrTooDeep.Error(), "the reason reaches the outermost caller")
		assert.Len(t, seen.entries(), 1)
		assert.EqualValues(t, 1000, deepest.Load())
		assert.Equal(t, 1, p.pool(f).Slots)
	})
}

func TestFunctionWaitsForItsJobWithoutStarvingItsPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A job calls the function that waits for the job, with one worker.
		waiter := mn.NewFunction[int, int]("waiter", nil, mn.MaxWorkers(1))
		job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
			out, err := waiter.Call(ctx, n-1)
			yield(out + 1)
			return err
		})
		waiter.Handle(func(ctx context.Context, n int) (int, error) {
			if n <= 0 {
				return 0, nil
			}
			id, err := job.Start(ctx, n)
			if err != nil {
				return 0, err
			}
			return job.Wait(ctx, id)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		out, err := waiter.On(mntest.New(t, waiter, job)).Call(ctx, 3)
		require.NoError(t, err)
		assert.Equal(t, 3, out)
	})
}
