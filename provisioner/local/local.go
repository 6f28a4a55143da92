// Package local runs workers as goroutines of this process: for unit tests and for
// programs on one machine. What their handlers print is the program's own output, and is not
// in the logs of their runs; what they write to mn.Logger is.
package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/multinode/mn/provisioner"
)

// Provisioner launches goroutines. Create it with New.
type Provisioner struct {
	limit provisioner.Resources // zero fields bound nothing

	mu      sync.Mutex
	host    provisioner.Host
	closed  bool
	used    provisioner.Resources
	workers map[string]bool // launched and not ended
	running sync.WaitGroup

	next    chan provisioner.Worker // to resting goroutines
	resting atomic.Int32
	done    chan struct{} // closed by Close
}

// maxResting is how many goroutines wait to be used again.
const maxResting = 64

// Option changes how a Provisioner works.
type Option func(*Provisioner)

// Limit refuses workers that would use more than cpu cores and memory bytes
// together. Without it settings are not enforced: a laptop runs a function that
// asks for 16 CPUs. 0 bounds nothing.
func Limit(cpu float64, memory int64) Option {
	return func(p *Provisioner) { p.limit = provisioner.Resources{CPU: cpu, Memory: memory} }
}

// New returns a provisioner for one app.
func New(opts ...Option) *Provisioner {
	p := &Provisioner{
		workers: make(map[string]bool), next: make(chan provisioner.Worker), done: make(chan struct{}),
	}
	for _, o := range opts {
		o(p)
	}
	return p
}

var _ provisioner.Provisioner = (*Provisioner)(nil)

// Open implements [provisioner.Provisioner].
func (p *Provisioner) Open(_ string, host provisioner.Host) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != nil {
		return errors.New("local: the provisioner serves another app already; give each app its own")
	}
	p.host = host
	return nil
}

// Launch implements [provisioner.Provisioner].
func (p *Provisioner) Launch(w provisioner.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.workers[w.ID] {
		return
	}
	p.workers[w.ID] = true
	if note := p.refusal(w.Resources); note != "" {
		p.running.Go(func() {
			defer p.ended(provisioner.Worker{ID: w.ID}) // it has used nothing
			p.host.Exited(w, provisioner.Exit{Note: note, Refused: true})
		})
		return
	}
	p.used.CPU += w.CPU
	p.used.Memory += w.Memory
	select {
	case p.next <- w: // to a goroutine that is there already, whose stack has grown
	default:
		p.running.Add(1)
		go p.serve(w)
	}
}

// serve executes one worker after another on its goroutine. New goroutines begin with
// a small stack, and growing that costs a short job more than all else.
func (p *Provisioner) serve(w provisioner.Worker) {
	defer p.running.Done()
	for {
		p.serveOne(w)
		if p.resting.Add(1) > maxResting {
			p.resting.Add(-1)
			return
		}
		select {
		case w = <-p.next:
			p.resting.Add(-1)
		case <-p.done:
			return
		}
	}
}

func (p *Provisioner) serveOne(w provisioner.Worker) {
	defer p.ended(w) // also when a handler ends the goroutine with Goexit
	if err := p.host.Serve(w); err != nil {
		p.host.Exited(w, provisioner.Exit{Note: err.Error(), Refused: true})
	}
}

func (p *Provisioner) ended(w provisioner.Worker) {
	p.mu.Lock()
	delete(p.workers, w.ID)
	p.used.CPU -= w.CPU
	p.used.Memory -= w.Memory
	if len(p.workers) == 0 {
		p.used = provisioner.Resources{} // floats need not sum up to zero
	}
	p.mu.Unlock()
}

// refusal words why there is no room for r; "" if there is.
func (p *Provisioner) refusal(r provisioner.Resources) string {
	cpu, memory := p.limit.CPU, p.limit.Memory
	const slack = 1e-9
	switch {
	case cpu > 0 && r.CPU > cpu:
		return fmt.Sprintf("no node has %g CPU (this machine's limit is %g)", r.CPU, cpu)
	case memory > 0 && r.Memory > memory:
		return fmt.Sprintf("no node has %d MiB of memory (this machine's limit is %d MiB)", r.Memory>>20, memory>>20)
	case cpu > 0 && p.used.CPU+r.CPU > cpu+slack:
		return fmt.Sprintf("no node has %g CPU free (%g of %g in use)", r.CPU, p.used.CPU, cpu)
	case memory > 0 && p.used.Memory+r.Memory > memory:
		return fmt.Sprintf("no node has %d MiB of memory free (%d of %d MiB in use)", r.Memory>>20, p.used.Memory>>20, memory>>20)
	}
	return ""
}

// Kill implements [provisioner.Provisioner]. A goroutine cannot be killed: the
// worker is abandoned, see [provisioner.Host].
func (p *Provisioner) Kill(id string) {
	p.mu.Lock()
	host, known := p.host, p.workers[id] && !p.closed
	p.mu.Unlock()
	if known {
		host.Abandon(id)
	}
}

// Close implements [provisioner.Provisioner]. Workers are abandoned; those whose
// handler does not return are waited for until ctx is done.
func (p *Provisioner) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
	host, left := p.host, slices.Collect(maps.Keys(p.workers))
	p.mu.Unlock()
	for _, id := range left {
		host.Abandon(id)
	}
	done := make(chan struct{})
	go func() {
		p.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("local: handlers are still running: %w", ctx.Err())
	}
}
