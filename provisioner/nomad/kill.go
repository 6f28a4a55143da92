package nomad

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/nomad/api"
)

// Kill implements [provisioner.Provisioner]: with SIGKILL, not with Nomad's stop, which would
// wait for Config.KillTimeout. The token needs alloc-lifecycle.
func (p *Provisioner) Kill(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.workers[id]
	if k == nil || k.killed || k.leaving || p.closed {
		return
	}
	k.killed = true
	switch k.state {
	case queued:
		p.forget(k)
	case dispatching: // dispatched will see it
	default:
		p.running.Go(func() { p.end(p.ctx, k) })
	}
}

// killAgain ends a worker that was killed before it ran; the caller holds mu.
func (p *Provisioner) killAgain(k *worker) {
	if k.killed && !p.closed {
		p.running.Go(func() { p.sigkill(p.ctx, k) })
	}
}

// end kills a worker if it runs, and sees to it that it does not come if not.
func (p *Provisioner) end(ctx context.Context, k *worker) {
	p.sigkill(ctx, k)
	p.withdraw(ctx, k)
}

// sigkill ends the process of a worker that runs.
func (p *Provisioner) sigkill(ctx context.Context, k *worker) {
	p.mu.Lock()
	alloc, runs := k.alloc, k.state == running
	p.mu.Unlock()
	if !runs {
		return
	}
	ctx, cancel := request(ctx)
	defer cancel()
	err := p.client.Allocations().Signal(&api.Allocation{ID: alloc}, new(api.QueryOptions).WithContext(ctx), taskName, "SIGKILL")
	if err == nil {
		return
	}
	what := fmt.Sprintf("worker allocation %.8s cannot be killed", alloc)
	if isForbidden(err) {
		err = fmt.Errorf("the token lacks alloc-lifecycle: %w", err)
	}
	p.cfg.Logger.Warn("mn: "+what, "slot", k.ID, "error", p.clean(err.Error()))
}

// Close implements [provisioner.Provisioner]. Workers that run are left alone, unless
// Config.StopOnClose is set: then they get SIGTERM, on which they drain, and SIGKILL when ctx is
// done. Those that have no node yet are withdrawn.
func (p *Provisioner) Close(ctx context.Context) error {
	p.mu.Lock()
	if c := p.closing; c != nil {
		p.mu.Unlock()
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	closing := make(chan struct{})
	p.closing, p.closed = closing, true
	p.stopLaunching()
	var stop []*worker
	for _, k := range p.workers {
		switch {
		case k.state == queued:
			p.forget(k)
		case k.state == dispatching: // dispatched will see to it
		case p.cfg.StopOnClose || k.state == waiting:
			stop = append(stop, k)
		}
	}
	p.mu.Unlock()
	defer close(closing)
	return p.shut(ctx, stop)
}

// shut ends the workers in stop and everything in the background.
func (p *Provisioner) shut(ctx context.Context, stop []*worker) (err error) {
	if p.client == nil {
		p.cancel()
		return nil
	}
	p.each(stop, func(k *worker) { p.withdraw(ctx, k) })
	if p.cfg.StopOnClose {
		signal(p.look)
		err = p.awaitGone(ctx)
	}
	if !p.cfg.StopOnClose {
		p.awaitDispatches(ctx)
	}
	p.cancel()
	done := make(chan struct{})
	go func() {
		p.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		if err == nil {
			select {
			case <-done:
			default:
				err = fmt.Errorf("nomad: reports of ended workers are still under way: %w", ctx.Err())
			}
		}
	}
	p.client.Close()
	return err
}

// each calls do for every worker, some at a time, and waits.
func (p *Provisioner) each(workers []*worker, do func(*worker)) {
	var all sync.WaitGroup
	turn := make(chan struct{}, maxDispatchers)
	for _, k := range workers {
		turn <- struct{}{}
		all.Go(func() {
			do(k)
			<-turn
		})
	}
	all.Wait()
}

// awaitGone waits until no worker is left; when ctx is done it kills them.
func (p *Provisioner) awaitGone(ctx context.Context) error {
	if p.waitFor(ctx, func() bool { return len(p.workers) == 0 }) {
		return nil
	}
	p.mu.Lock()
	var left []*worker
	for _, k := range p.workers {
		left = append(left, k)
	}
	p.mu.Unlock()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestBound)
	defer cancel()
	p.each(left, func(k *worker) { p.sigkill(last, k) })
	if p.waitFor(last, func() bool { return len(p.workers) == 0 }) {
		return fmt.Errorf("nomad: workers had to be killed: %w", ctx.Err())
	}
	return fmt.Errorf("nomad: workers could not be ended: %w", ctx.Err())
}

// awaitDispatches waits until no dispatch is under way.
func (p *Provisioner) awaitDispatches(ctx context.Context) {
	p.waitFor(ctx, func() bool { return p.dispatchers == 0 })
}
