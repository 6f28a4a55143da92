package worker

import (
	"context"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// tally counts attempts since the last report.
type tally struct {
	stats backend.Stats
	any   bool
}

// count notes the end of an attempt.
func (t *tally) count(a *Attempt, o backend.Outcome) {
	s := &t.stats
	t.any = true
	switch o {
	case backend.Succeeded:
		s.Succeeded++
	case backend.Failed:
		s.Failed++
	default:
		s.Released++
	}
	if a.begun.IsZero() { // handed back before its turn
		return
	}
	s.Wait[backend.Bucket(a.begun.Sub(a.Created))]++
	took := time.Duration(a.took.Load())
	if took == 0 {
		took = time.Since(a.begun)
	}
	s.Run[backend.Bucket(took)]++
}

// count notes the ends of attempts. A function's worker counts for itself, under a mutex that
// nobody else wants; a job's lives too short for that. The caller holds w.mu.
func (w *worker) count(as []*Attempt, ends []backend.Settlement) {
	if w.pool.Spec.Kind == backend.Job {
		t := w.proc.tallies[w.pool.Spec.Name]
		t.mu.Lock()
		defer t.mu.Unlock()
		for i, a := range as {
			t.count(a, ends[i].Outcome)
		}
		return
	}
	if w.tally == nil {
		w.tally = new(tally)
	}
	for i, a := range as {
		w.tally.count(a, ends[i].Outcome)
	}
}

// poolTally counts the attempts of a pool's workers that count no more for themselves.
type poolTally struct {
	mu sync.Mutex
	tally
}

// handOn adds what the worker has counted to its pool's, and begins anew.
func (w *worker) handOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tally == nil || !w.tally.any {
		return
	}
	t := w.proc.tallies[w.pool.Spec.Name]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Add(&w.tally.stats)
	t.any = true
	*w.tally = tally{}
}

// take returns what was counted, and begins anew; nil if that is nothing.
func (t *poolTally) take() *backend.Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.any {
		return nil
	}
	s := t.stats
	t.tally = tally{}
	return &s
}

// Report sends what the workers have done since the last report. What cannot be sent is
// lost: it only serves to show people rates.
func (p *Process) Report(ctx context.Context) {
	p.mu.Lock()
	for _, w := range p.workers {
		w.handOn()
	}
	p.mu.Unlock()
	var stats []backend.PoolStats
	for name, t := range p.tallies {
		if s := t.take(); s != nil {
			stats = append(stats, backend.PoolStats{Pool: name, Stats: *s})
		}
	}
	if len(stats) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, p.Heartbeat)
	defer cancel()
	if err := p.Store.Report(bounded, stats); err != nil && ctx.Err() == nil {
		p.Logger.Warn("mn: statistics not reported", "error", err)
	}
}
