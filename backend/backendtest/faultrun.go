package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// RunFaults has programs start jobs and make calls, and workers execute them, all over
// a backend that loses, repeats and delays what they say, while workers die. Every job
// must end once, every call must be answered and nothing may be left. Run includes it.
func RunFaults(t *testing.T, open func(t *testing.T) backend.Backend) {
	plans := map[string]Faults{
		"replies are lost":      {LoseReply: 0.2, DropHint: 0.5, Seed: 1},
		"requests are lost":     {FailBefore: 0.2, DropHint: 1, Seed: 2},
		"steps are done twice":  {Repeat: 0.3, RepeatResult: 0.5, Seed: 3},
		"everything goes wrong": {FailBefore: 0.1, LoseReply: 0.1, Repeat: 0.1, RepeatResult: 0.2, DropHint: 0.3, Seed: 4},
		"steps come late":       {Delay: 0.5, MaxDelay: 2 * time.Millisecond, LoseReply: 0.1, Seed: 5},
	}
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			f := newFactory(t, open(t), plan)
			f.work()
			f.verify()
		})
	}
}

// factory is a program over a faulty store.
type factory struct {
	*process // over the same namespace without faults, to look at
	faulty   backend.Store
	serving  sync.WaitGroup
	ctx      context.Context // ends the workers
	stop     context.CancelFunc

	mu       sync.Mutex
	launched map[string]bool
	random   *rand.Rand
	entries  map[string]bounds // of jobs' logs
}

// bounds are how often something was done, where an answer was lost.
type bounds struct{ least, most int }

const (
	factoryJobs  = 20
	factoryCalls = 60
)

func newFactory(t *testing.T, b backend.Backend, plan Faults) *factory {
	w := newWorld(t, b)
	f := &factory{
		faulty: Faulty(b, plan).Namespace(w.name), launched: make(map[string]bool), random: rand.New(rand.NewPCG(plan.Seed, 1)),
		entries: make(map[string]bounds),
	}
	f.process = &process{world: w, inbox: newInbox(), Session: backend.Session{
		ID: "factory", Launches: true, Lease: long, Margin: time.Second, Starting: 30 * time.Millisecond,
		Pools: []backend.PoolSpec{
			spec(jobs, backend.Job, maxWorkers(4), retries(1000)),
			spec(calls, backend.Function, maxWorkers(4), retries(1000), crashes(1)),
		},
	}}
	f.ctx, f.stop = context.WithCancel(w.ctx)
	require.NoError(t, f.try(func() error { return f.faulty.Join(w.ctx, f.Session, f.inbox) }))
	return f
}

// try repeats a step until it is answered, as every caller of a backend does.
func (f *factory) try(step func() error) error {
	for {
		err := step()
		if !errors.Is(err, ErrNotSent) && !errors.Is(err, ErrReplyLost) {
			return err
		}
	}
}

func (f *factory) chance(p float64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Float64() < p
}

// launch starts a slot's worker, once: the slot's ID is the token.
func (f *factory) launch(s backend.Slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.ID != "" && !f.launched[s.ID] {
		f.launched[s.ID] = true
		f.serving.Go(func() { f.worker(s) })
	}
}

// worker executes tasks until its slot ends. Some die.
func (f *factory) worker(s backend.Slot) {
	for op := uint64(1); ; op++ {
		req := backend.ClaimRequest{Slot: s.ID, Session: f.ID, Op: op}
		if s.Pool == calls {
			req.Cooldown = 10 * time.Millisecond
			req.Max = int(op % 4)
		}
		var as []backend.Assignment
		err := f.try(func() (err error) {
			as, err = f.faulty.Claim(f.ctx, req)
			return err
		})
		if err != nil {
			return
		}
		if f.chance(0.02) {
			_ = f.try(func() error { return f.faulty.Exit(f.ctx, []backend.SlotExit{{Slot: s.ID, Note: "died"}}) })
			return
		}
		for i := range as {
			if f.execute(&as[i]) {
				return
			}
		}
	}
}

// execute runs one attempt and reports whether the worker has left with it.
func (f *factory) execute(a *backend.Assignment) bool {
	end := backend.Settlement{Lease: a.Lease, Outcome: backend.Succeeded, Leave: a.Kind == backend.Job}
	if a.Kind == backend.Job {
		f.note(a)
		_ = f.try(func() error { return f.faulty.Yield(f.ctx, a.Lease, []backend.Yield{value(1)}) })
		end.Yields = []backend.Yield{value(1), value(2)}
	} else {
		end.Result = []byte(a.Lease.Task)
	}
	switch {
	case f.chance(0.1):
		end.Outcome, end.RetryIn = backend.Failed, time.Millisecond
	case f.chance(0.11):
		end.Outcome = backend.Released
	}
	_ = f.try(func() error {
		_, err := f.faulty.Settle(f.ctx, []backend.Settlement{end})
		return err
	})
	return end.Leave
}

// note writes to the log of a job, once whatever the answer is.
func (f *factory) note(a *backend.Assignment) {
	add := addition(a.Lease.Task, backend.LogStream, "x")
	if f.chance(0.5) {
		add.Job, add.Slot = "", a.Lease.Slot // whose lease may be lost already
	}
	err := f.faulty.Append(f.ctx, []backend.Addition{add})
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.entries[a.Lease.Task]
	if !errors.Is(err, ErrNotSent) {
		b.most++
	}
	if err == nil && add.Job != "" {
		b.least++
	}
	f.entries[a.Lease.Task] = b
}

// submit starts a task; the locks of a job may have to be waited for.
func (f *factory) submit(sub backend.Submission) {
	f.eventually(func() bool {
		var got []backend.Submitted
		err := f.try(func() (err error) {
			got, err = f.faulty.Submit(f.world.ctx, f.ID, []backend.Submission{sub})
			return err
		})
		if err != nil {
			f.t.Errorf("submit: %v", err)
			return true
		}
		f.launch(got[0].Slot)
		return got[0].Err == nil
	}, "task %s to be started", sub.ID)
}

// scale launches what is lacking and sweeps, until all is done.
func (f *factory) scale() {
	for f.ctx.Err() == nil {
		var slots []backend.Slot
		_ = f.try(func() (err error) {
			slots, err = f.faulty.Reserve(f.ctx, f.ID, []string{jobs, calls})
			return err
		})
		for _, s := range slots {
			f.launch(s)
		}
		_ = f.try(func() error {
			_, err := f.faulty.Sweep(f.ctx, 100)
			return err
		})
		wait, cancel := context.WithTimeout(f.ctx, 2*time.Millisecond)
		<-wait.Done()
		cancel()
	}
}

// work starts everything and waits for it to end.
func (f *factory) work() {
	f.beside(f.scale)
	together(4, func(i int) {
		for n := i; n < factoryJobs; n += 4 {
			f.submit(task(fmt.Sprint("job ", n), jobs, fmt.Sprint("lock ", n%5)))
		}
	})
	together(4, func(i int) {
		for n := i; n < factoryCalls; n += 4 {
			sub := task(fmt.Sprint("call ", n), calls)
			sub.Depth = n % 2
			f.submit(sub)
		}
	})
	f.process.cancel("job 0")
	for n := range factoryCalls {
		f.result(fmt.Sprint("call ", n))
	}
	f.eventually(func() bool { return len(f.page(backend.ListRequest{Statuses: live})) == 0 }, "all jobs to end")
	f.eventually(func() bool { return f.counts(jobs) == counts{} && f.counts(calls) == counts{} }, "all workers to end")
	f.stop()
	f.serving.Wait()
}

var live = []backend.Status{backend.StatusPending, backend.StatusRunning, backend.StatusCancelling}

// verify looks at what is left.
func (f *factory) verify() {
	for n := range factoryCalls {
		id := fmt.Sprint("call ", n)
		r := f.result(id)
		if r.Status == backend.StatusSucceeded {
			require.Equal(f.t, id, string(r.Data))
		} else { // its workers died too often
			require.Equal(f.t, backend.StatusFailed, r.Status)
			require.Equal(f.t, backend.CodeLost, r.Failure.Code)
		}
		f.gone(id)
	}
	for n := range factoryJobs {
		got := f.get(fmt.Sprint("job ", n))
		if got.Status != backend.StatusCancelled {
			require.Equal(f.t, backend.StatusSucceeded, got.Status)
			require.Equal(f.t, value(2).Data, got.Result)
			require.Equal(f.t, got.Attempt, got.Errors+got.Crashes+1, "attempts of %s", got.ID)
			require.Len(f.t, f.past(got.ID), got.Errors+got.Crashes)
		}
		n, b := len(f.logged(got.ID)), f.entries[got.ID]
		require.True(f.t, b.least <= n && n <= b.most, "%d entries of %s, of which %d to %d were written", n, got.ID, b.least, b.most)
	}
	require.Empty(f.t, f.held())
	f.remove(f.page(backend.ListRequest{})...)
	require.Empty(f.t, f.page(backend.ListRequest{}))
}
