package backend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

const (
	pending    = backend.StatusPending
	running    = backend.StatusRunning
	succeeded  = backend.StatusSucceeded
	failed     = backend.StatusFailed
	cancelling = backend.StatusCancelling
	cancelled  = backend.StatusCancelled
)

// table is the transition table written out; what is missing cannot happen.
var table = map[backend.Status]map[backend.Event]backend.Status{
	pending: {backend.EventClaim: running, backend.EventCancel: cancelled},
	running: {
		backend.EventSucceed: succeeded, backend.EventFail: failed, backend.EventRetry: pending,
		backend.EventRelease: pending, backend.EventCancel: cancelling,
	},
	cancelling: {
		backend.EventSucceed: cancelled, backend.EventFail: cancelled, backend.EventRetry: cancelled,
		backend.EventRelease: cancelled, backend.EventCancel: cancelling,
	},
	succeeded: {backend.EventCancel: succeeded},
	failed:    {backend.EventCancel: failed},
	cancelled: {backend.EventCancel: cancelled},
}

func TestNextIsTheTransitionTable(t *testing.T) {
	require.Len(t, table, len(backend.Statuses))
	for _, from := range backend.Statuses {
		for e := backend.Event(0); e <= backend.EventCancel+1; e++ {
			want, ok := table[from][e]
			if !ok {
				want = from // what cannot happen changes nothing
			}
			got, applies := backend.Next(from, e)
			require.Equal(t, want, got, "%s, event %d", from, e)
			require.Equal(t, ok, applies, "%s, event %d", from, e)
		}
	}
}

func TestTerminalStatusesNeverChange(t *testing.T) {
	for _, from := range backend.Statuses {
		changes := false
		for e := backend.EventClaim; e <= backend.EventCancel; e++ {
			to, _ := backend.Next(from, e)
			changes = changes || to != from
		}
		require.Equal(t, from.Terminal(), !changes, from)
	}
}

func TestRetryBudgets(t *testing.T) {
	for _, c := range []struct {
		kind                     backend.Kind
		retries, budget          int
		errors, crashes          int
		afterError, afterCrashed bool
	}{
		{backend.Job, 0, 9, 1, 0, false, false},
		{backend.Job, 0, 9, 0, 1, false, false},
		{backend.Job, 2, 0, 1, 1, true, true},
		{backend.Job, 2, 0, 2, 1, false, false},
		{backend.Job, 2, 0, 0, 2, true, true},
		{backend.Function, 0, 3, 1, 0, false, true},
		{backend.Function, 1, 0, 1, 5, true, false},
		{backend.Function, 1, 3, 2, 3, false, true},
		{backend.Function, 5, 3, 5, 4, true, false},
	} {
		p := backend.PoolSpec{Kind: c.kind, Retries: c.retries, CrashBudget: c.budget}
		require.Equal(t, c.afterError, p.Retryable(c.errors, c.crashes, false), "%+v", c)
		require.Equal(t, c.afterCrashed, p.Retryable(c.errors, c.crashes, true), "%+v", c)
	}
}

func TestCrashDelayDoublesToItsBound(t *testing.T) {
	for n, want := range map[int]time.Duration{
		-1: 0, 0: 0, 1: 0, 2: time.Second, 3: 2 * time.Second, 4: 4 * time.Second, 7: 32 * time.Second,
		8: time.Minute, 9: time.Minute, 1000: time.Minute, 1 << 40: time.Minute,
	} {
		require.Equal(t, want, backend.CrashDelay(n), "crash %d", n)
	}
	require.Equal(t, backend.MaxCrashDelay, backend.CrashDelay(100))
}

func TestPendingReasonsFromTheMostToTheLeastTelling(t *testing.T) {
	spec := backend.PoolSpec{Name: "render", Kind: backend.Job, MaxWorkers: 3, CPU: 0.5, Memory: 256 << 20}
	p := backend.PoolInfo{Spec: spec}
	shows := func(want string, wait time.Duration, quotaFull bool) {
		t.Helper()
		require.Equal(t, want, backend.PendingReason(p, wait, 1, quotaFull))
	}
	shows("retry in 1.5s, attempt 2", 1500*time.Millisecond, true)
	shows("retry in 1.235s, attempt 2", 1234567891, false)
	shows(`no app with a handler for "render" has joined yet`, 0, true)
	p.Declared, p.Blocked, p.Slots, p.Starting = true, "no node has 16 CPU", 3, 1
	shows("no node has 16 CPU", 0, true)
	p.Blocked = ""
	shows("concurrency limit 3/3", 0, true)
	p.Spec.Kind = backend.Function
	shows("worker limit 3/3", 0, true)
	p.Slots = 2
	shows("a worker is starting", 0, true)
	p.Starting = 0
	shows("quota of the app has no room for 0.5 CPU and 256 MiB more", 0, true)
	shows(`no app with a handler for "render" is running`, 0, false)
	p.Serving = true
	shows("waiting for a worker", 0, false)
}

func TestKindsHaveNames(t *testing.T) {
	require.Equal(t, "job function unknown kind", fmt.Sprint(backend.Job, backend.Function, backend.Kind(0)))
}

func TestLockErrorNamesKeyAndHolder(t *testing.T) {
	err := fmt.Errorf("start: %w", &backend.LockError{Key: "board/42", Holder: "0198"})
	require.EqualError(t, err, `start: lock "board/42" is held by 0198`)
	var held *backend.LockError
	require.ErrorAs(t, err, &held)
	require.Equal(t, "0198", held.Holder)
}
