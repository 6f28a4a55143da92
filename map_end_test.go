package mn_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestHoweverAMapEndsItsOutstandingCallsAreCancelled(t *testing.T) {
	stop := errors.New("stop")
	for name, end := range map[string]func(ctx context.Context, f *mn.Function[int, int]){
		"break": func(ctx context.Context, f *mn.Function[int, int]) {
			for range f.Map(ctx, upTo(50)) {
				pass(time.Second) // all workers are busy now
				break
			}
		},
		"return of an unordered one": func(ctx context.Context, f *mn.Function[int, int]) {
			for range f.Map(ctx, upTo(50), mn.Unordered()) {
				pass(time.Second)
				return
			}
		},
		"panic of the loop": func(ctx context.Context, f *mn.Function[int, int]) {
			defer func() { _ = recover() }()
			for range f.Map(ctx, upTo(50)) {
				pass(time.Second)
				panic(stop)
			}
		},
		"Goexit of the loop": func(ctx context.Context, f *mn.Function[int, int]) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range f.Map(ctx, upTo(50)) {
					pass(time.Second)
					runtime.Goexit()
				}
			}()
			<-done
		},
		"panic of the inputs": func(ctx context.Context, f *mn.Function[int, int]) {
			defer func() { _ = recover() }()
			for range f.Map(ctx, func(yield func(int) bool) {
				for i := range 50 {
					yield(i)
				}
				pass(time.Second)
				panic(stop)
			}) {
				continue
			}
		},
		"its context": func(ctx context.Context, f *mn.Function[int, int]) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			for range f.Map(ctx, upTo(50)) {
				continue
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes log[error]
				// The first input's call succeeds, all others last.
				f := mn.NewFunction("lasting", func(ctx context.Context, n int) (int, error) {
					if n == 0 {
						return 0, nil
					}
					<-ctx.Done()
					causes.add(context.Cause(ctx))
					return 0, nil
				})
				p := newPlace(t)
				app := p.app(f)
				end(t.Context(), f.On(app))
				settled()
				for _, cause := range causes.entries() {
					require.ErrorIs(t, cause, mn.ErrJobCancelled)
				}
				assert.LessOrEqual(t, 9, len(causes.entries()), "those that ran")
				pool := p.pool(f)
				assert.Zero(t, pool.Pending+pool.Running, "nothing is left of those that waited")
				assert.Equal(t, mn.DefaultMaxWorkers, pool.Idle)
			})
		})
	}
}

func TestPanicOfTheInputsReachesWhoRanges(t *testing.T) {
	f := double.On(mntest.New(t, double))
	require.PanicsWithValue(t, "no more", func() {
		for range f.Map(t.Context(), func(yield func(int) bool) {
			yield(1)
			panic("no more")
		}) {
			continue
		}
	})
	out, err := f.Call(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, 2, out)
}

func TestEndOfTheContextIsYieldedOnceAndEndsTheMap(t *testing.T) {
	for name, o := range map[string][]mn.MapOption{
		"ordered": nil, "unordered": {mn.Unordered()}, "one at a time": {mn.MaxInFlight(1)},
	} {
		for _, after := range []int{0, 1, 100} {
			t.Run(name, func(t *testing.T) {
				f := double.On(mntest.New(t, double))
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				reason := errors.New("enough")
				results, taken := 0, 0
				var all []error
				if after == 0 {
					cancel(reason)
				}
				for _, err := range f.Map(ctx, endless(&taken), o...) {
					if err != nil {
						all = append(all, err)
						if len(all) > 5 {
							break
						}
						continue
					}
					if results++; results == after {
						cancel(reason)
					}
				}
				require.Len(t, all, 1)
				require.ErrorIs(t, all[0], context.Canceled)
				require.ErrorIs(t, all[0], reason)
				assert.ErrorContains(t, all[0], `mn: map of function "double": `)
			})
		}
	}
}

func TestMapEndsWhenItsAppIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := mntest.New(t, minute)
		time.AfterFunc(90*time.Second, func() { assert.NoError(t, app.Close()) })
		taken := 0
		var all []error
		for _, err := range minute.On(app).Map(t.Context(), endless(&taken)) {
			if err != nil {
				all = append(all, err)
				if len(all) > 5 {
					break
				}
			}
		}
		require.Len(t, all, 1)
		require.ErrorIs(t, all[0], mn.ErrAppClosed)
	})
}

func TestMapOfACancelledJobEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var causes log[error]
		var told log[error]
		f := waiting(&causes)
		job := mn.NewJob("mapper", func(ctx context.Context, n int, _ func(int) bool) error {
			for _, err := range f.Map(ctx, upTo(n)) {
				told.add(err)
			}
			return nil
		})
		p := newPlace(t)
		app := p.app(f, job)
		id := start(t, job.On(app), 100)
		require.NoError(t, job.On(app).Cancel(t.Context(), id))
		assert.Equal(t, mn.Cancelled, ended(t, job.On(app), id).Status)
		settled()
		require.Len(t, told.entries(), 1)
		require.ErrorIs(t, told.entries()[0], mn.ErrJobCancelled)
		assert.Len(t, causes.entries(), mn.DefaultMaxWorkers)
		assert.Zero(t, p.pool(f).Pending+p.pool(f).Running)
	})
}
