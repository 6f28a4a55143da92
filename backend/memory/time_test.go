package memory_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
)

// silent hears nothing.
type silent struct{}

func (silent) Results([]backend.Result) {}
func (silent) Cancel(backend.Lease)     {}
func (silent) Demand(string)            {}
func (silent) Kill(string)              {}

// clocked is a namespace in a bubble, where time passes only when everybody waits.
type clocked struct {
	*testing.T
	backend.Store
	ctx context.Context
	op  uint64
}

const (
	lease  = 15 * time.Second
	margin = 5 * time.Second
)

// inBubble runs a test in a bubble, with a session that executes these definitions.
func inBubble(t *testing.T, test func(c *clocked), specs ...backend.PoolSpec) {
	synctest.Test(t, func(t *testing.T) {
		c := &clocked{T: t, Store: memory.New().Namespace("n"), ctx: t.Context()}
		c.join("s", specs...)
		test(c)
		require.NoError(t, c.Leave(context.WithoutCancel(c.ctx), "s"))
	})
}

func (c *clocked) join(id string, specs ...backend.PoolSpec) {
	s := backend.Session{ID: id, Pools: specs, Launches: true, Lease: lease, Margin: margin, Starting: time.Minute}
	require.NoError(c, c.Join(c.ctx, s, silent{}))
}

func (c *clocked) start(id string, kind backend.Kind) string {
	got, err := c.Submit(c.ctx, "s", []backend.Submission{{ID: id, Kind: kind, Pool: kind.String()}})
	require.NoError(c, err)
	require.NoError(c, got[0].Err)
	return got[0].Slot.ID
}

func (c *clocked) claim(slot string, cooldown time.Duration, nested bool) (*backend.Assignment, error) {
	c.op++
	as, err := c.Claim(c.ctx, backend.ClaimRequest{Slot: slot, Session: "s", Op: c.op, Cooldown: cooldown, Nested: nested})
	if err != nil {
		return nil, err
	}
	return &as[0], nil
}

// run starts a task on a worker of its own.
func (c *clocked) run(id string, kind backend.Kind) *backend.Assignment {
	a, err := c.claim(c.start(id, kind), 0, false)
	require.NoError(c, err)
	return a
}

func (c *clocked) settle(a *backend.Assignment, s backend.Settlement) {
	s.Lease = a.Lease
	got, err := c.Settle(c.ctx, []backend.Settlement{s})
	require.NoError(c, err)
	require.NoError(c, got[0].Err)
}

func (c *clocked) get(id string) *backend.Task {
	got, err := c.Get(c.ctx, []string{id})
	require.NoError(c, err)
	return got[0]
}

func (c *clocked) beat(leases ...backend.Lease) {
	_, err := c.Heartbeat(c.ctx, "s", leases)
	require.NoError(c, err)
}

// sweep lets time pass to a moment, sweeps and returns the number of repairs.
func (c *clocked) sweepAt(at time.Time) int {
	<-time.After(time.Until(at))
	n, err := c.Sweep(c.ctx, 100)
	require.NoError(c, err)
	return n
}

func jobs(timeout, grace time.Duration) backend.PoolSpec {
	return backend.PoolSpec{Name: "job", Kind: backend.Job, MaxWorkers: 9, Retries: 9, Timeout: timeout, Grace: grace}
}

func functions(spare, maxWorkers int) backend.PoolSpec {
	return backend.PoolSpec{Name: "function", Kind: backend.Function, MaxWorkers: maxWorkers, Spare: spare, CrashBudget: 3}
}

func TestIdleWorkerRetiresExactlyAfterItsCooldown(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("a", backend.Function)
		c.settle(a, backend.Settlement{Outcome: backend.Succeeded})
		begin := time.Now()
		_, err := c.claim(a.Lease.Slot, time.Minute, false)
		require.ErrorIs(t, err, backend.ErrRetired)
		require.Equal(t, time.Minute, time.Since(begin))
	}, functions(0, 9))
}

func TestTaskStartsTheCooldownAnew(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("first", backend.Function)
		for i := range 5 {
			c.settle(a, backend.Settlement{Outcome: backend.Succeeded})
			go func() {
				<-time.After(40 * time.Second)
				c.start(fmt.Sprint(i), backend.Function)
			}()
			var err error
			a, err = c.claim(a.Lease.Slot, time.Minute, false)
			require.NoError(t, err)
			<-time.After(30 * time.Second) // the old timer fires while the worker is busy
		}
		c.settle(a, backend.Settlement{Outcome: backend.Succeeded})
		begin := time.Now()
		_, err := c.claim(a.Lease.Slot, time.Minute, false)
		require.ErrorIs(t, err, backend.ErrRetired)
		require.Equal(t, time.Minute, time.Since(begin))
	}, functions(0, 9))
}

func TestSpareStaysForEverAndItsSurplusDoesNot(t *testing.T) {
	inBubble(t, func(c *clocked) {
		one, two := c.run("one", backend.Function), c.run("two", backend.Function)
		retired := make(chan time.Time, 2)
		for _, a := range []*backend.Assignment{one, two} {
			c.settle(a, backend.Settlement{Outcome: backend.Succeeded})
			c.op++
			op := c.op
			go func() {
				_, err := c.Claim(c.ctx, backend.ClaimRequest{Slot: a.Lease.Slot, Session: "s", Op: op, Cooldown: time.Minute})
				if err != nil {
					retired <- time.Now()
				}
			}()
		}
		begin := time.Now()
		require.Equal(t, time.Minute, (<-retired).Sub(begin))
		<-time.After(1000 * time.Hour)
		require.Empty(t, retired)
		c.start("three", backend.Function)
		synctest.Wait()
		require.Equal(t, backend.StatusRunning, c.get("three").Status)
	}, functions(1, 9))
}

func TestDelayedRetryBeginsAtTheExactTime(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("a", backend.Job)
		c.settle(a, backend.Settlement{Outcome: backend.Failed, RetryIn: 90 * time.Second})
		due := time.Now().Add(90 * time.Second)
		require.True(t, due.Equal(c.get("a").NotBefore))
		require.Equal(t, "retry in 1m30s, attempt 2", c.get("a").Reason)
		_, err := c.claim(a.Lease.Slot, time.Hour, false)
		require.NoError(t, err)
		require.True(t, time.Now().Equal(due), "began %s late", time.Since(due))
	}, jobs(0, 0))
}

func TestDelayedRetriesBeginInTheOrderOfTheirTimes(t *testing.T) {
	inBubble(t, func(c *clocked) {
		begin := time.Now()
		var slot string
		for i, in := range []int{30, 10, 20, 40} {
			a := c.run(fmt.Sprint(i), backend.Job)
			slot = a.Lease.Slot
			c.settle(a, backend.Settlement{Outcome: backend.Failed, RetryIn: time.Duration(in) * time.Second})
		}
		_, err := c.Cancel(c.ctx, []string{"2"})
		require.NoError(t, err)
		for _, want := range []struct {
			id string
			at time.Duration
		}{{"1", 10 * time.Second}, {"0", 30 * time.Second}, {"3", 40 * time.Second}} {
			a, err := c.claim(slot, time.Hour, false)
			require.NoError(t, err)
			require.Equal(t, want.id, a.Lease.Task)
			require.Equal(t, want.at, time.Since(begin))
			c.settle(a, backend.Settlement{Outcome: backend.Succeeded})
		}
	}, jobs(0, 0))
}

func TestLeaseIsLostAfterLeaseAndMarginAndNotBefore(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("a", backend.Job)
		lost := time.Now().Add(lease + margin)
		<-time.After(time.Second)
		c.beat() // the session lives on, the lease is not named
		require.Zero(t, c.sweepAt(lost.Add(-1)))
		require.Equal(t, backend.StatusRunning, c.get("a").Status)
		c.beat()
		require.Equal(t, 1, c.sweepAt(lost))
		require.Equal(t, backend.StatusPending, c.get("a").Status)
		require.Equal(t, 1, c.get("a").Crashes)
		_ = a
	}, jobs(0, 0))
}

func TestHeartbeatExtendsLeaseAndSessionFromNow(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("a", backend.Job)
		for range 10 {
			<-time.After(lease)
			c.beat(a.Lease)
		}
		lost := time.Now().Add(lease + margin)
		require.Zero(t, c.sweepAt(lost.Add(-1)))
		require.Equal(t, 1, c.sweepAt(lost))
		require.Equal(t, backend.StatusPending, c.get("a").Status)
		_, err := c.Heartbeat(c.ctx, "s", nil)
		require.ErrorIs(t, err, backend.ErrSessionLost)
	}, jobs(0, 0))
}

func TestAttemptEndsAfterTimeoutGraceAndMarginAndNotBefore(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("a", backend.Job)
		end := time.Now().Add(time.Minute + 10*time.Second + margin)
		for time.Until(end) > lease {
			<-time.After(lease)
			c.beat(a.Lease)
		}
		require.Zero(t, c.sweepAt(end.Add(-1)))
		require.Equal(t, 1, c.sweepAt(end))
		got := c.get("a")
		require.Equal(t, backend.StatusFailed, got.Status)
		require.Equal(t, backend.CodeTimeout, got.Failure.Code)
	}, jobs(time.Minute, 10*time.Second))
}

func TestCancelledAttemptEndsAfterGraceAndMarginAndNotBefore(t *testing.T) {
	inBubble(t, func(c *clocked) {
		c.run("a", backend.Job)
		<-time.After(time.Second)
		_, err := c.Cancel(c.ctx, []string{"a"})
		require.NoError(t, err)
		end := time.Now().Add(2*time.Second + margin)
		require.Zero(t, c.sweepAt(end.Add(-1)))
		require.Equal(t, backend.StatusCancelling, c.get("a").Status)
		require.Equal(t, 1, c.sweepAt(end))
		require.Equal(t, backend.StatusCancelled, c.get("a").Status)
	}, jobs(time.Minute, 2*time.Second))
}

func TestSlotEndsWhenItsWorkerHasNotStartedAndNotBefore(t *testing.T) {
	inBubble(t, func(c *clocked) {
		c.start("a", backend.Job)
		end := time.Now().Add(time.Minute)
		for time.Until(end) > lease {
			<-time.After(lease)
			c.beat()
		}
		require.Zero(t, c.sweepAt(end.Add(-1)))
		require.Equal(t, 1, c.sweepAt(end))
		require.Equal(t, "a worker did not start in time", c.get("a").Reason)
	}, jobs(0, 0))
}

func TestNestedTaskIsLentToAWorkerThatWaits(t *testing.T) {
	inBubble(t, func(c *clocked) {
		a := c.run("a", backend.Function)
		lent := make(chan *backend.Assignment, 1)
		go func() {
			got, err := c.claim(a.Lease.Slot, 0, true)
			if err != nil {
				t.Error(err)
			}
			lent <- got
		}()
		synctest.Wait()
		sub := backend.Submission{ID: "deep", Kind: backend.Function, Pool: "function", Depth: 1}
		_, err := c.Submit(c.ctx, "s", []backend.Submission{sub})
		require.NoError(t, err)
		require.Equal(t, "deep", (<-lent).Lease.Task)
	}, functions(0, 1))
}

func TestEveryChangeWakesWhoAwaitsIt(t *testing.T) {
	inBubble(t, func(c *clocked) {
		slot := c.start("a", backend.Job)
		var a *backend.Assignment
		var err error
		for _, change := range []func() error{
			func() error { a, err = c.claim(slot, 0, false); return err },
			func() error { return c.Yield(c.ctx, a.Lease, []backend.Yield{{Number: 1}}) },
			func() error { return c.Lock(c.ctx, a.Lease, []string{"key"}) },
			func() error { c.settle(a, backend.Settlement{Outcome: backend.Released}); return nil },
			func() error { a, err = c.claim(slot, 0, false); return err },
			func() error { c.settle(a, backend.Settlement{Outcome: backend.Failed}); return nil },
			func() error { a, err = c.claim(slot, 0, false); return err },
			func() error { _, err := c.Cancel(c.ctx, []string{"a"}); return err },
			func() error { return c.Remove(c.ctx, []string{"a"}) },
			func() error { return c.Exit(c.ctx, []backend.SlotExit{{Slot: slot}}) },
		} {
			woken := make(chan error, 1)
			version := c.get("a").Version
			go func() {
				_, err := c.Await(c.ctx, "a", backend.Until{After: version})
				woken <- err
			}()
			synctest.Wait()
			require.NoError(t, change())
			synctest.Wait()
			require.Len(t, woken, 1)
			if c.get("a") == nil {
				require.ErrorIs(t, <-woken, backend.ErrNotFound)
			}
		}
	}, jobs(0, 0))
}

func TestCrashesOfAPoisonedTaskComeSlowerAndSlower(t *testing.T) {
	inBubble(t, func(c *clocked) {
		slot := c.start("a", backend.Job)
		for n := 1; n <= 8; n++ {
			_, err := c.claim(slot, 0, false)
			require.NoError(t, err)
			require.NoError(t, c.Exit(c.ctx, []backend.SlotExit{{Slot: slot}}))
			crashed := time.Now()
			got, err := c.Await(c.ctx, "a", backend.Until{After: c.get("a").Version - 1})
			require.NoError(t, err)
			if n > 1 {
				got, err = c.Await(c.ctx, "a", backend.Until{After: got.Version}) // its time comes
				require.NoError(t, err)
			}
			require.True(t, got.NotBefore.IsZero())
			require.Equal(t, backend.CrashDelay(n), time.Since(crashed), "after crash %d", n)
			c.beat()
			slots, err := c.Reserve(c.ctx, "s", []string{"job"}, 10)
			require.NoError(t, err)
			require.Len(t, slots, 1)
			slot = slots[0].ID
		}
	}, jobs(0, 0))
}
