package nomad

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/nomad/api"
)

// rhythm is how often what is reviewed.
type rhythm struct {
	tick  time.Duration // timeouts
	list  time.Duration // allocations, while the event stream is there
	blind time.Duration // allocations, while it is not
}

var defaultRhythm = rhythm{tick: time.Second, list: 30 * time.Second, blind: 5 * time.Second}

const (
	// listPage is how many allocations one answer holds.
	listPage = 500
	// inspectAtMost bounds the single requests of one review.
	inspectAtMost = 100
)

// review is the truth behind the event stream: it lists what lives, asks after workers that do not
// show there, and ends those that got no node, or did not start, in time.
func (p *Provisioner) review() {
	var listed time.Time
	for p.awaitReview() {
		p.mu.Lock()
		every := p.rhythm.list
		if !p.streaming {
			every = p.rhythm.blind
		}
		if p.closed {
			every = p.rhythm.tick
		}
		p.mu.Unlock()
		timer := time.NewTimer(p.rhythm.tick)
		select {
		case <-p.look:
			listed = time.Time{}
		case <-timer.C:
		case <-p.ctx.Done():
		}
		timer.Stop()
		if p.ctx.Err() != nil {
			return
		}
		if time.Since(listed) >= every {
			p.list(p.ctx)
			listed = time.Now()
		}
		p.expire(p.ctx)
	}
}

// awaitReview blocks while there are no workers, with the event stream closed.
func (p *Provisioner) awaitReview() bool {
	p.mu.Lock()
	n, idle := len(p.workers), p.idle
	p.mu.Unlock()
	if n > 0 {
		return true
	}
	if idle != nil {
		idle()
	}
	return p.awaitWorkers()
}

// list reads which allocations live, and asks after the workers that are not among them.
func (p *Provisioner) list(ctx context.Context) {
	live, err := p.live(ctx)
	if err != nil {
		if ctx.Err() == nil {
			p.cfg.Logger.Warn("mn: Nomad's allocations cannot be listed, will repeat", "error", p.explain("list of allocations", err))
		}
		return
	}
	p.mu.Lock()
	var missing []*worker
	for _, k := range p.workers {
		if live[k.prefix] == nil && k.child != "" && len(missing) < inspectAtMost {
			missing = append(missing, k)
		}
	}
	p.mu.Unlock()
	for _, a := range live {
		p.saw(a)
	}
	for _, k := range missing {
		p.inspect(ctx, k)
	}
	p.reviewOrphans(ctx, live)
}

// live lists the allocations of this app that are not over, by childPrefix.
func (p *Provisioner) live(ctx context.Context) (map[string]*api.Allocation, error) {
	live := make(map[string]*api.Allocation)
	q := &api.QueryOptions{
		Filter: fmt.Sprintf(`JobID contains %q and (ClientStatus == "pending" or ClientStatus == "running" or ClientStatus == "unknown")`,
			JobID(p.cfg.Prefix, p.app, "x")[:len(JobID(p.cfg.Prefix, p.app, "x"))-1]),
		PerPage: listPage,
	}
	for {
		bounded, cancel := request(ctx)
		stubs, meta, err := p.client.Allocations().List(q.WithContext(bounded))
		cancel()
		if err != nil {
			return nil, err
		}
		for _, s := range stubs {
			prefix := prefixOf(s.JobID)
			if have := live[prefix]; have == nil || s.CreateIndex < have.CreateIndex { // replacements come later
				live[prefix] = fromStub(s)
			}
		}
		if meta.NextToken == "" {
			return live, nil
		}
		q.NextToken = meta.NextToken
	}
}

func fromStub(s *api.AllocationListStub) *api.Allocation {
	return &api.Allocation{
		ID: s.ID, JobID: s.JobID, NodeName: s.NodeName, ClientStatus: s.ClientStatus, TaskStates: s.TaskStates,
		CreateIndex: s.CreateIndex,
	}
}

// inspect asks after one worker's job. It reports false if there was no usable answer.
func (p *Provisioner) inspect(ctx context.Context, k *worker) bool {
	ctx, cancel := request(ctx)
	defer cancel()
	q := new(api.QueryOptions).WithContext(ctx)
	p.mu.Lock()
	child, alloc := k.child, k.alloc
	p.mu.Unlock()
	if alloc == "" {
		stubs, _, err := p.client.Jobs().Allocations(child, false, q)
		if err != nil {
			return false
		}
		if len(stubs) == 0 {
			p.inspectUnplaced(ctx, k, child)
			return true
		}
		first := stubs[0]
		for _, s := range stubs {
			if s.CreateIndex < first.CreateIndex {
				first = s
			}
		}
		alloc = first.ID
	}
	a, _, err := p.client.Allocations().Info(alloc, q)
	switch {
	case err == nil:
		p.saw(a)
	case status(err) == http.StatusNotFound: // collected as garbage, long after its end
		p.mu.Lock()
		p.forget(k)
		p.mu.Unlock()
	default:
		return false
	}
	return true
}

// inspectUnplaced learns why a worker has no allocation.
func (p *Provisioner) inspectUnplaced(ctx context.Context, k *worker, child string) {
	q := new(api.QueryOptions).WithContext(ctx)
	job, _, err := p.client.Jobs().Info(child, q)
	if isMissing(err) || err == nil && stopped(job) {
		p.refuse(k, fmt.Sprintf("the worker's Nomad job %q was stopped by an operator before it had a node", child))
		return
	}
	evals, _, err := p.client.Jobs().Evaluations(child, q)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ev := range evals {
		p.evaluated(ev)
	}
}

// expire ends workers that wait for too long: for a node, or for their start.
func (p *Provisioner) expire(ctx context.Context) {
	now := time.Now()
	p.mu.Lock()
	var unplaced, late []*worker
	for _, k := range p.workers {
		waited := now.Sub(k.since)
		switch {
		case k.killed || k.leaving:
		case k.state == waiting && waited > p.cfg.PlacementTimeout:
			unplaced = append(unplaced, k)
		case k.state == placed && waited > p.cfg.StartTimeout:
			late = append(late, k)
		case k.state == queued && waited > p.cfg.PlacementTimeout && k.pool.note != "":
			unplaced = append(unplaced, k) // behind others for which there is no node
		}
	}
	p.mu.Unlock()
	for _, k := range unplaced {
		p.inspectWaiting(ctx, k)
	}
	for _, k := range late {
		if !p.inspect(ctx, k) { // it may run, and no event has told; the next review asks again
			break
		}
		p.mu.Lock()
		note := k.note
		p.mu.Unlock()
		if note == "" {
			note = lateNote("?", nil, p.cfg.StartTimeout)
		}
		p.giveUp(k, placed, note)
	}
}

// inspectWaiting looks a last time for a node, then gives up.
func (p *Provisioner) inspectWaiting(ctx context.Context, k *worker) {
	p.mu.Lock()
	state := k.state
	p.mu.Unlock()
	if state != waiting && state != queued {
		return // it is being dispatched by now, or has its node
	}
	if state == waiting && !p.inspect(ctx, k) {
		return // it may run, and no event has told; the next review asks again
	}
	p.mu.Lock()
	note := k.note
	if note == "" {
		note = k.pool.note
	}
	p.mu.Unlock()
	if note == "" {
		note = "Nomad has not placed the worker, and does not say why (see nomad job status " + k.pool.job + ")"
	}
	p.giveUp(k, state, note)
}

// giveUp withdraws a worker that is still in the state, and reports it as refused.
func (p *Provisioner) giveUp(k *worker, s state, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers[k.ID] != k || k.state != s || k.killed || k.leaving || p.closed {
		return
	}
	k.leaving = true
	p.running.Go(func() {
		if s != queued {
			p.withdraw(p.ctx, k)
		}
		p.refuse(k, note)
	})
}
