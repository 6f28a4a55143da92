package worker

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

// tally counts a worker's attempts since the last report. It is guarded by the worker's
// mutex, which the end of an attempt takes anyway.
type tally struct {
	stats backend.Stats
	any   bool
}

// count notes the end of an attempt. The caller holds mu.
func (w *worker) count(a *Attempt, o backend.Outcome) {
	s := &w.tally.stats
	w.tally.any = true
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

// takeTally adds what the worker has counted to its pool's, and begins anew. It reports
// whether there was anything. The caller holds the process's mutex.
func (w *worker) takeTally() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.tally.any {
		return
	}
	name := w.pool.Spec.Name
	s := w.proc.tallies[name]
	if s == nil {
		s = new(backend.Stats)
		w.proc.tallies[name] = s
	}
	s.Add(&w.tally.stats)
	w.tally = tally{}
}

// Report sends what the workers have done since the last report. What cannot be sent is
// lost: it only serves to show people rates.
func (p *Process) Report(ctx context.Context) {
	p.mu.Lock()
	for _, w := range p.workers {
		w.takeTally()
	}
	var stats []backend.PoolStats
	for name, s := range p.tallies {
		stats = append(stats, backend.PoolStats{Pool: name, Stats: *s})
	}
	clear(p.tallies)
	p.mu.Unlock()
	if len(stats) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, p.Heartbeat)
	defer cancel()
	if err := p.Store.Report(bounded, stats); err != nil && ctx.Err() == nil {
		p.Logger.Warn("mn: statistics not reported", "error", err)
	}
}
