package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// batchTest is a test in a bubble with a rig of some workers.
func batchTest(t *testing.T, workers int, test func(t *testing.T, b *batchRig), sets ...func(*Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newBatchRig(t, workers, sets...)) })
}

const dissolved = 2 * time.Millisecond // by then at the latest

func TestBatchIsExecutedInOrderAndSettledTogether(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.acts["bad"] = func(*Attempt) ([]byte, error) { return nil, errors.New("no") }
		b.acts["panic"] = func(*Attempt) ([]byte, error) { panic("no") }
		b.batch("a", "bad", "panic", "b", "c")
		b.succeed("a", "b", "c")
		require.Equal(t, "FAILED ", b.result("bad"))
		require.Equal(t, []string{"a", "bad", "panic", "b", "c"}, b.ran.entries())
		require.Equal(t, [][]string{{"a", "failed bad", "failed panic", "b", "c"}}, b.ends.entries())
		require.Empty(t, b.running())
		b.batch("d", "e")
		b.succeed("d", "e")
	})
}

func TestBatchWithASlowTaskIsDissolved(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("a", "slow 1h", "c", "d")
		pass(batchBound - 1)
		require.Equal(t, "none", b.result("a"), "until then results may wait for each other")
		pass(dissolved - batchBound + 1)
		b.succeed("a")
		b.pending("c", "d")
		require.Equal(t, backend.StatusRunning, b.task("slow 1h").Status)
		require.Equal(t, [][]string{{"a", "released c", "released d"}}, b.ends.entries())
		require.Len(t, b.running(), 1)
		pass(time.Hour)
		b.succeed("slow 1h", "c", "d")
		require.Equal(t, []string{"a", "slow 1h", "c", "d"}, b.ran.entries())
	}, func(p *Pool) { p.Spec.Timeout = 2 * time.Hour })
}

func TestRestOfADissolvedBatchIsExecutedByOthers(t *testing.T) {
	batchTest(t, 2, func(t *testing.T, b *batchRig) {
		slots := make(map[string]string)
		note := func(a *Attempt) ([]byte, error) { slots[a.Lease.Task] = a.Lease.Slot; return echo(a) }
		b.acts["a"], b.acts["c"], b.acts["d"] = note, note, note
		b.batch("a", "slow 1h", "c", "d")
		pass(dissolved)
		b.succeed("a", "c", "d")
		require.Equal(t, "warm", slots["a"], "the slot was reserved with that call")
		require.NotEqual(t, "warm", slots["c"])
		require.NotEqual(t, "warm", slots["d"])
	})
}

func TestEveryBatchIsDissolvedInTime(t *testing.T) {
	batchTest(t, 2, func(t *testing.T, b *batchRig) {
		for i, at := range []time.Duration{0, batchBound / 10, batchBound / 2, batchBound - 1, batchBound, batchBound + 1} {
			b.batch("quick", "too") // its timer is set
			pass(at)
			slow := "slow " + (time.Minute + time.Duration(i)).String()
			b.batch("done", slow, "rest")
			pass(dissolved)
			b.succeed("done", "rest")
			require.Equal(t, backend.StatusRunning, b.task(slow).Status)
			pass(time.Hour)
			b.succeed(slow)
			b.quicken()
		}
	})
}

func TestBatchIsNotDissolvedBeforeItIsOld(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("quick", "too") // its timer is set
		pass(batchBound - 100*time.Microsecond)
		b.batch("a", "b 900us", "c")
		pass(900 * time.Microsecond)
		require.Equal(t, [][]string{{"quick", "too"}, {"a", "b 900us", "c"}}, b.ends.entries())
	})
}

// quicken has the worker that waits execute so many quick calls that it claims several again.
func (b *batchRig) quicken() {
	b.t.Helper()
	for b.sizes.entries()[len(b.sizes.entries())-1] != [2]int{maxBatch, maxBatch} {
		b.start("f", "quick")
	}
	b.rig.mu.Lock()
	clear(b.results)
	b.rig.mu.Unlock()
}

func TestLastTaskOfADissolvedBatchIsSettledByItself(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("a", "slow 3ms")
		pass(dissolved)
		b.succeed("a")
		pass(time.Millisecond)
		b.succeed("slow 3ms")
		require.Equal(t, [][]string{{"a"}, {"slow 3ms"}}, b.ends.entries())
		require.Equal(t, 1, b.info("f").Idle)
	})
}

func TestTaskCancelledBeforeItsTurnIsNotExecuted(t *testing.T) {
	for first, when := range map[string]time.Duration{"quick 500us": 500 * time.Microsecond, "slow 1m": dissolved} {
		batchTest(t, 1, func(t *testing.T, b *batchRig) {
			b.batch(first, "x", "c")
			pass(100 * time.Microsecond)
			_, err := b.Store().Cancel(t.Context(), []string{"x"})
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, "none", b.result("x"))
			pass(when)
			require.Equal(t, "CANCELLED ", b.result("x"))
			pass(time.Minute)
			b.succeed(first, "c")
			require.Equal(t, []string{first, "c"}, b.ran.entries())
		})
	}
}

func TestTaskCancelledBeforeItsTurnIsNotDeaf(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		var slot string
		b.acts["c"] = func(a *Attempt) ([]byte, error) { slot = a.Lease.Slot; return echo(a) }
		b.batch("quick 500us", "x", "c")
		b.cancel("x")
		pass(time.Millisecond)
		b.succeed("quick 500us", "c")
		require.Equal(t, "CANCELLED ", b.result("x"))
		require.Equal(t, "warm", slot, "the worker goes on: x has had no time to obey")
	}, func(p *Pool) { p.Spec.Grace = 100 * time.Microsecond })
}

func TestTaskCancelledAfterItsTurnWaitsNotForTheOthers(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("done", "x 1h", "c")
		_, err := b.Store().Cancel(t.Context(), []string{"done", "x 1h"})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, "CANCELLED ", b.result("done"), "its end was not stored yet")
		require.Equal(t, "CANCELLED ", b.result("x 1h"))
		b.succeed("c")
	})
}

func TestTaskOfABatchWhoseLeaseIsLostIsLeftAlone(t *testing.T) {
	for _, lost := range []string{"x", "last"} {
		for first, when := range map[string]time.Duration{"quick 500us": 500 * time.Microsecond, "slow 1m": dissolved} {
			batchTest(t, 1, func(t *testing.T, b *batchRig) {
				b.batch("done", first, "x", "last")
				pass(100 * time.Microsecond)
				b.attemptOf(lost).stop(errLost)
				pass(when)
				b.succeed("done")
				require.Equal(t, backend.StatusRunning, b.task(lost).Status)
				pass(time.Minute)
				b.succeed(first, map[string]string{"x": "last", "last": "x"}[lost])
				require.NotContains(t, b.ran.entries(), lost)
				for _, ends := range b.ends.entries() {
					require.NotContains(t, ends, lost)
					require.NotContains(t, ends, "released "+lost)
				}
			})
		}
	}
}

func TestKilledWorkerWritesNothingMoreOfItsBatch(t *testing.T) {
	for _, after := range []time.Duration{0, 500 * time.Microsecond} {
		batchTest(t, 1, func(t *testing.T, b *batchRig) {
			var told error
			b.acts["b"] = func(a *Attempt) ([]byte, error) {
				<-a.Context().Done()
				told = context.Cause(a.Context())
				return echo(a)
			}
			b.batch("a", "b", "c")
			pass(after)
			b.Process.Kill("warm")
			pass(time.Hour)
			require.Equal(t, errLost, told)
			require.Equal(t, []string{"a", "b"}, b.ran.entries())
			require.Empty(t, b.ends.entries())
			for _, id := range []string{"a", "b", "c"} {
				require.Equal(t, backend.StatusRunning, b.task(id).Status)
			}
			b.acts["b"] = nil
			require.NoError(t, b.Store().Exit(t.Context(), []backend.SlotExit{{Slot: "warm"}}))
			pass(time.Minute)
			for _, id := range []string{"a", "b", "c"} {
				require.Equal(t, "SUCCEEDED "+id, b.result(id))
				require.Equal(t, 2, b.results[id].Attempt)
			}
		}, func(p *Pool) { p.Spec.CrashBudget = 1 })
	}
}

func TestTaskOfAKilledWorkersBatchDoesNotBegin(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		w := &worker{proc: b.Process, pool: b.Process.Pools["f"], slot: backend.Slot{ID: "x", Pool: "f"}, stop: func() {}}
		as := make([]backend.Assignment, 2)
		w.hold(as)
		a, told := w.begin()
		require.False(t, told)
		w.batch.tasks[0].kill()
		_, told = w.begin()
		require.True(t, told)
		a.kill()
	})
}
