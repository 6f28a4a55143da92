package nomad

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// maxDispatchers is how many dispatches are under way at a time.
	maxDispatchers = 8
	// dispatchBound is how long a dispatch is repeated that gets no usable answer.
	dispatchBound = 30 * time.Second
)

// dispatchMore has the queue worked off, if its head may be; the caller holds mu.
func (p *Provisioner) dispatchMore() {
	if p.dispatchers < maxDispatchers && !p.closed && p.ready() != nil {
		p.dispatchers++
		p.running.Go(p.dispatchAll)
	}
}

// ready returns the first in the queue whose pool may have another worker without a node.
// The caller holds mu.
func (p *Provisioner) ready() *worker {
	for _, k := range p.queue {
		if !k.leaving && k.pool.unplaced+len(k.pool.orphans) < p.cfg.MaxUnplaced {
			return k
		}
	}
	return nil
}

// dispatchAll dispatches until the queue has nothing that may be.
func (p *Provisioner) dispatchAll() {
	for {
		p.mu.Lock()
		k := p.ready()
		if k == nil || p.closed {
			p.dispatchers--
			p.broadcast()
			p.mu.Unlock()
			return
		}
		for i := range p.queue {
			if p.queue[i] == k {
				p.queue = append(p.queue[:i], p.queue[i+1:]...)
				break
			}
		}
		p.enter(k, dispatching)
		p.dispatchMore() // others help
		p.mu.Unlock()
		p.dispatch(k)
	}
}

// dispatch repeats one dispatch until it has an answer. Repeating is safe: the slot's ID is the
// idempotency token.
func (p *Provisioner) dispatch(k *worker) {
	begin := time.Now()
	for try := 0; ; try++ {
		if !p.pace.wait(p.launching) {
			p.drop(k)
			return
		}
		child, err := p.tryDispatch(k)
		switch {
		case err == nil:
			p.dispatched(k, child)
			return
		case p.ended(k): // killed, or closed, between two tries
			p.drop(k)
			return
		case p.seen(k): // the answer was lost, and the worker is there
			return
		case isMissing(err) && try < 3: // registered before, and gone since
			k.pool.unregistered()
		case isFinal(err), time.Since(begin) > dispatchBound:
			p.refuse(k, p.explain("Nomad does not accept the worker", err))
			return
		}
		p.cfg.Logger.Warn("mn: dispatch failed, will repeat", "job", k.pool.job, "slot", k.ID, "error", p.clean(err.Error()))
		if !pause(p.launching, try) {
			p.drop(k)
			return
		}
	}
}

// drop forgets a worker of which nobody wants to know more.
func (p *Provisioner) drop(k *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(k)
}

// ended reports whether nobody wants the worker any more.
func (p *Provisioner) ended(k *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return k.killed || p.closed
}

// seen reports whether the worker's allocation has been seen.
func (p *Provisioner) seen(k *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return k.child != "" || p.workers[k.ID] != k
}

func (p *Provisioner) tryDispatch(k *worker) (child string, err error) {
	s, err := p.specOf(k.pool, k.Resources)
	if err != nil {
		return "", err
	}
	release, err := p.hold(p.ctx, k.pool, s)
	if err != nil {
		return "", err
	}
	defer release()
	ctx, cancel := request(p.ctx)
	defer cancel()
	opts := &api.DispatchOptions{
		JobID: k.pool.job, Meta: map[string]string{metaSlot: k.ID}, IdPrefixTemplate: slotKey(k.ID),
	}
	answer, _, err := p.client.Jobs().DispatchOpts(opts, (&api.WriteOptions{IdempotencyToken: k.ID}).WithContext(ctx))
	if err == nil && prefixOf(answer.DispatchedJobID) == "" {
		err = fmt.Errorf("the answer to the dispatch names no job: %q", answer.DispatchedJobID)
	}
	if err != nil {
		return "", err
	}
	return answer.DispatchedJobID, nil
}

// dispatched notes the job that Nomad made. Its allocation may have been seen before.
func (p *Provisioner) dispatched(k *worker, child string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers[k.ID] != k {
		return // it has come and gone
	}
	k.child = child
	if k.state == dispatching {
		p.enter(k, waiting)
	}
	ctx := context.WithoutCancel(p.ctx)
	switch {
	case k.killed:
		p.running.Go(func() { p.end(ctx, k) })
	case p.closed && (p.cfg.StopOnClose || k.state == waiting): // one that runs already is to drain
		p.running.Go(func() { p.withdraw(ctx, k) })
	}
}
