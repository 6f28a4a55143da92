package mn_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// uneven is a function whose calls are quick, so that its workers claim several at once,
// apart from every 97th, which takes longer than a batch may, and every 13th, whose length
// is in between. It counts its executions.
func uneven(name string, executed *atomic.Int64, opts ...mn.FunctionOption) *mn.Function[int, int] {
	return mn.NewFunction(name, func(ctx context.Context, n int) (int, error) {
		executed.Add(1)
		var d time.Duration
		switch {
		case n%97 == 50:
			d = 3 * time.Millisecond
		case n%13 == 7:
			d = 100 * time.Microsecond
		default:
			return -n, nil
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		return -n, nil
	}, opts...)
}

func TestMapOverQuickAndSlowItemsGivesEachResultOnce(t *testing.T) {
	const n = 10_000
	for _, workers := range []int{1, 2, 8} {
		var executed atomic.Int64
		def := uneven("uneven", &executed, mn.MaxWorkers(workers))
		f := def.On(mntest.New(t, def))
		next := 0
		for out, err := range f.Map(t.Context(), upTo(n)) {
			require.NoError(t, err)
			require.Equal(t, -next, out)
			next++
		}
		assert.Equal(t, n, next)
		assert.Equal(t, int64(n), executed.Load(), "none was lost, so none was executed again")
	}
}

func TestUnorderedMapOverQuickAndSlowItemsGivesEachResultOnce(t *testing.T) {
	const n = 10_000
	var executed atomic.Int64
	def := uneven("uneven-unordered", &executed, mn.MaxWorkers(4))
	f := def.On(mntest.New(t, def))
	out := collect(t, f.Map(t.Context(), upTo(n), mn.Unordered(), mn.MaxInFlight(1000)))
	slices.Sort(out)
	slices.Reverse(out)
	for i := range n {
		require.Equal(t, -i, out[i])
	}
	assert.Len(t, out, n)
	assert.Equal(t, int64(n), executed.Load())
}

func TestMapsAtOnceOverOneFunctionGetTheirOwnResults(t *testing.T) {
	const n, maps = 3000, 6
	var executed atomic.Int64
	def := uneven("uneven-shared", &executed, mn.MaxWorkers(3))
	f := def.On(mntest.New(t, def))
	done := make(chan int, maps)
	for m := range maps {
		go func() {
			got := 0
			for out, err := range f.Map(t.Context(), func(yield func(int) bool) {
				for i := range n {
					if !yield(i*maps + m) {
						return
					}
				}
			}) {
				if !assert.NoError(t, err) || !assert.Equal(t, -(got*maps+m), out) {
					break
				}
				got++
			}
			done <- got
		}()
	}
	for range maps {
		assert.Equal(t, n, <-done)
	}
	assert.Equal(t, int64(n*maps), executed.Load())
}

func TestMapThatIsBrokenOffLeavesNothingOfItsBatches(t *testing.T) {
	var executed atomic.Int64
	def := uneven("uneven-broken", &executed, mn.MaxWorkers(2))
	place := memory.New()
	f := def.On(mntest.NewWith(t, mn.Config{Name: "test", Backend: place, Definitions: []mn.Definition{def}}))
	for round := range 20 {
		next := 0
		for out, err := range f.Map(t.Context(), upTo(5000)) {
			require.NoError(t, err)
			require.Equal(t, -next, out)
			if next++; next == 100+10*round {
				break
			}
		}
		out, err := f.Call(t.Context(), round)
		require.NoError(t, err)
		require.Equal(t, -round, out)
	}
	require.Eventually(t, func() bool {
		pools, err := place.Namespace("test").Pools(t.Context())
		return err == nil && len(pools) == 1 && pools[0].Pending+pools[0].Running == 0
	}, 10*time.Second, time.Millisecond)
}

func TestEachIncompleteBatchOfInputsIsSentInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts log[time.Duration]
		began := time.Now()
		f := mn.NewFunction("gathered", func(context.Context, int) (int, error) {
			starts.add(time.Since(began))
			return 0, nil
		}, mn.MaxWorkers(1))
		inputs := func(yield func(int) bool) {
			for i := range 34 { // the first 32 are a batch, and the timer goes on
				if i == 32 {
					pass(600 * time.Microsecond)
				}
				if !yield(i) {
					return
				}
			}
			pass(time.Hour)
		}
		assert.Len(t, collect(t, f.On(mntest.New(t, f)).Map(t.Context(), inputs)), 34)
		all := starts.entries()
		assert.Equal(t, []time.Duration{0, 1600 * time.Microsecond, 1600 * time.Microsecond}, all[31:],
			"those that came last waited a millisecond for others")
	})
}

// sized notes how many bytes of input each Submit has.
type sized struct {
	backend.Backend
	bytes log[int]
}

type sizedStore struct {
	backend.Store
	*sized
}

func (s *sized) Namespace(name string) backend.Store {
	return &sizedStore{s.Backend.Namespace(name), s}
}

func (s *sizedStore) Submit(ctx context.Context, session string, tasks []backend.Submission) ([]backend.Submitted, error) {
	n := 0
	for _, t := range tasks {
		n += len(t.Input)
	}
	s.bytes.add(n)
	return s.Store.Submit(ctx, session, tasks)
}

func TestMapSendsLargeInputsInSmallBatches(t *testing.T) {
	place := &sized{Backend: memory.New()}
	size := mn.NewFunction("size", func(_ context.Context, in string) (int, error) { return len(in), nil })
	app := mntest.NewWith(t, mn.Config{Backend: place, Definitions: []mn.Definition{size}})
	const large = 300_000
	for n, err := range size.On(app).Map(t.Context(), slices.Values(slices.Repeat([]string{strings.Repeat("x", large)}, 20))) {
		require.NoError(t, err)
		require.Equal(t, large, n)
	}
	require.LessOrEqual(t, slices.Max(place.bytes.entries()), 1<<20+large+2, "a batch ends with the input that makes it a MiB")
}
