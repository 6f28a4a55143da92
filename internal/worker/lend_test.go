package worker

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// nesting is a pool with one worker, whose handler "outer" waits for d, as it would
// for a call, and whose other handlers are quick.
func nesting(ran *log[string], own bool, d time.Duration) *Pool {
	return calls("f", 1, func(a *Attempt) ([]byte, error) {
		id := a.Lease.Task
		ran.add(id + " began")
		switch {
		case id == "outer":
			a.BeginWait(own)
			pass2(d)
			a.EndWait()
		case strings.HasPrefix(id, "slow"):
			pass2(time.Hour / 2)
		case strings.HasPrefix(id, "exit"):
			runtime.Goexit()
		}
		ran.add(id + " ended")
		return echo(a)
	})
}

func TestWaitingHandlersWorkerExecutesNestedTasks(t *testing.T) {
	for own, after := range map[bool]time.Duration{false: lendAfter, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			var ran log[string]
			r := newRig(t, nesting(&ran, own, time.Minute))
			r.start("f", "outer")
			r.submit("f", "top", 0)
			r.submit("f", "nested", 1)
			if after > 0 {
				pass(after - 1)
				require.Equal(t, []string{"outer began"}, ran.entries(), "short waits cost nothing")
				pass(1)
			}
			synctest.Wait()
			require.Equal(t, []string{"outer began", "nested began", "nested ended"}, ran.entries())
			require.Equal(t, 1, r.info("f").Slots)
			pass(time.Minute)
			require.Equal(t, "SUCCEEDED top", r.result("top"), "others wait until the handler has returned")
		})
	}
}

func TestHandlerThatDoesNotWaitLendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nesting(new(log[string]), false, 0))
		r.start("f", "slow")
		r.submit("f", "nested", 1)
		pass(time.Minute)
		require.Equal(t, backend.StatusPending, r.task("nested").Status)
		pass(time.Hour / 2)
		require.Equal(t, "SUCCEEDED nested", r.result("nested"))
	})
}

func TestEndOfTheWaitWithdrawsTheOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var claims log[bool]
		pool := calls("f", 1, func(a *Attempt) ([]byte, error) {
			for range 3 {
				if a.Lease.Task != "outer" {
					break
				}
				a.BeginWait(true)
				a.BeginWait(false) // two waits at a time are one offer
				pass2(time.Second)
				a.EndWait()
				a.EndWait()
				pass2(time.Second)
			}
			return echo(a)
		})
		r := newRig(t, pool)
		r.claim = func(req backend.ClaimRequest) error { claims.add(req.Nested); return nil }
		r.start("f", "outer")
		pass(1500 * time.Millisecond)
		r.submit("f", "between", 1)
		synctest.Wait()
		require.Equal(t, backend.StatusPending, r.task("between").Status)
		pass(time.Second)
		require.Equal(t, "SUCCEEDED between", r.result("between"), "the next wait lends again")
		pass(time.Minute)
		require.Equal(t, []bool{false, true, true, true, true, false}, claims.entries())
	})
}

func TestWorkerTakesNothingNewWhileWhatItTookOnRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran log[string]
		r := newRig(t, nesting(&ran, true, time.Minute))
		r.start("f", "outer")
		r.submit("f", "slow", 1)
		r.submit("f", "top", 0)
		pass(2 * time.Minute)
		require.Equal(t, "SUCCEEDED outer", r.result("outer"))
		require.Equal(t, backend.StatusPending, r.task("top").Status)
		pass(time.Hour)
		require.Equal(t, []string{"outer began", "slow began", "outer ended", "slow ended", "top began", "top ended"}, ran.entries())
	})
}

func TestLendingEndsWithTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran log[string]
		r := newRig(t, nesting(&ran, true, 100*time.Second))
		claims := 0
		r.claim = func(backend.ClaimRequest) error { claims++; return nil }
		r.start("f", "outer")
		require.Equal(t, 2, claims)
		require.NoError(t, r.Store().Exit(t.Context(), []backend.SlotExit{{Slot: "outer"}}))
		synctest.Wait()
		require.LessOrEqual(t, claims, 4, "the lost slot is not claimed for over and over")
	})
}

func TestLendingGoesOnAfterANestedGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nesting(new(log[string]), true, time.Minute))
		r.start("f", "outer")
		for _, id := range []string{"exit 1", "nested 1", "exit 2", "nested 2"} {
			r.submit("f", id, 1)
			synctest.Wait()
		}
		require.Equal(t, "FAILED ", r.result("exit 1"))
		require.Equal(t, "FAILED ", r.result("exit 2"))
		require.Equal(t, "SUCCEEDED nested 1", r.result("nested 1"))
		require.Equal(t, "SUCCEEDED nested 2", r.result("nested 2"))
		pass(time.Minute)
		require.Equal(t, "SUCCEEDED outer", r.result("outer"))
	})
}

func TestWhatAnAbandonedHandlersWorkerTookOnIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := nesting(new(log[string]), true, time.Hour/4)
		pool.Spec.Timeout, pool.Spec.Grace = 10*time.Minute, 0
		r := newRig(t, pool)
		r.start("f", "outer") // ignores its end at 10 minutes and returns at 15
		pass(9 * time.Minute)
		r.submit("f", "slow", 1) // times out at 19 and returns at 39
		pass(2 * time.Minute)
		require.Equal(t, "FAILED ", r.result("outer"))
		require.Equal(t, 1, r.info("f").Slots)
		pass(7 * time.Minute)
		require.Equal(t, "none", r.result("slow"))
		require.Len(t, r.running(), 1, "it is kept alive by heartbeats")
		pass(2 * time.Minute)
		require.Equal(t, "FAILED ", r.result("slow"))
		require.Zero(t, r.info("f").Slots)
		pass(time.Hour)
	})
}

func TestAbandonedNestedTaskTakesNothingFromTheHandlerThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := nesting(new(log[string]), true, 0)
		pool.Spec.Timeout, pool.Spec.Grace = time.Hour, time.Minute
		invoke, proceed := pool.Invoke, make(chan struct{})
		pool.Invoke = func(a *Attempt) ([]byte, error) {
			if a.Lease.Task != "outer" {
				return invoke(a)
			}
			a.BeginWait(true)
			<-proceed
			a.EndWait()
			return echo(a)
		}
		r := newRig(t, pool)
		r.start("f", "outer")
		r.submit("f", "slow", 1)
		synctest.Wait()
		require.NoError(t, first(r.Store().Cancel(t.Context(), []string{"slow"})))
		pass(time.Minute)
		require.Equal(t, "CANCELLED ", r.result("slow"), "its grace is over")

		r.submit("f", "nested", 1)
		synctest.Wait()
		require.Equal(t, "SUCCEEDED nested", r.result("nested"), "the worker goes on to be lent")
		close(proceed)
		synctest.Wait()
		require.Equal(t, "SUCCEEDED outer", r.result("outer"))
		r.start("f", "top")
		require.Equal(t, "SUCCEEDED top", r.result("top"))
		require.Equal(t, 1, r.info("f").Slots)
		pass(time.Hour / 2)
		require.Equal(t, 1, r.info("f").Slots)
	})
}

func first(errs []error, err error) error {
	if err == nil {
		err = errs[0]
	}
	return err
}
