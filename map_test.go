package mn_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// collect ranges over results, which must be without errors.
func collect[V any](t *testing.T, results iter.Seq2[V, error]) (all []V) {
	t.Helper()
	for v, err := range results {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// shuffled is a function whose calls end in another order than they began.
var shuffled = mn.NewFunction("shuffled", func(_ context.Context, n int) (int, error) {
	pass(time.Duration(n*7%5) * time.Second)
	return n, nil
})

func TestMapYieldsInTheOrderOfTheInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := shuffled.On(mntest.New(t, shuffled))
		assert.Equal(t, slices.Collect(upTo(100)), collect(t, f.Map(t.Context(), upTo(100))))
		assert.Equal(t, slices.Collect(upTo(100)), collect(t, f.Map(t.Context(), upTo(100), mn.MaxInFlight(3))))
	})
}

func TestUnorderedMapYieldsAsResultsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := shuffled.On(mntest.New(t, shuffled))
		out := collect(t, f.Map(t.Context(), upTo(5), mn.Unordered()))
		assert.Equal(t, []int{0, 3, 1, 4, 2}, out, "by the time that each takes")
		out = collect(t, f.Map(t.Context(), upTo(1000), mn.Unordered(), mn.MaxInFlight(7)))
		slices.Sort(out)
		assert.Equal(t, slices.Collect(upTo(1000)), out, "each once")
	})
}

func TestUnorderedMapIsNotHeldUpByOneSlowInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("first-is-slow", func(_ context.Context, n int) (int, error) {
			if n == 0 {
				pass(time.Hour)
			}
			return n, nil
		}, mn.Timeout(2*time.Hour))
		began := time.Now()
		out := collect(t, f.On(mntest.New(t, f)).Map(t.Context(), upTo(2000), mn.Unordered(), mn.MaxInFlight(4)))
		assert.Len(t, out, 2000)
		assert.Zero(t, out[len(out)-1], "the slow one is last")
		assert.Less(t, time.Since(began), time.Hour+time.Minute)
	})
}

func TestMapOfManyInputs(t *testing.T) {
	f := double.On(mntest.New(t, double))
	n := 0
	for out, err := range f.Map(t.Context(), upTo(10_000)) {
		require.NoError(t, err)
		require.Equal(t, 2*n, out)
		n++
	}
	assert.Equal(t, 10_000, n)
}

func TestMapOfNothingYieldsNothing(t *testing.T) {
	assert.Empty(t, collect(t, double.On(mntest.New(t, double)).Map(t.Context(), upTo(0))))
}

func TestMapMayBeRangedOverAgain(t *testing.T) {
	results := double.On(mntest.New(t, double)).Map(t.Context(), upTo(3))
	assert.Equal(t, []int{0, 2, 4}, collect(t, results))
	assert.Equal(t, []int{0, 2, 4}, collect(t, results))
}

// endless gives 0, 1, … and counts in taken how many were asked for.
func endless(taken *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; ; i++ {
			*taken++
			if !yield(i) {
				return
			}
		}
	}
}

func TestInputsAreTakenLazilyAndBoundedByMaxInFlight(t *testing.T) {
	for _, order := range [][]mn.MapOption{nil, {mn.Unordered()}} {
		for _, bound := range []int{1, 3, 300} {
			synctest.Test(t, func(t *testing.T) {
				f := double.On(mntest.New(t, double))
				taken, seen := 0, 0
				for _, err := range f.Map(t.Context(), endless(&taken), append(order, mn.MaxInFlight(bound))...) {
					require.NoError(t, err)
					seen++
					// One more input is made before it has to wait for its place.
					require.LessOrEqual(t, taken, seen+bound)
					if seen == 1000 {
						break
					}
				}
			})
		}
	}
}

func TestMaxInFlightOneMakesOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := minute.On(mntest.New(t, minute))
		began := time.Now()
		assert.Len(t, collect(t, f.Map(t.Context(), upTo(7), mn.MaxInFlight(1))), 7)
		assert.GreaterOrEqual(t, time.Since(began), 7*time.Minute)
	})
}

func TestMaxInFlightMustBePositive(t *testing.T) {
	f := double.On(mntest.New(t, double))
	for _, n := range []int{0, -1} {
		count := 0
		for _, err := range f.Map(t.Context(), upTo(3), mn.MaxInFlight(n)) {
			require.ErrorContains(t, err, "MaxInFlight")
			count++
		}
		assert.Equal(t, 1, count)
	}
}

func TestMapWithoutAnAppYieldsItsErrorOnce(t *testing.T) {
	var all []error
	for _, err := range double.Map(t.Context(), upTo(3)) {
		all = append(all, err)
	}
	require.Len(t, all, 1)
	require.ErrorIs(t, all[0], mn.ErrNoApp)
}

func TestErrorBelongsToItsInputAndTheMapGoesOn(t *testing.T) {
	odd := mn.NewFunction("odd", func(_ context.Context, n float64) (float64, error) {
		if int(n)%3 == 0 {
			return 0, errors.New("a third")
		}
		return n, nil
	})
	f := odd.On(mntest.New(t, odd))
	inputs := func(yield func(float64) bool) {
		for i := range upTo(300) {
			in := float64(i)
			if i%3 == 1 {
				in /= 0 * in // cannot be encoded
			}
			if !yield(in) {
				return
			}
		}
	}
	n := 0
	for out, err := range f.Map(t.Context(), inputs) {
		var run *mn.RunError
		switch n % 3 {
		case 0:
			require.ErrorAs(t, err, &run)
			require.Equal(t, "a third", run.Message)
		case 1:
			require.ErrorContains(t, err, "unsupported value")
			require.NotErrorAs(t, err, &run)
		case 2:
			require.NoError(t, err)
			require.InDelta(t, n, out, 0)
		}
		n++
	}
	assert.Equal(t, 300, n)
}

func TestSlowInputsAreSentWithoutWaitingForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts log[time.Duration]
		began := time.Now()
		f := mn.NewFunction("start", func(context.Context, int) (int, error) {
			starts.add(time.Since(began))
			return 0, nil
		})
		inputs := func(yield func(int) bool) {
			for i := range 5 {
				if !yield(i) {
					return
				}
				pass(time.Second)
			}
		}
		assert.Len(t, collect(t, f.On(mntest.New(t, f)).Map(t.Context(), inputs)), 5)
		for i, at := range starts.entries() {
			assert.LessOrEqual(t, at, time.Duration(i)*time.Second+2*time.Millisecond)
		}
	})
}

func TestMapsNestInFunctions(t *testing.T) {
	leaf := mn.NewFunction("leaf", func(_ context.Context, n int) (int, error) { return n, nil }, mn.MaxWorkers(2))
	row := mn.NewFunction("row", func(ctx context.Context, n int) (sum int, err error) {
		for out, err := range leaf.Map(ctx, upTo(n)) {
			if err != nil {
				return 0, err
			}
			sum += out
		}
		return sum, nil
	}, mn.MaxWorkers(2))
	table := mn.NewFunction("table", func(ctx context.Context, n int) (sum int, err error) {
		for out, err := range row.Map(ctx, upTo(n), mn.Unordered()) {
			if err != nil {
				return 0, err
			}
			sum += out
		}
		return sum, nil
	}, mn.MaxWorkers(1))
	out, err := table.On(mntest.New(t, leaf, row, table)).Call(t.Context(), 40)
	require.NoError(t, err)
	assert.Equal(t, 9880, out) // the 38th tetrahedral number
}
