package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/redis"
)

// swift finds what is lost within four seconds.
var swift = mn.Timing{
	Lease: 3 * time.Second, Heartbeat: 500 * time.Millisecond, Margin: 500 * time.Millisecond,
	Sweep: 200 * time.Millisecond, Start: 20 * time.Second, Drain: time.Second,
}

// patience bounds every wait for a state. It only passes when a test fails.
const patience = 40 * time.Second

// noNotices keeps go-redis from asking for the maintenance notices of managed clouds.
var noNotices = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

// plain is a client like the one that redis.Open makes; dial may be nil.
func plain(t *testing.T, addr string, dial func(context.Context, string, string) (net.Conn, error)) goredis.UniversalClient {
	t.Helper()
	o := &goredis.Options{
		Addr: addr, MaxRetries: -1, PoolSize: 4, ContextTimeoutEnabled: true, MaintNotificationsConfig: noNotices,
	}
	if dial != nil {
		o.Dialer = dial
	}
	return closed(t, goredis.NewClient(o))
}

func closed(t *testing.T, c goredis.UniversalClient) goredis.UniversalClient {
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// backendOn makes a backend of a client.
func backendOn(t *testing.T, c goredis.UniversalClient) *redis.Backend {
	t.Helper()
	b, err := redis.New(t.Context(), c, redis.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// appOn makes an app of a client, with short leases.
func appOn(t *testing.T, c goredis.UniversalClient) *mn.App {
	t.Helper()
	return appNamed(t, c, "server-test")
}

func appNamed(t *testing.T, c goredis.UniversalClient, name string) *mn.App {
	t.Helper()
	app, err := mn.New(mn.Config{
		Name: name, Definitions: []mn.Definition{add, tick}, Backend: backendOn(t, c), Timing: swift,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	return app
}

// load keeps an app busy while something happens to its server.
type load struct {
	t       *testing.T
	app     *mn.App
	allowed func(error) bool // what may end a call or a job beside success
	ctx     context.Context  // ends what takes too long
	stop    chan struct{}
	wait    sync.WaitGroup
	calls   atomic.Int64 // that have ended well
	jobs    atomic.Int64
	lost    atomic.Int64 // that have ended as is allowed
}

// startLoad has goroutines make calls and others run jobs with locks, until finish.
func startLoad(t *testing.T, app *mn.App, allowed func(error) bool) *load {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	l := &load{t: t, app: app, allowed: allowed, ctx: ctx, stop: make(chan struct{})}
	for i := range 4 {
		l.wait.Go(func() { l.repeat(func(n int) error { return l.call(i, n) }) })
	}
	for i := range 2 {
		lock := fmt.Sprintf("lock %d of %p", i, l)
		l.wait.Go(func() { l.repeat(func(int) error { return l.job(lock) }) })
	}
	l.progress()
	return l
}

func (l *load) repeat(do func(n int) error) {
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		switch err := do(n); {
		case err == nil:
		case l.allowed != nil && l.allowed(err):
			l.lost.Add(1)
		default:
			l.t.Errorf("under load: %v", err)
			return
		}
	}
}

func (l *load) call(a, b int) error {
	sum, err := add.On(l.app).Call(l.ctx, [2]int{a, b})
	if err == nil && sum != a+b {
		err = fmt.Errorf("%d + %d = %d", a, b, sum)
	}
	if err == nil {
		l.calls.Add(1)
	}
	return err
}

func (l *load) job(lock string) error {
	job := tick.On(l.app)
	id, err := job.Start(l.ctx, 5, mn.WithLock(lock))
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	last, err := job.Wait(l.ctx, id)
	if err == nil && last != 5 {
		err = fmt.Errorf("job %s ended with %d", id, last)
	}
	if err == nil {
		err = job.Remove(l.ctx, id)
	}
	if err == nil {
		l.jobs.Add(1)
	}
	return err
}

// progress waits until calls and jobs have ended that begin from now on.
func (l *load) progress() {
	l.t.Helper()
	calls, jobs := l.calls.Load(), l.jobs.Load()
	require.Eventually(l.t, func() bool {
		return l.calls.Load() > calls+20 && l.jobs.Load() > jobs+4
	}, patience, 5*time.Millisecond, "no call or no job ends any more: %d and %d", calls, jobs)
}

// finish ends the load: what is under way must end.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.wait.Wait()
	require.NoError(l.t, l.ctx.Err())
	l.t.Logf("%d calls and %d jobs ended well, %d were lost", l.calls.Load(), l.jobs.Load(), l.lost.Load())
}

// lostInFailover allows what a failover may lose, see docs/operations.md.
func lostInFailover(err error) bool {
	var run *mn.RunError
	var held *mn.LockError
	return errors.As(err, &run) || errors.As(err, &held) || errors.Is(err, mn.ErrJobDoesNotExist)
}

// heard is an inbox that keeps results.
type heard struct{ results chan backend.Result }

func newHeard() *heard { return &heard{make(chan backend.Result, 100)} }

func (h *heard) Results(rs []backend.Result) {
	for _, r := range rs {
		h.results <- r
	}
}
func (h *heard) Cancel(backend.Lease) {}
func (h *heard) Demand(string)        {}
func (h *heard) Kill(string)          {}

// jobs and calls as the tests of single steps declare them.
var specs = []backend.PoolSpec{
	{Name: "jobs", Kind: backend.Job, MaxWorkers: 10, Timeout: time.Minute, Grace: time.Minute, KeepYields: 3},
	{Name: "calls", Kind: backend.Function, MaxWorkers: 10, Timeout: time.Minute, Grace: time.Minute},
}

// joinHost joins a session that executes specs.
func joinHost(ctx context.Context, t *testing.T, s backend.Store, id string) *heard {
	t.Helper()
	in := newHeard()
	require.NoError(t, s.Join(ctx, sessionOf(id), in))
	return in
}

// sessionOf executes specs and launches its workers.
func sessionOf(id string) backend.Session {
	return backend.Session{ID: id, Lease: time.Minute, Starting: time.Minute, Launches: true, Pools: specs}
}

// runningCall has the session from call through one store and another session execute
// through the other.
func runningCall(ctx context.Context, t *testing.T, caller, s backend.Store, from string) backend.Lease {
	t.Helper()
	joinHost(ctx, t, s, "executor")
	id := fmt.Sprintf("call-%d", lastCall.Add(1))
	got, err := caller.Submit(ctx, from, []backend.Submission{{ID: id, Kind: backend.Function, Pool: "calls", Input: []byte("in")}})
	require.NoError(t, err)
	require.NoError(t, got[0].Err)
	slot := got[0].Slot
	if slot.ID == "" { // the caller launches nothing
		slots, err := s.Reserve(ctx, "executor", []string{"calls"}, 10)
		require.NoError(t, err)
		require.Len(t, slots, 1)
		slot = slots[0]
	}
	a, err := s.Claim(ctx, backend.ClaimRequest{Slot: slot.ID, Session: "executor", Op: 1})
	require.NoError(t, err)
	return a[0].Lease
}

var lastCall atomic.Int64
