package worker

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

func TestGoexitInABatchLosesNothing(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.acts["exit"] = func(*Attempt) ([]byte, error) { runtime.Goexit(); return nil, nil }
		b.batch("a", "exit", "c", "d")
		b.succeed("a", "c", "d")
		require.Equal(t, "FAILED ", b.result("exit"))
		require.Equal(t, []string{"a", "exit", "c", "d"}, b.ran.entries())
	})
}

func TestGoexitInADissolvedBatchLosesNothing(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.acts["exit"] = func(*Attempt) ([]byte, error) {
			pass2(time.Second)
			runtime.Goexit()
			return nil, nil
		}
		b.refuseReleases(10 * time.Second)
		b.batch("a", "exit", "rest")
		pass(time.Minute)
		b.succeed("a", "rest")
		require.Equal(t, "FAILED ", b.result("exit"))
	})
}

func TestGoexitOfAKilledWorkerWritesNothing(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.acts["exit"] = func(a *Attempt) ([]byte, error) {
			<-a.Context().Done()
			runtime.Goexit()
			return nil, nil
		}
		b.batch("a", "exit", "c")
		b.Process.Kill("warm")
		pass(time.Second)
		require.Empty(t, b.ends.entries())
	})
}

// deaf is a handler that returns only when it is released.
func deaf(release <-chan struct{}) handler {
	return func(*Attempt) ([]byte, error) { <-release; return nil, nil }
}

func (b *batchRig) cancel(id string) {
	b.t.Helper()
	_, err := b.Store().Cancel(context.Background(), []string{id})
	require.NoError(b.t, err)
	synctest.Wait()
}

func TestDeafHandlerInABatchLosesNothing(t *testing.T) {
	for _, grace := range []time.Duration{100 * time.Microsecond, time.Minute} {
		batchTest(t, 1, func(t *testing.T, b *batchRig) {
			release := make(chan struct{})
			free := sync.OnceFunc(func() { close(release) })
			defer free()
			b.acts["deaf"] = deaf(release)
			b.batch("a", "deaf", "c", "d")
			b.cancel("deaf")
			pass(grace)
			require.Equal(t, "CANCELLED ", b.result("deaf"))
			b.succeed("a", "c", "d")
			free()
			synctest.Wait()
			require.Equal(t, 1, b.info("f").Slots, "that of the worker that replaced it")
			require.Equal(t, []string{"a", "deaf", "c", "d"}, b.ran.entries())
		}, func(p *Pool) { p.Spec.Grace = grace })
	}
}

// onLog calls f when something is logged.
type onLog struct {
	slog.Handler
	f func(slog.Record)
}

func (o onLog) Handle(_ context.Context, r slog.Record) error { o.f(r); return nil }

func (onLog) Enabled(context.Context, slog.Level) bool { return true }

func TestHandlerInABatchThatReturnsAsItIsAbandonedLosesNothing(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		release := make(chan struct{})
		b.acts["deaf"] = deaf(release)
		b.Process.Logger = slog.New(onLog{slog.DiscardHandler, func(r slog.Record) {
			if r.Level == slog.LevelError { // the attempt is over, but its worker not yet ended
				close(release)
				pass2(time.Microsecond)
			}
		}})
		b.batch("a", "deaf", "c", "d")
		b.submit("f", "later", 0)
		b.cancel("deaf")
		pass(time.Minute)
		b.succeed("a", "c", "d", "later")
		require.Equal(t, "CANCELLED ", b.result("deaf"))
	}, func(p *Pool) { p.Spec.Grace = 100 * time.Microsecond })
}

// refuseReleases has what is handed back fail for a time.
func (b *batchRig) refuseReleases(d time.Duration) {
	began := time.Now()
	b.ending = func(ends []backend.Settlement) error {
		for i := range ends {
			if ends[i].Outcome == backend.Released && ends[i].Lease.Task == "rest" && time.Since(began) < d {
				return errDown
			}
		}
		return nil
	}
}

func TestDeafHandlersSlotIsGivenBackAfterTheRestOfItsBatch(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		release := make(chan struct{})
		defer close(release)
		b.acts["deaf"] = deaf(release)
		b.refuseReleases(10 * time.Second)
		b.batch("a", "deaf", "rest")
		pass(dissolved)
		b.cancel("deaf")
		pass(time.Minute)
		require.Equal(t, "CANCELLED ", b.result("deaf"))
		b.succeed("a", "rest")
	}, func(p *Pool) { p.Spec.Grace = time.Second })
}

func TestWorkerDoesNotRetireBeforeTheRestOfItsBatchIsHandedBack(t *testing.T) {
	for _, cooldown := range []time.Duration{0, time.Second} {
		batchTest(t, 1, func(t *testing.T, b *batchRig) {
			b.Process.Pools["f"].Cooldown = cooldown
			b.refuseReleases(10 * time.Second)
			b.batch("a", "slow 100ms", "rest")
			pass(200 * time.Millisecond)
			require.Equal(t, "SUCCEEDED slow 100ms", b.result("slow 100ms"), "what is done does not wait")
			pass(time.Minute)
			b.succeed("a", "slow 100ms", "rest")
		})
	}
}

func TestDrainExecutesTheBatchUnderWay(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("a", "b 500us", "c", "d")
		require.NoError(t, b.Drain(t.Context(), nil))
		b.succeed("a", "b 500us", "c", "d")
		require.Zero(t, b.info("f").Slots)
		require.Empty(t, b.sizes.entries(), "a worker that drains claims nothing more")
	})
}

func TestDrainOfCallsWaitsForABatchWhoseWorkerGoesOn(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("a", "slow 1s", "c", "d")
		require.NoError(t, b.DrainCalls(t.Context()))
		synctest.Wait()
		b.succeed("a", "slow 1s", "c", "d")
		require.Equal(t, 1, b.info("f").Idle)
	})
}

func TestDrainHandsBackABatchThatDoesNotEndInTime(t *testing.T) {
	for name, deafened := range map[string]bool{"obedient": false, "deaf": true} {
		t.Run(name, func(t *testing.T) {
			batchTest(t, 1, func(t *testing.T, b *batchRig) {
				release := make(chan struct{})
				defer close(release)
				slow := "slow 1h"
				if deafened {
					b.acts[slow] = deaf(release)
				}
				b.batch("a", slow, "c", "d")
				require.ErrorIs(t, b.Drain(t.Context(), context.Canceled), context.Canceled)
				b.succeed("a")
				b.pending(slow, "c", "d")
				require.Equal(t, []string{"a", slow}, b.ran.entries())
				require.Zero(t, b.info("f").Slots)
			})
		})
	}
}

func TestTimeoutOfABatchedTaskIsItsOwn(t *testing.T) {
	timeout := func(p *Pool) { p.Spec.Timeout = time.Millisecond }
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		var deadline time.Time
		b.acts["last"] = func(a *Attempt) ([]byte, error) { deadline, _ = a.Context().Deadline(); return echo(a) }
		began := time.Now()
		b.batch("a 600us", "b 600us", "c 600us", "last")
		pass(1800 * time.Microsecond)
		b.succeed("a 600us", "b 600us")
		pass(time.Second)
		b.succeed("c 600us", "last")
		require.GreaterOrEqual(t, deadline.Sub(began), 2800*time.Microsecond)
	}, timeout)
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		var took time.Duration
		b.acts["slow"] = func(a *Attempt) ([]byte, error) {
			began := time.Now()
			<-a.Context().Done()
			took = time.Since(began)
			return nil, nil
		}
		b.batch("a 600us", "slow", "c")
		pass(time.Second)
		require.Equal(t, time.Millisecond, took)
		require.Equal(t, "FAILED ", b.result("slow"))
		b.succeed("a 600us", "c")
	}, timeout)
}

func TestHandlerInABatchLendsItsWorkerWhileItWaits(t *testing.T) {
	for name, nested := range map[string]string{"quick": "nested 500us", "slow": "nested 1s"} {
		t.Run(name, func(t *testing.T) {
			batchTest(t, 1, func(t *testing.T, b *batchRig) {
				b.acts["outer"] = func(a *Attempt) ([]byte, error) {
					a.BeginWait(true)
					defer a.EndWait()
					_, err := b.Submit(context.Background(), "me", []backend.Submission{{ID: nested, Pool: "f", Kind: backend.Function, Depth: 1}})
					for b.result(nested) == "none" {
						pass2(10 * time.Microsecond)
					}
					if err != nil {
						return nil, err
					}
					return echo(a)
				}
				b.batch("a", "outer", "c", "d")
				pass(dissolved)
				b.succeed("a")
				if name == "slow" {
					b.pending("c", "d")
				}
				pass(time.Minute)
				b.succeed("outer", nested, "c", "d")
				require.Equal(t, []string{"a", "outer", nested, "c", "d"}, b.ran.entries())
			})
		})
	}
}

func TestFailedSettlementOfABatchIsRepeated(t *testing.T) {
	for name, lost := range map[string]bool{"not sent": false, "reply lost": true} {
		t.Run(name, func(t *testing.T) {
			batchTest(t, 1, func(t *testing.T, b *batchRig) {
				began, beats := time.Now(), 0
				down := func() error {
					if time.Since(began) < 3*lease { // longer than a lease
						return errDown
					}
					return nil
				}
				if lost {
					b.exchanged = down
				} else {
					b.ending = func([]backend.Settlement) error { return down() }
				}
				b.heartbeat = func(ls []backend.Lease) error {
					if len(ls) >= 3 && !lost {
						beats++
					}
					return nil
				}
				go func() {
					for range 30 {
						pass2(2 * time.Second)
						if _, err := b.Store().Sweep(t.Context(), 100); err != nil {
							t.Error(err)
						}
					}
				}()
				b.batch("a", "b 500us", "c")
				b.submit("f", "next", 0)
				pass(4 * lease)
				b.succeed("a", "b 500us", "c", "next")
				require.Equal(t, []string{"a", "b 500us", "c", "next"}, b.ran.entries())
				require.Equal(t, !lost, beats > 3)
				require.Empty(t, b.running())
				require.Equal(t, 1, b.info("f").Idle)
			})
		})
	}
}

func TestFailedSettlementOfADissolvedBatchIsRepeated(t *testing.T) {
	batchTest(t, 2, func(t *testing.T, b *batchRig) {
		b.refuseReleases(3 * time.Second)
		b.batch("a", "slow 1m", "rest")
		pass(time.Second)
		require.Equal(t, "none", b.result("a"))
		require.Equal(t, backend.StatusRunning, b.task("rest").Status)
		pass(10 * time.Second)
		b.succeed("a", "rest")
		pass(time.Minute)
		b.succeed("slow 1m")
	})
}

func TestWorkerOfSlowTasksClaimsThemOneByOne(t *testing.T) {
	batchTest(t, 1, func(t *testing.T, b *batchRig) {
		b.batch("a", "b", "c")
		b.batch("slow 10ms")
		pass(10 * time.Millisecond)
		require.Equal(t, [][2]int{{maxBatch, maxBatch}, {1, 1}}, b.sizes.entries())
		slow := 0
		for b.sizes.entries()[len(b.sizes.entries())-1][0] == 1 {
			slow++
			b.start("f", "quick")
		}
		require.InDelta(t, 13, slow, 2, "until the mean is half of batchTime again")
		last := b.sizes.entries()[len(b.sizes.entries())-1]
		require.Equal(t, [2]int{2, 1}, last, "several, but not while others are idle")
	})
}

func TestPace(t *testing.T) {
	var p pace
	require.Equal(t, 1, p.tasks(batchTime), "nothing is known yet")
	p.add(0)
	require.Equal(t, maxBatch, p.tasks(batchTime))
	for range 100 {
		p.add(0)
	}
	require.Equal(t, maxBatch, p.tasks(leastBundle), "it never is zero again")
	p = 0
	p.add(100 * time.Microsecond)
	require.Equal(t, []int{5, 1}, []int{p.tasks(batchTime), p.tasks(leastBundle)})
	p.add(900 * time.Microsecond)
	require.Equal(t, pace(200*time.Microsecond), p)
	p.add(time.Hour)
	require.Equal(t, 1, p.tasks(batchTime))
	p = pace(80 * time.Microsecond)
	p.addBounded(time.Hour)
	require.Equal(t, pace(90*time.Microsecond), p)
	p = 0
	p.addBounded(time.Second)
	require.Equal(t, pace(time.Second), p)
}

func TestABundleIsAsLargeAsAnExchangeIsDear(t *testing.T) {
	w := new(worker)
	require.Equal(t, leastBundle, w.bundleTime(), "nothing is known yet")
	w.cost = pace(200 * time.Microsecond)
	require.Equal(t, 25*time.Microsecond, w.bundleTime())
	w.cost = pace(time.Second)
	require.Equal(t, batchTime, w.bundleTime(), "a batch is the limit")
}
