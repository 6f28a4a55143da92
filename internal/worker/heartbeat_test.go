package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// waiting notes when and why its context ends, and goes on for a while.
func waiting(told *log[error], rest time.Duration) handler {
	return func(a *Attempt) ([]byte, error) {
		<-a.Context().Done()
		told.add(context.Cause(a.Context()))
		pass2(rest)
		return nil, nil
	}
}

func TestSilentProcessFencesItselfOffBeforeItsLeasesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		r := newRig(t, jobs(waiting(&told, 0)))
		r.heartbeat = func([]backend.Lease) error { return errDown }
		r.start("job", "a")
		began := time.Now()
		for len(told.entries()) == 0 {
			pass(time.Second)
		}
		require.ErrorIs(t, told.entries()[0], errLost)
		require.LessOrEqual(t, time.Since(began), lease)
		require.GreaterOrEqual(t, time.Since(began), lease*4/5)
	})
}

func TestOneHeartbeatInTimeKeepsTheLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		r := newRig(t, jobs(waiting(&told, 0)))
		n := 0
		r.heartbeat = func([]backend.Lease) error {
			if n++; n%3 == 0 {
				return nil
			}
			return errDown
		}
		r.start("job", "a")
		for range 50 {
			pass(beat)
			_, err := r.Sweep(t.Context(), 100)
			require.NoError(t, err)
		}
		require.Empty(t, told.entries())
		require.Equal(t, backend.StatusRunning, r.task("a").Status)
	})
}

func TestFencedOffLeasesAreNotExtendedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		r := newRig(t, jobs(waiting(&told, 40*time.Second)))
		var beaten log[int]
		n := 0
		r.heartbeat = func(ls []backend.Lease) error {
			beaten.add(len(ls))
			if n++; n <= 3 {
				return errDown
			}
			return nil
		}
		r.start("job", "a")
		pass(5 * beat)
		require.Equal(t, []int{1, 1, 1, 0, 0}, beaten.entries())
		_, err := r.Sweep(t.Context(), 100)
		require.NoError(t, err)
		require.Equal(t, backend.StatusFailed, r.task("a").Status, "so the backend finds it lost in time, whatever the handler does")
		require.Equal(t, backend.CodeLost, r.task("a").Failure.Code)
	})
}

func TestHeartbeatRepliesCarryCancelsAndLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		pool := jobs(waiting(&told, time.Hour))
		pool.Spec.Grace = 2 * time.Hour
		r := newRig(t, pool)
		r.start("job", "a")
		a := r.running()[0]
		r.obey([]*Attempt{a}, []backend.LeaseState{backend.LeaseHeld})
		require.Empty(t, told.entries())
		r.obey([]*Attempt{a}, []backend.LeaseState{backend.LeaseCancelling})
		synctest.Wait()
		require.ErrorIs(t, told.entries()[0], errCancelled)
		r.obey([]*Attempt{a}, []backend.LeaseState{backend.LeaseLost})
		require.True(t, a.gaveUp())
	})
}

func TestCancelHintIsForItsLeaseOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		r := newRig(t, jobs(waiting(&told, 0)))
		r.start("job", "a")
		l := r.running()[0].Lease
		stale := l
		stale.Epoch--
		r.Process.Cancel(stale)
		r.Process.Cancel(backend.Lease{Task: "a", Slot: "unknown"})
		synctest.Wait()
		require.Empty(t, told.entries())
		r.Process.Cancel(l)
		synctest.Wait()
		require.ErrorIs(t, told.entries()[0], errCancelled)
	})
}

func TestLostSessionIsJoinedAnewAndItsAttemptsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		r := newRig(t, jobs(waiting(&told, 0)))
		failures, join := 2, r.Rejoin
		r.Rejoin = func(ctx context.Context, known uint64) error {
			if failures--; failures >= 0 {
				return errDown
			}
			return join(ctx, known)
		}
		r.start("job", "a")
		require.NoError(t, r.Leave(t.Context(), "me")) // as a sweep does to a machine that slept
		pass(beat)
		require.ErrorIs(t, told.entries()[0], errLost)
		require.Zero(t, r.rejoins.Load())
		pass(2 * beat)
		require.EqualValues(t, 1, r.rejoins.Load())
		r.start("job", "b")
		require.Equal(t, backend.StatusRunning, r.task("b").Status)
	})
}
