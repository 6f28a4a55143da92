package nomad

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	// withdrawals is how often a withdrawal is tried that gets no usable answer.
	withdrawals = 5
	// longestOrphaned is when an orphan is forgotten of which nothing is heard.
	longestOrphaned = time.Hour
)

// orphan is a worker that could not be withdrawn. It may still get a node, where it ends by itself.
type orphan struct {
	child string // ID of the dispatched job
	since time.Time
}

// withdraw stops a worker's Nomad job, so that it gets no node any more. Without the right to do so
// it may still get one, where it finds its slot gone and ends; until then it counts as unplaced,
// so that such workers do not pile up.
func (p *Provisioner) withdraw(ctx context.Context, k *worker) {
	p.mu.Lock()
	child, placed := k.child, k.alloc != ""
	p.mu.Unlock()
	if child == "" {
		return
	}
	err := p.deregister(ctx, child)
	p.mu.Lock()
	defer p.mu.Unlock()
	unplaced := !placed && k.alloc == "" // there is no allocation whose end would tell
	if err != nil && unplaced {
		k.pool.orphans[k.prefix] = orphan{child, time.Now()}
	}
	if unplaced && !k.leaving {
		p.forget(k)
	}
	if err == nil {
		return
	}
	p.cfg.Logger.Warn("mn: a worker that is not wanted any more cannot be withdrawn; it will end by itself",
		"job", child, "error", p.explainFor("withdrawal", "deregister-job (or submit-job)", err))
}

// deregister stops a dispatched job. What gets no usable answer is repeated, as its answer may be
// all that was lost: stopping a job again changes nothing.
func (p *Provisioner) deregister(ctx context.Context, child string) error {
	ctx, cancel := request(ctx)
	defer cancel()
	for try := 1; ; try++ {
		_, _, err := p.client.Jobs().Deregister(child, false, new(api.WriteOptions).WithContext(ctx))
		switch {
		case err == nil, isMissing(err):
			return nil
		case isFinal(err), try == withdrawals, !pause(ctx, try-1):
			return err
		}
	}
}

// reviewOrphans drops the orphans that have got a node, or never will.
func (p *Provisioner) reviewOrphans(ctx context.Context, live map[string]*api.Allocation) {
	p.mu.Lock()
	var unknown []string
	for _, pl := range p.pools {
		for prefix, o := range pl.orphans {
			switch {
			case live[prefix] != nil || time.Since(o.since) > longestOrphaned:
				p.unorphan(prefix)
			case len(unknown) < inspectAtMost:
				unknown = append(unknown, o.child)
			}
		}
	}
	p.mu.Unlock()
	for _, child := range unknown {
		job, err := p.jobInfo(ctx, child)
		if isMissing(err) || err == nil && (stopped(job) || job.Status != nil && *job.Status == jobDead) {
			p.mu.Lock()
			p.unorphan(prefixOf(child))
			p.mu.Unlock()
		}
	}
}

// unorphan forgets an orphan; the caller holds mu.
func (p *Provisioner) unorphan(prefix string) {
	for _, pl := range p.pools {
		if _, ok := pl.orphans[prefix]; ok {
			delete(pl.orphans, prefix)
			p.dispatchMore()
		}
	}
}

// jobDead is Nomad's status of a job that has nothing left to run.
const jobDead = "dead"

// stopped reports whether somebody has stopped a job.
func stopped(job *api.Job) bool { return job.Stop != nil && *job.Stop }
