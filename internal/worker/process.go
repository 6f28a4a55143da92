package worker

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

// Causes are the errors that a handler sees as the cause of its context's end.
type Causes struct {
	Cancelled, Timeout, Lost, Draining error
}

// Pool is a definition as this process executes it.
type Pool struct {
	Spec     backend.PoolSpec
	Cooldown time.Duration
	// SyncYields makes Attempt.Yield return only when the value is stored.
	SyncYields bool
	// Invoke runs the user's handler. Panics are the worker's to catch.
	Invoke func(*Attempt) ([]byte, error)
	// RetryDelay is the wait before the attempt after the n-th.
	RetryDelay func(n int) time.Duration
}

// Config is what a Process needs.
type Config struct {
	Store     backend.Store
	Session   backend.Session
	Pools     map[string]*Pool
	Owner     any // whose process it is; for those who find it by an attempt
	Heartbeat time.Duration
	// DrainGrace is how long handlers that were told to drain may take to return.
	DrainGrace time.Duration
	Causes     Causes
	Logger     *slog.Logger
	// Describe encodes a failed attempt's error. Permanent says not to retry it.
	Describe func(a *Attempt, err error) (f *backend.Failure, permanent bool)
	// Limits bound the streams of jobs to which the process adds.
	Limits map[backend.Stream]backend.Limit
	// HardExit ends the process after an attempt was abandoned; nil where that would end
	// more than the worker.
	HardExit func()
	// Rejoin joins the session anew after the backend had ended it, unless somebody has done
	// so since Joins was known, and calls Joined.
	Rejoin func(ctx context.Context, known uint64) error
}

// Process is this process's part in a namespace's work.
type Process struct {
	Config
	exchanger  backend.Exchanger // Store, if it is one
	born       time.Time
	lastBeat   atomic.Int64  // ns after born: when the last successful heartbeat was sent, or the session joined anew
	joins      atomic.Uint64 // how often it has
	serving    context.Context
	stopServe  context.CancelFunc // no more claims for functions
	settling   context.Context    // settlements that fail are repeated until its end
	stopRepeat context.CancelFunc
	watch      *time.Timer // of batches
	watching   atomic.Bool // it is set
	journal    *journal
	tallies    map[string]*poolTally // one for each pool

	mu        sync.Mutex
	workers   map[string]*worker // by slot
	draining  bool               // no more claims for jobs
	jobsEnded chan struct{}      // made by a drain; closed when no job's worker is left
	allEnded  chan struct{}      // likewise, for all workers
}

// NewProcess returns a process without workers. Its session must be joined by the caller.
func NewProcess(c Config) *Process {
	p := &Process{
		Config:  c,
		born:    time.Now(),
		workers: make(map[string]*worker),
		tallies: make(map[string]*poolTally),
	}
	for name := range c.Pools {
		p.tallies[name] = new(poolTally)
	}
	p.journal = newJournal(c.Store, c.Limits, func(err error) {
		p.Logger.Warn("mn: entries of runs' logs not stored", "error", err)
	})
	p.exchanger, _ = c.Store.(backend.Exchanger)
	p.serving, p.stopServe = context.WithCancel(context.Background())
	p.watch = time.AfterFunc(time.Hour, p.dissolveOld)
	p.watch.Stop()
	p.settling, p.stopRepeat = context.WithCancel(context.Background())
	return p
}

// enter registers a worker; it reports false if the process takes no more work of
// its kind.
func (p *Process) enter(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serving.Err() != nil || p.draining && w.pool.Spec.Kind == backend.Job {
		return false
	}
	p.workers[w.slot.ID] = w
	return true
}

// leave is enter's opposite. It may come twice: an abandoned worker leaves when it
// is abandoned, and again should its handler ever return.
func (p *Process) leave(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.handOn()
	if p.workers[w.slot.ID] == w {
		delete(p.workers, w.slot.ID)
	}
	p.signalEnded()
}

func (p *Process) signalEnded() {
	if p.jobsEnded != nil && !p.hasWorkers(backend.Job) {
		close(p.jobsEnded)
		p.jobsEnded = nil
	}
	if p.allEnded != nil && len(p.workers) == 0 {
		close(p.allEnded)
		p.allEnded = nil
	}
}

func (p *Process) hasWorkers(k backend.Kind) bool {
	for _, w := range p.workers {
		if w.pool.Spec.Kind == k {
			return true
		}
	}
	return false
}

// running returns all attempts under way.
func (p *Process) running() []*Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	var as []*Attempt
	for _, w := range p.workers {
		as = w.appendAttempts(as)
	}
	return as
}

// Longer yields the attempts that have run for longer than d, and when they began.
func (p *Process) Longer(d time.Duration) iter.Seq2[*Attempt, time.Time] {
	before := time.Now().Add(-d)
	begun := make(map[*Attempt]time.Time)
	p.mu.Lock()
	for _, w := range p.workers {
		w.mu.Lock()
		for _, a := range w.attempts {
			if !a.begun.IsZero() && a.begun.Before(before) {
				begun[a] = a.begun
			}
		}
		w.mu.Unlock()
	}
	p.mu.Unlock()
	return maps.All(begun)
}

// Cancel is the hint that a lease's task is to be cancelled. It does not block.
func (p *Process) Cancel(l backend.Lease) {
	p.mu.Lock()
	w := p.workers[l.Slot]
	p.mu.Unlock()
	if w == nil {
		return
	}
	for _, a := range w.appendAttempts(nil) {
		if a.Lease == l {
			a.stop(p.Causes.Cancelled)
		}
	}
}

// Kill abandons a worker as if its process had died: nothing more is written for
// it. Its handlers' contexts end with Causes.Lost. Unknown slots are ignored.
func (p *Process) Kill(slot string) {
	p.mu.Lock()
	w := p.workers[slot]
	p.mu.Unlock()
	if w == nil {
		return
	}
	w.silent.Store(true)
	w.kill()
	for _, a := range w.appendAttempts(nil) {
		a.kill()
	}
	p.leave(w)
}
