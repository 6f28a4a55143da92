package worker

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

func echo(a *Attempt) ([]byte, error) { return []byte(a.Lease.Task), nil }

func TestClaimIsRepeatedAsTheSameOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran log[string]
		r := newRig(t, calls("f", 1, func(a *Attempt) ([]byte, error) {
			ran.add(a.Lease.Task)
			return echo(a)
		}))
		var ops log[uint64]
		down, lost := 2, 2
		r.claim = func(req backend.ClaimRequest) error {
			ops.add(req.Op)
			if down--; down >= 0 {
				return errDown
			}
			return nil
		}
		r.claimed = func(*backend.Assignment) error { // the task is leased, but the worker does not know
			if lost--; lost >= 0 {
				return errDown
			}
			return nil
		}
		r.start("f", "a")
		pass(time.Minute)
		require.Equal(t, "SUCCEEDED a", r.result("a"))
		r.start("f", "b")
		require.Equal(t, "SUCCEEDED b", r.result("b"))
		require.Equal(t, []string{"a", "b"}, ran.entries())
		require.Equal(t, []uint64{1, 1, 1, 1, 1, 2, 3}, ops.entries())
	})
}

func TestJobsWorkerServesOneRunAndAFunctionsItsCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs(echo), calls("f", 1, echo))
		r.start("job", "a")
		require.Zero(t, r.info("job").Slots)
		r.start("f", "b")
		require.Equal(t, 1, r.info("f").Idle)
		pass(time.Hour - 1)
		require.Equal(t, 1, r.info("f").Idle)
		pass(time.Second)
		require.Zero(t, r.info("f").Slots)
	})
}

func TestSlotWithoutAHandlerIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs(echo))
		var exits []backend.SlotExit
		r.exited = func(e backend.SlotExit) { exits = append(exits, e) }
		require.ErrorContains(t, r.Serve(backend.Slot{ID: "x", Pool: "other"}), `no handler for "other"`)
		require.Equal(t, []backend.SlotExit{{Slot: "x", Note: `the worker's app has no handler for "other"`, Refused: true}}, exits)
	})
}

func TestWorkerWhoseHandlerCalledGoexitIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, calls("f", 1, func(a *Attempt) ([]byte, error) {
			if a.Lease.Task == "bad" {
				runtime.Goexit()
			}
			return echo(a)
		}))
		r.start("f", "bad")
		require.Equal(t, "FAILED ", r.result("bad"))
		require.Zero(t, r.info("f").Slots)
		r.start("f", "good")
		require.Equal(t, "SUCCEEDED good", r.result("good"))
	})
}

func TestKilledWorkerWritesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[error]
		r := newRig(t, calls("f", 2, func(a *Attempt) ([]byte, error) {
			<-a.Context().Done()
			told.add(context.Cause(a.Context()))
			return nil, nil
		}))
		r.settle = func(backend.Settlement) error { t.Error("settled"); return nil }
		r.start("f", "a")
		r.start("f", "b")
		r.Process.Kill("a") // the slot that was reserved with the call
		synctest.Wait()
		require.Equal(t, []error{errLost}, told.entries(), "the other worker goes on")
		require.Equal(t, backend.StatusRunning, r.task("a").Status)
		r.Process.Kill("unknown")
		r.Process.Kill("b")
	})
}

func TestTimeoutIsThatOfEachAttemptOfAWarmWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told log[time.Duration]
		length := map[string]time.Duration{"a": 50 * time.Minute, "b": 59 * time.Minute, "c": 0, "d": 2 * time.Hour, "e": 50 * time.Minute}
		r := newRig(t, calls("f", 1, func(a *Attempt) ([]byte, error) {
			began := time.Now()
			select {
			case <-time.After(length[a.Lease.Task]):
				return echo(a)
			case <-a.Context().Done():
				told.add(time.Since(began))
				return nil, nil
			}
		}))
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			r.start("f", id)
			pass(length[id] + time.Minute)
		}
		require.Equal(t, []time.Duration{time.Hour}, told.entries())
		require.Equal(t, "FAILED ", r.result("d"))
		require.Equal(t, "SUCCEEDED e", r.result("e"))
	})
}

func TestDrainWaitsForJobsThenCallsAndThenServesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(a *Attempt) ([]byte, error) { pass2(time.Minute); return echo(a) }
		r := newRig(t, jobs(slow), calls("f", 2, slow))
		r.start("job", "a")
		pass(30 * time.Second)
		r.start("f", "b")
		began := time.Now()
		var exits log[backend.SlotExit]
		r.exited = exits.add
		go func() {
			pass2(time.Second)
			_ = r.Serve(backend.Slot{ID: "came late", Pool: "job"})
		}()
		require.NoError(t, r.DrainJobs(t.Context()))
		require.Equal(t, []backend.SlotExit{{Slot: "came late", Note: "its process is shutting down"}}, exits.entries())
		require.Equal(t, 30*time.Second, time.Since(began))
		require.Equal(t, backend.StatusSucceeded, r.task("a").Status)

		require.NoError(t, r.DrainCalls(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, r.Drain(t.Context(), nil))
		require.Equal(t, time.Minute, time.Since(began))
		require.Zero(t, r.info("f").Slots)

		r.start("job", "late")
		r.start("f", "late")
		require.Equal(t, backend.StatusPending, r.task("late").Status)
		require.Zero(t, r.info("f").Slots+r.info("job").Slots, "slots are given back")
	})
}

func TestDrainHandsBackWhatDoesNotEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		r := newRig(t, jobs(func(a *Attempt) ([]byte, error) {
			<-a.Context().Done()
			if a.Lease.Task == "stubborn" {
				<-release
			}
			return nil, nil
		}))
		r.start("job", "obedient")
		r.start("job", "stubborn")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := r.DrainJobs(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		began := time.Now()
		require.Equal(t, err, r.Drain(ctx, err))
		require.Equal(t, time.Second, time.Since(began), "DrainGrace, not the pool's grace")
		for _, id := range []string{"obedient", "stubborn"} {
			require.Equal(t, backend.StatusPending, r.task(id).Status)
			require.Zero(t, r.task(id).Attempt)
		}
	})
}
