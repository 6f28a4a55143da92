package nomad

import (
	"context"
	"fmt"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// follow reads Nomad's event stream while there are workers. Events are hints: the stream
// breaks, starts somewhere else and leaves events out. After each begin the list is read.
func (p *Provisioner) follow() {
	var index uint64
	for try := 0; p.awaitWorkers(); {
		ctx, cancel := context.WithCancel(p.ctx)
		p.mu.Lock()
		p.idle = cancel
		p.mu.Unlock()
		read, err := p.stream(ctx, &index)
		over := ctx.Err() != nil
		cancel()
		p.mu.Lock()
		p.streaming = false
		p.mu.Unlock()
		if over { // no workers are left, or Close
			continue
		}
		if read > 0 {
			try = 0
		}
		p.cfg.Logger.Debug("mn: Nomad's event stream ended, will follow it again", "error", p.clean(fmt.Sprint(err)))
		if try++; !pause(p.ctx, try) {
			return
		}
	}
}

// awaitWorkers blocks while there are none; false when Close has ended.
func (p *Provisioner) awaitWorkers() bool {
	return p.waitFor(p.ctx, func() bool { return len(p.workers) > 0 }) && p.ctx.Err() == nil
}

// stream reads events until the stream ends and returns how many batches there were.
func (p *Provisioner) stream(ctx context.Context, index *uint64) (read int, err error) {
	topics := map[api.Topic][]string{api.TopicAllocation: {"*"}, api.TopicEvaluation: {"*"}}
	batches, err := p.client.EventStream().Stream(ctx, topics, *index, new(api.QueryOptions))
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.streaming = true
	p.mu.Unlock()
	signal(p.look) // for what happened before
	for batch := range batches {
		if batch.Err != nil {
			return read, batch.Err
		}
		read++
		*index = max(*index, batch.Index)
		for i := range batch.Events {
			p.event(&batch.Events[i])
		}
	}
	return read, nil
}

// event takes in one event. What cannot be decoded is left to the list.
func (p *Provisioner) event(e *api.Event) {
	switch e.Topic {
	case api.TopicAllocation:
		if a, err := e.Allocation(); err == nil && a != nil {
			p.saw(a)
		}
	case api.TopicEvaluation:
		if ev, err := e.Evaluation(); err == nil && ev != nil {
			p.mu.Lock()
			p.evaluated(ev)
			p.mu.Unlock()
		}
	}
}

// evaluated notes why a worker has no node; the caller holds mu.
func (p *Provisioner) evaluated(ev *api.Evaluation) {
	k := p.byPrefix[prefixOf(ev.JobID)]
	if k == nil {
		return
	}
	if note := blockedNote(ev, k.Resources); note != "" {
		k.note, k.pool.note = note, note
	}
}

// terminal reports whether an allocation is over for good.
func terminal(status string) bool {
	switch status {
	case api.AllocClientStatusComplete, api.AllocClientStatusFailed, api.AllocClientStatusLost:
		return true
	}
	return false
}

// saw takes in what is known of an allocation, from an event or by asking.
func (p *Provisioner) saw(a *api.Allocation) {
	prefix := prefixOf(a.JobID)
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.byPrefix[prefix]
	if k == nil {
		p.unorphan(prefix)
		return
	}
	if k.child == "" {
		k.child = a.JobID
	}
	if k.alloc != "" && k.alloc != a.ID {
		return // Nomad has replaced one that was stopped; its worker finds the slot taken and ends
	}
	k.alloc = a.ID
	k.pool.note = ""
	if ts := a.TaskStates[taskName]; ts != nil && a.ClientStatus == api.AllocClientStatusPending {
		k.note = lateNote(a.NodeName, ts, p.cfg.StartTimeout)
	}
	switch {
	case terminal(a.ClientStatus):
		p.over(k, a)
	case a.ClientStatus == api.AllocClientStatusRunning:
		if k.state != running {
			p.enter(k, running)
			p.killAgain(k)
		}
	case k.state < placed:
		p.enter(k, placed)
	}
}

// over reports the end of a worker, if there is something to report; the caller holds mu.
func (p *Provisioner) over(k *worker, a *api.Allocation) {
	if k.leaving || !p.forget(k) {
		return
	}
	exit, byItself, ran := verdict(a)
	if byItself {
		return
	}
	p.report(k, func() provisioner.Exit {
		if ran && a.ClientStatus != api.AllocClientStatusLost {
			exit.Note = p.saveOutput(k, exit.Note, a.ID)
		}
		exit.Note = p.clean(exit.Note)
		return exit
	})
}
