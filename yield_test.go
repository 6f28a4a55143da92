package mn_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// slowYields is a backend on which storing a yield takes a second.
func slowYields(writes *log[uint64]) backend.Backend {
	return &tap{Backend: memory.New(), yield: func(ctx context.Context, ys []backend.Yield) error {
		writes.add(ys[len(ys)-1].Number)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
}

func TestYieldsAreConflatedWhileOneIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("fast", func(_ context.Context, n int, yield func(int) bool) error {
			for i := range n {
				yield(i + 1)
				pass(time.Millisecond)
			}
			return nil
		})
		var writes log[uint64]
		j := job.On(mntest.NewWith(t, mn.Config{Backend: slowYields(&writes), Definitions: []mn.Definition{job}}))
		began := time.Now()
		states := watched(t, j, start(t, j, 3500))
		require.Equal(t, 3500*time.Millisecond, time.Since(began), "the handler does not wait for the writes")
		require.Len(t, writes.entries(), 4, "one write is under way at a time")
		require.Equal(t, []uint64{0, 1, 1000, 2000, 3500}, roughly(numbers(states)))
		require.Equal(t, 3500, states[len(states)-1].Result, "the last value comes with the end")
	})
}

// roughly rounds to what the order of events at one instant does not change.
func roughly(ns []uint64) (all []uint64) {
	for _, n := range ns {
		if n > 10 {
			n = (n + 5) / 10 * 10
		}
		all = append(all, n)
	}
	return all
}

func TestSyncYieldsReturnWhenTheValueIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var job *mn.Job[int, int]
		job = mn.NewJob("sync", func(ctx context.Context, n int, yield func(int) bool) error {
			for i := range n {
				yield(i + 1)
				info, err := job.Get(ctx, mn.JobID(mn.TaskID(ctx)))
				if err != nil || info.Result != i+1 {
					return errors.New("yield returned before its value was stored")
				}
			}
			return nil
		}, mn.SyncYields())
		var writes log[uint64]
		j := job.On(mntest.NewWith(t, mn.Config{Backend: slowYields(&writes), Definitions: []mn.Definition{job}}))
		end := ended(t, j, start(t, j, 5))
		require.Equal(t, mn.Succeeded, end.Status, end.Error)
		require.Equal(t, []uint64{1, 2, 3, 4, 5}, writes.entries())
		require.Equal(t, 5*time.Second, end.Ended.Sub(end.Started))
	})
}

func TestYieldIsRepeatedUntilTheBackendAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		store := &tap{Backend: memory.New(), yield: func(context.Context, []backend.Yield) error {
			if tries.Add(1) < 5 {
				return errors.New("connection reset")
			}
			return nil
		}}
		for name, opts := range map[string][]mn.JobOption{"conflated": nil, "sync": {mn.SyncYields()}} {
			tries.Store(0)
			job := mn.NewJob(name, counting, opts...)
			j := job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}))
			end := ended(t, j, start(t, j, 30))
			require.Equal(t, mn.Succeeded, end.Status, end.Error)
			require.Equal(t, 30, end.Result)
			require.Greater(t, tries.Load(), int32(5))
		}
	})
}

func TestYieldsFromManyGoroutinesAreNumbered(t *testing.T) {
	for name, opts := range map[string][]mn.JobOption{
		"conflated": {mn.KeepYields(1000)}, "sync": {mn.KeepYields(1000), mn.SyncYields()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := mn.NewJob("parallel", func(_ context.Context, _ int, yield func(int) bool) error {
					var all sync.WaitGroup
					for i := range 10 {
						all.Go(func() {
							for k := range 10 {
								yield(i*10 + k)
							}
						})
					}
					all.Wait()
					return nil
				}, opts...)
				j := job.On(mntest.New(t, job))
				id := start(t, j, 0)
				seen := map[int]bool{}
				for i, s := range watched(t, j, id, mn.FromYield(1)) {
					require.EqualValues(t, i+1, s.Yields)
					seen[s.Result] = true
				}
				require.Len(t, seen, 100)
			})
		})
	}
}

func TestYieldAfterTheEndIsFalseAndWithoutEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept func(int) bool
		job := mn.NewJob("leaky", func(_ context.Context, _ int, yield func(int) bool) error {
			kept = yield
			yield(1)
			return nil
		}, mn.KeepYields(10))
		j := job.On(mntest.New(t, job))
		id := start(t, j, 0)
		before := ended(t, j, id)
		require.False(t, kept(2))
		pass(time.Minute)
		require.Equal(t, before, get(t, j, id))
		require.Equal(t, []uint64{1}, numbers(watched(t, j, id, mn.FromYield(1))))
	})
}

func TestYieldThatCannotBeStoredFailsTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		bad  any
		want string
	}{
		"channel":   {make(chan int), "unsupported type: chan int"},
		"NaN":       {math.NaN(), "unsupported value: NaN"},
		"oversized": {strings.Repeat("x", 2000), "payload too large"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				went, cause := true, error(nil)
				job := mn.NewJob("bad", func(ctx context.Context, _ int, yield func(any) bool) error {
					yield("good")
					went = yield(c.bad)
					cause = context.Cause(ctx)
					return nil
				})
				j := job.On(mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, PayloadLimit: mn.KiB}))
				end := ended(t, j, start(t, j, 0, mn.WithLock("l")))
				require.Equal(t, mn.Failed, end.Status)
				require.ErrorContains(t, end.Error, c.want)
				require.Equal(t, "good", end.Result)
				require.False(t, went)
				require.ErrorContains(t, cause, c.want)
				start(t, j, 0, mn.WithLock("l"))
			})
		})
	}
}

func TestUnreadableYieldsFailTheirReaderNotTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		ints, texts := mn.NewJob("count", counting), mn.NewJob[int, string]("count", nil)
		i := ints.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{ints}}))
		s := texts.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{texts}}))
		id := start(t, i, 1)
		_, err := s.Wait(t.Context(), id)
		require.ErrorContains(t, err, `decode "out"`)
		require.Equal(t, mn.Succeeded, get(t, i, id).Status)
	})
}
