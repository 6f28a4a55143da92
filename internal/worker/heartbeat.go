package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/multinode/mn/backend"
)

// KeepAlive sends heartbeats until ctx is done, and blocks as long. Replies tell of
// cancels and of lost leases. When heartbeats fail for so long that the leases may
// soon be given to others, every attempt is told that its lease is lost.
func (p *Process) KeepAlive(ctx context.Context) {
	tick := time.NewTicker(p.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.beat(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (p *Process) beat(ctx context.Context) {
	joins := p.Joins()
	attempts := slices.DeleteFunc(p.running(), (*Attempt).gaveUp) // those leases must run out
	leases := make([]backend.Lease, len(attempts))
	for i, a := range attempts {
		leases[i] = a.Lease
	}
	sent := time.Now()
	bounded, cancel := context.WithTimeout(ctx, p.Heartbeat)
	defer cancel()
	states, err := p.Store.Heartbeat(bounded, p.Session.ID, leases)
	switch {
	case errors.Is(err, backend.ErrSessionLost):
		p.rejoin(ctx, joins, attempts)
	case err != nil:
		p.fence(ctx, err)
	default:
		p.alive(sent)
		p.obey(attempts, states)
	}
}

// gaveUp reports whether the attempt was told that its lease is lost.
func (a *Attempt) gaveUp() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause == a.worker.proc.Causes.Lost //nolint:errorlint // the cause itself, not one that wraps it
}

func (p *Process) obey(attempts []*Attempt, states []backend.LeaseState) {
	for i, a := range attempts {
		switch states[i] {
		case backend.LeaseCancelling:
			a.stop(p.Causes.Cancelled)
		case backend.LeaseLost:
			a.stop(p.Causes.Lost)
		}
	}
}

// fence gives up all leases while they are surely still ours: at 4/5 of their life.
func (p *Process) fence(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	p.Logger.Warn("mn: heartbeat failed", "error", err)
	if time.Since(p.born)-time.Duration(p.lastBeat.Load()) < p.Session.Lease*4/5 {
		return
	}
	for _, a := range p.running() {
		a.stop(p.Causes.Lost)
	}
}

// rejoin begins anew after the backend declared this process lost, for example
// because the machine slept.
func (p *Process) rejoin(ctx context.Context, joins uint64, attempts []*Attempt) {
	p.Logger.Warn("mn: the backend lost this process's session; its attempts are lost, joining anew")
	for _, a := range attempts {
		a.stop(p.Causes.Lost)
	}
	if err := p.Rejoin(ctx, joins); err != nil {
		p.Logger.Warn("mn: join failed, will repeat", "error", err)
	}
}

// alive notes that the session was alive when that was sent.
func (p *Process) alive(sent time.Time) {
	for at := int64(sent.Sub(p.born)); ; {
		last := p.lastBeat.Load()
		if at <= last || p.lastBeat.CompareAndSwap(last, at) {
			return
		}
	}
}

// Joins is how often the session was joined anew. Who is told that it is lost and has read
// this before asking knows whether that is still so.
func (p *Process) Joins() uint64 { return p.joins.Load() }

// Joined says that the session was joined anew, so that a heartbeat which failed before
// takes nothing from what was begun since. sent is when the join was sent.
func (p *Process) Joined(sent time.Time) {
	p.joins.Add(1)
	p.alive(sent)
}
