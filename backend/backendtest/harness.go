package backendtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// The names of the two definitions that most cases use.
const (
	jobs  = "jobs"
	calls = "calls"
)

const (
	long = time.Minute // what never passes during a case
	// patience bounds every wait for a state. It is long because it only passes when
	// a case fails.
	patience = 20 * time.Second
)

// tester is what the suite needs of a [testing.T] or a rapid.T.
type tester interface {
	require.TestingT
	Helper()
	Cleanup(func())
	Context() context.Context
}

// world is one namespace and what is needed to act in it.
type world struct {
	t     tester
	ctx   context.Context // ends with the case, or when it took too long
	store backend.Store
	place backend.Backend
	name  string // of the namespace
	tasks sync.WaitGroup
}

func newWorld(t tester, b backend.Backend) *world {
	w := &world{t: t, place: b, name: fmt.Sprintf("test-%016x", rand.Uint64())}
	w.store = b.Namespace(w.name)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	w.ctx = ctx
	t.Cleanup(func() {
		cancel()
		w.tasks.Wait()
	})
	return w
}

// eventually waits for a state.
func (w *world) eventually(holds func() bool, what string, args ...any) {
	w.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			require.FailNow(w.t, fmt.Sprintf("waited in vain: "+what, args...))
		}
	}
}

// beside runs f beside the case, which ends after it.
func (w *world) beside(f func()) { w.tasks.Go(f) }

// set changes a definition's spec.
type set func(*backend.PoolSpec)

// spec is a definition with room for everything that no case is about.
func spec(name string, kind backend.Kind, sets ...set) backend.PoolSpec {
	s := backend.PoolSpec{
		Name: name, Kind: kind, MaxWorkers: 10, CPU: 1, Memory: 1 << 30, Timeout: long, Grace: long,
	}
	for _, set := range sets {
		set(&s)
	}
	return s
}

func maxWorkers(n int) set { return func(s *backend.PoolSpec) { s.MaxWorkers = n } }
func spares(n int) set     { return func(s *backend.PoolSpec) { s.Spare = n } }
func retries(n int) set    { return func(s *backend.PoolSpec) { s.Retries = n } }
func crashes(n int) set    { return func(s *backend.PoolSpec) { s.CrashBudget = n } }
func keepYields(n int) set { return func(s *backend.PoolSpec) { s.KeepYields = n } }
func maxPending(n int) set { return func(s *backend.PoolSpec) { s.MaxPending = n } }

// limits sets the attempt's timeout and grace.
func limits(timeout, grace time.Duration) set {
	return func(s *backend.PoolSpec) { s.Timeout, s.Grace = timeout, grace }
}

// process is a session as its process sees it.
type process struct {
	*world
	backend.Session
	inbox *inbox
	op    uint64
}

// join makes a process that launches and executes definitions, and lives long.
func (w *world) join(id string, pools ...backend.PoolSpec) *process {
	w.t.Helper()
	return w.joinAs(backend.Session{ID: id, Pools: pools, Launches: true})
}

// joinAs fills in what the session leaves open.
func (w *world) joinAs(s backend.Session) *process {
	w.t.Helper()
	if s.Lease == 0 {
		s.Lease, s.Margin = long, time.Millisecond
	}
	if s.Starting == 0 {
		s.Starting = long
	}
	p := &process{world: w, Session: s, inbox: newInbox()}
	require.NoError(w.t, w.store.Join(w.ctx, s, p.inbox))
	return p
}

// again joins the same session anew, with what it says now.
func (p *process) again() {
	p.t.Helper()
	require.NoError(p.t, p.store.Join(p.ctx, p.Session, p.inbox))
}

// host joins the process that most cases need: it executes the definitions jobs and
// calls, each with these settings.
func (w *world) host(sets ...set) *process {
	w.t.Helper()
	return w.join("host", spec(jobs, backend.Job, sets...), spec(calls, backend.Function, sets...))
}

// client joins a process that executes nothing.
func (w *world) client(id string) *process {
	w.t.Helper()
	return w.joinAs(backend.Session{ID: id})
}

// leave ends the session.
func (p *process) leave() {
	p.t.Helper()
	require.NoError(p.t, p.store.Leave(p.ctx, p.ID))
}

// task is a submission to one of the two usual definitions.
func task(id, pool string, locks ...string) backend.Submission {
	kind := backend.Job
	if pool == calls {
		kind = backend.Function
	}
	return backend.Submission{ID: id, Kind: kind, Pool: pool, Input: []byte("input of " + id), Locks: locks}
}

// nested is a call made by a function's handler.
func nested(id, pool string) backend.Submission {
	s := task(id, pool)
	s.Depth = 1
	return s
}

// submit returns the answers, errors of single tasks among them.
func (p *process) submit(subs ...backend.Submission) []backend.Submitted {
	p.t.Helper()
	answers, err := p.store.Submit(p.ctx, p.ID, subs)
	require.NoError(p.t, err)
	require.Len(p.t, answers, len(subs))
	return answers
}

// start submits tasks that must be stored anew, and returns the slot of the first.
func (p *process) start(subs ...backend.Submission) backend.Slot {
	p.t.Helper()
	answers := p.submit(subs...)
	for i, a := range answers {
		require.NoError(p.t, a.Err, "task %s", subs[i].ID)
		require.False(p.t, a.Existing, "task %s exists", subs[i].ID)
	}
	return answers[0].Slot
}

// run starts a task and has a new worker claim it.
func (p *process) run(sub backend.Submission) *attempt {
	p.t.Helper()
	slot := p.start(sub)
	require.NotEmpty(p.t, slot.ID, "no slot reserved for task %s", sub.ID)
	a := p.claim(slot.ID)
	require.Equal(p.t, sub.ID, a.Lease.Task)
	return a
}

// workers returns the slots of n live workers of a function that have nothing to do.
// Each has executed a call.
func (p *process) workers(pool string, n int) []string {
	p.t.Helper()
	subs := make([]backend.Submission, n)
	for i := range subs {
		subs[i] = backend.Submission{ID: fmt.Sprintf("warm-%x", rand.Uint64()), Kind: backend.Function, Pool: pool}
	}
	slots := make([]string, n)
	attempts := make([]*attempt, n)
	for i, a := range p.submit(subs...) {
		require.NotEmpty(p.t, a.Slot.ID, "no slot reserved for a call of %q: %v", pool, a.Err)
		slots[i] = a.Slot.ID
		attempts[i] = p.claim(slots[i])
	}
	for _, a := range attempts {
		a.succeed()
	}
	return slots
}

// worker is one of workers, of the usual function.
func (p *process) worker() string {
	p.t.Helper()
	return p.workers(calls, 1)[0]
}

// cancel cancels tasks that must exist.
func (w *world) cancel(ids ...string) {
	w.t.Helper()
	errs, err := w.store.Cancel(w.ctx, ids)
	require.NoError(w.t, err)
	for i, err := range errs {
		require.NoError(w.t, err, "cancel of %s", ids[i])
	}
}

func (w *world) remove(ids ...string) {
	w.t.Helper()
	require.NoError(w.t, w.store.Remove(w.ctx, ids))
}

// sweepUntil sweeps until a state holds.
func (w *world) sweepUntil(holds func() bool, what string) {
	w.t.Helper()
	w.eventually(func() bool {
		_, err := w.store.Sweep(w.ctx, 100)
		require.NoError(w.t, err)
		return holds()
	}, "%s", what)
}
