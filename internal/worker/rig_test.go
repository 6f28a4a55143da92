package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errCancelled = errors.New("cancelled")
	errTimeout   = errors.New("timed out")
	errLost      = errors.New("lost")
	errDraining  = errors.New("draining")
	errDown      = errors.New("connection refused")
)

const (
	lease = 15 * time.Second
	beat  = 5 * time.Second
)

// faulty is a memory store that lets a test have its say before an exchange, and
// after it, when the reply may still be lost.
type faulty struct {
	backend.Store
	claim     func(backend.ClaimRequest) error
	claimed   func(*backend.Assignment) error
	yield     func([]backend.Yield) error
	settle    func(backend.Settlement) error
	settled   func() error
	heartbeat func([]backend.Lease) error
	exited    func(backend.SlotExit)
}

func (f *faulty) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	if f.claim != nil {
		if err := f.claim(req); err != nil {
			return nil, err
		}
	}
	as, err := f.Store.Claim(ctx, req)
	if err == nil && f.claimed != nil {
		if err := f.claimed(&as[0]); err != nil {
			return nil, err
		}
	}
	return as, err
}

func (f *faulty) Yield(ctx context.Context, l backend.Lease, ys []backend.Yield) error {
	if f.yield != nil {
		if err := f.yield(ys); err != nil {
			return err
		}
	}
	return f.Store.Yield(ctx, l, ys)
}

func (f *faulty) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	if f.settle != nil {
		if err := f.settle(ends[0]); err != nil {
			return nil, err
		}
	}
	answers, err := f.Store.Settle(ctx, ends)
	if err == nil && f.settled != nil {
		if err := f.settled(); err != nil {
			return nil, err
		}
	}
	return answers, err
}

func (f *faulty) Heartbeat(ctx context.Context, session string, ls []backend.Lease) ([]backend.LeaseState, error) {
	if f.heartbeat != nil {
		if err := f.heartbeat(ls); err != nil {
			return nil, err
		}
	}
	return f.Store.Heartbeat(ctx, session, ls)
}

func (f *faulty) Exit(ctx context.Context, exits []backend.SlotExit) error {
	if f.exited != nil {
		f.exited(exits[0])
	}
	return f.Store.Exit(ctx, exits)
}

// rig is a process with a store, as an app would set it up.
type rig struct {
	*Process
	*faulty
	t       *testing.T
	serving sync.WaitGroup
	live    func()
	rejoins atomic.Int32

	mu      sync.Mutex
	results map[string]backend.Result
}

type handler func(*Attempt) ([]byte, error)

// jobs and calls make pools of one handler.
func jobs(h handler) *Pool {
	return &Pool{
		Spec:   backend.PoolSpec{Name: "job", Kind: backend.Job, MaxWorkers: 10, Timeout: time.Hour, Grace: time.Minute},
		Invoke: h, RetryDelay: func(int) time.Duration { return time.Second },
	}
}

func calls(name string, workers int, h handler) *Pool {
	return &Pool{
		Spec:   backend.PoolSpec{Name: name, Kind: backend.Function, MaxWorkers: workers, Timeout: time.Hour, Grace: time.Minute},
		Invoke: h, RetryDelay: func(int) time.Duration { return time.Second }, Cooldown: time.Hour,
	}
}

// newRig returns a process that is drained when the bubble's test ends. It lives from
// the first submit on: set what is to be faulty before.
func newRig(t *testing.T, pools ...*Pool) *rig {
	t.Helper()
	r := &rig{t: t, faulty: &faulty{Store: memory.New().Namespace("test")}, results: make(map[string]backend.Result)}
	session := backend.Session{ID: "me", Launches: true, Lease: lease, Margin: 5 * time.Second, Starting: time.Minute}
	byName := make(map[string]*Pool)
	for _, p := range pools {
		session.Pools = append(session.Pools, p.Spec)
		byName[p.Spec.Name] = p
	}
	r.Process = NewProcess(Config{
		Store: r.faulty, Session: session, Pools: byName, Heartbeat: beat, DrainGrace: time.Second,
		Causes: Causes{Cancelled: errCancelled, Timeout: errTimeout, Lost: errLost, Draining: errDraining},
		Logger: slog.New(slog.DiscardHandler),
		Describe: func(_ *Attempt, err error) (*backend.Failure, bool) {
			return &backend.Failure{Code: "error", Note: err.Error()}, true
		},
		Rejoin: func(ctx context.Context, _ uint64) error {
			r.rejoins.Add(1)
			defer r.Joined(time.Now())
			return r.Join(ctx, session, (*inbox)(r))
		},
	})
	require.NoError(t, r.Join(t.Context(), session, (*inbox)(r)))
	ctx, stop := context.WithCancel(context.Background())
	r.live = sync.OnceFunc(func() { r.serving.Go(func() { r.KeepAlive(ctx) }) })
	t.Cleanup(func() {
		_ = r.Drain(t.Context(), t.Context().Err())
		stop()
		r.serving.Wait()
	})
	return r
}

// inbox is the rig as the backend sees it.
type inbox rig

func (i *inbox) Results(rs []backend.Result) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range rs {
		i.results[r.ID] = r
	}
}

func (i *inbox) Cancel(l backend.Lease) { i.Process.Cancel(l) }
func (i *inbox) Kill(slot string)       { i.Process.Kill(slot) }

func (i *inbox) Demand(pool string) {
	if i.Process.serving.Err() != nil {
		return // an app would not serve the pool any more
	}
	i.serving.Go(func() {
		slots, err := i.Reserve(context.Background(), "me", []string{pool}, 10)
		if err != nil {
			i.t.Error(err)
		}
		for _, s := range slots {
			(*rig)(i).serve(s)
		}
	})
}

func (r *rig) serve(s backend.Slot) {
	r.serving.Go(func() { _ = r.Serve(s) })
}

// submit submits a task and lets it come as far as it can.
func (r *rig) submit(pool, id string, depth int) {
	r.t.Helper()
	r.live()
	answers, err := r.Submit(context.Background(), "me", []backend.Submission{{
		ID: id, Pool: pool, Kind: r.Process.Pools[pool].Spec.Kind, Depth: depth,
	}})
	require.NoError(r.t, err)
	require.NoError(r.t, answers[0].Err)
	if s := answers[0].Slot; s.ID != "" {
		r.serve(s)
	}
}

func (r *rig) start(pool, id string) {
	r.t.Helper()
	r.submit(pool, id, 0)
	synctest.Wait()
}

func (r *rig) task(id string) *backend.Task {
	r.t.Helper()
	tasks, err := r.Get(context.Background(), []string{id})
	require.NoError(r.t, err)
	require.NotNil(r.t, tasks[0], "no task %s", id)
	return tasks[0]
}

func (r *rig) result(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	res, ok := r.results[id]
	if !ok {
		return "none"
	}
	return fmt.Sprintf("%s %s", res.Status, res.Data)
}

func (r *rig) info(pool string) backend.PoolInfo {
	r.t.Helper()
	pools, err := r.Store().Pools(context.Background())
	require.NoError(r.t, err)
	for _, p := range pools {
		if p.Spec.Name == pool {
			return p
		}
	}
	r.t.Fatalf("no pool %s", pool)
	return backend.PoolInfo{}
}

// Store is the store, which both embedded fields have.
func (r *rig) Store() backend.Store { return r.faulty }

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
	synctest.Wait()
}

// log is what handlers have to tell the test.
type log[T any] struct {
	mu  sync.Mutex
	all []T
}

func (l *log[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

func (l *log[T]) entries() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.all...)
}
