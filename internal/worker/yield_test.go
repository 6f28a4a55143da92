package worker

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

func numbers(ys []backend.Yield) (ns []uint64) {
	for _, y := range ys {
		ns = append(ns, y.Number)
	}
	return ns
}

// yieldAll yields "1" to n at once and then waits for its end.
func yieldAll(n int) handler {
	return func(a *Attempt) ([]byte, error) {
		for i := 1; i <= n; i++ {
			a.Yield([]byte(strconv.Itoa(i)))
		}
		<-a.Context().Done()
		return nil, nil
	}
}

func TestNewerYieldsReplaceTheWaitingOnesBeyondWhatIsKept(t *testing.T) {
	for keep, want := range map[int][][]uint64{
		0: {{1}, {9}},
		1: {{1}, {9}},
		3: {{1}, {7, 8, 9}},
		9: {{1}, {2, 3, 4, 5, 6, 7, 8, 9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			pool := jobs(func(a *Attempt) ([]byte, error) {
				a.Yield([]byte("1"))
				time.Sleep(time.Second) //nolint:forbidigo // synctest clock
				for i := 2; i <= 9; i++ {
					a.Yield([]byte(strconv.Itoa(i)))
				}
				<-a.Context().Done()
				return nil, nil
			})
			pool.Spec.KeepYields = keep
			r := newRig(t, pool)
			var writes log[[]uint64]
			r.yield = func(ys []backend.Yield) error {
				writes.add(numbers(ys))
				time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
				return nil
			}
			r.start("job", "a")
			pass(time.Minute)
			require.Equal(t, "1", string(r.task("a").Result))
			pass(time.Minute)
			require.Equal(t, "9", string(r.task("a").Result))
			require.EqualValues(t, 9, r.task("a").Yields)
			require.Equal(t, want, writes.entries(), "keep %d", keep)
		})
	}
}

func TestEndCarriesWhatIsNotWrittenYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := jobs(func(a *Attempt) ([]byte, error) {
			a.Yield([]byte("1"))
			time.Sleep(time.Second) //nolint:forbidigo // synctest clock
			a.Yield([]byte("2"))
			a.Yield([]byte("3"))
			return nil, nil
		})
		pool.Spec.KeepYields = 9
		r := newRig(t, pool)
		r.yield = func([]backend.Yield) error {
			time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
			return nil
		}
		var carried log[[]uint64]
		r.settle = func(s backend.Settlement) error {
			carried.add(numbers(s.Yields))
			return nil
		}
		r.start("job", "a")
		pass(2 * time.Minute)
		require.Equal(t, [][]uint64{{1, 2, 3}}, carried.entries(), "the one under way as well: nobody knows whether it arrives")
		kept, err := r.Yields(t.Context(), "a", 0, 100)
		require.NoError(t, err)
		require.Equal(t, []uint64{1, 2, 3}, numbers(kept))
	})
}

func TestSyncYieldReturnsWhenItsValueIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took log[time.Duration]
		pool := jobs(func(a *Attempt) ([]byte, error) {
			for range 3 {
				began := time.Now()
				a.Yield(nil)
				took.add(time.Since(began))
			}
			return nil, nil
		})
		pool.SyncYields = true
		r := newRig(t, pool)
		r.yield = func([]backend.Yield) error {
			time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
			return nil
		}
		r.start("job", "a")
		pass(time.Hour / 2)
		require.Equal(t, []time.Duration{time.Minute, time.Minute, time.Minute}, took.entries())
		require.Equal(t, backend.StatusSucceeded, r.task("a").Status)
	})
}

func TestYieldsGoOnAfterFailedExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs(yieldAll(5)))
		failures := 4
		r.yield = func([]backend.Yield) error {
			if failures--; failures >= 0 {
				return errDown
			}
			return nil
		}
		r.start("job", "a")
		require.Zero(t, r.task("a").Yields)
		pass(time.Minute)
		require.EqualValues(t, 5, r.task("a").Yields)
		require.Equal(t, backend.StatusRunning, r.task("a").Status)
	})
}

func TestRefusedYieldEndsTheAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		answer, cause error
		status        backend.Status
	}{
		"lease lost":     {backend.ErrLeaseLost, errLost, backend.StatusFailed},
		"anything final": {backend.ErrNotFound, backend.ErrNotFound, backend.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				var went bool
				r := newRig(t, jobs(func(a *Attempt) ([]byte, error) {
					a.Yield(nil)
					<-a.Context().Done()
					cause = context.Cause(a.Context())
					went = a.Yield(nil)
					return nil, nil
				}))
				r.yield = func([]backend.Yield) error { return c.answer }
				r.start("job", "a")
				require.ErrorIs(t, cause, c.cause)
				require.False(t, went)
				require.Equal(t, c.status, r.task("a").Status)
			})
		})
	}
}

func TestYieldAfterTheEndIsFalseAndWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempt *Attempt
		writes := 0
		r := newRig(t, jobs(func(a *Attempt) ([]byte, error) {
			attempt = a
			return nil, nil
		}))
		r.yield = func([]backend.Yield) error { writes++; return nil }
		r.start("job", "a")
		require.False(t, attempt.Yield([]byte("late")))
		pass(time.Minute)
		require.Zero(t, writes)
		require.Zero(t, r.task("a").Yields)
	})
}
