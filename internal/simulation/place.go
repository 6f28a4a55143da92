package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	task      = "worker"
	topicEval = "Evaluation"
	topicJob  = "Allocation"
	// nodeLost is how long the servers wait for a node before they give it up.
	nodeLost = 5 * time.Minute
)

// evaluate queues a job for the schedulers; the caller holds mu.
func (c *Cluster) evaluate(ch *child) {
	c.evals = append(c.evals, ch)
	c.schedule()
}

// schedule gives the schedulers what they can take; the caller holds mu.
func (c *Cluster) schedule() {
	for c.busy < c.Schedulers && len(c.evals) > 0 {
		ch := c.evals[0]
		c.evals = c.evals[1:]
		c.busy++
		time.AfterFunc(c.chance.delay(c.Evaluation), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.busy--
			c.counts.Evaluations++
			c.place(ch)
			c.schedule()
		})
	}
}

// place finds a node; the caller holds mu.
func (c *Cluster) place(ch *child) {
	if ch.stopped || ch.alloc != nil || c.over.Err() != nil {
		return
	}
	if c.used >= c.Room {
		c.counts.Blocked++
		ch.why = &api.Evaluation{JobID: ch.id, Status: "blocked", FailedTGAllocs: map[string]*api.AllocationMetric{
			task: {NodesEvaluated: 100, NodesExhausted: 100, DimensionExhausted: map[string]int{"memory": 100}},
		}}
		c.blocked = append(c.blocked, ch)
		c.tell(topicEval, ch.why)
		return
	}
	c.used++
	c.counts.Placed++
	c.leaveUnplaced(ch)
	c.index++
	ch.alloc = &api.Allocation{
		ID: fmt.Sprintf("%08x-0000", c.index), JobID: ch.id, NodeName: fmt.Sprint("node-", c.used%100),
		ClientStatus: api.AllocClientStatusPending, CreateIndex: c.index,
	}
	c.byAlloc[ch.alloc.ID] = ch
	c.order = append(c.order, ch)
	c.tell(topicJob, ch.alloc)
	time.AfterFunc(c.chance.delay(c.Start), func() { c.start(ch) })
}

func (c *Cluster) leaveUnplaced(ch *child) {
	if ch.unplaced {
		ch.unplaced = false
		c.counts.unplaced--
	}
}

// start brings a placed worker to life.
func (c *Cluster) start(ch *child) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch.alloc.ClientStatus != api.AllocClientStatusPending || c.over.Err() != nil {
		return // stopped before
	}
	if c.chance.dice() < c.Broken {
		c.finish(ch, api.AllocClientStatusFailed, &api.TaskState{State: "dead", Failed: true, Events: []*api.TaskEvent{{
			Type: api.TaskDriverFailure, DisplayMessage: "failed to pull image: simulated",
		}}})
		return
	}
	now := time.Now()
	c.change(ch, api.AllocClientStatusRunning, &api.TaskState{State: "running", StartedAt: now})
	c.counts.Started++
	c.counts.running++
	c.counts.Running = max(c.counts.Running, c.counts.running)
	p := Process{Slot: ch.slot, Pool: ch.pool}
	p.Killed, ch.kill = context.WithCancel(context.Background())
	p.Term, ch.term = context.WithCancel(p.Killed)
	kill := ch.kill
	var lost *time.Timer
	if c.Life > 0 {
		lost = time.AfterFunc(c.chance.after(c.Life), func() { c.lose(ch) })
	}
	c.processes.Go(func() {
		defer kill()
		code := c.Program(p)
		if lost != nil {
			lost.Stop()
		}
		c.exited(ch, code, now)
	})
}

// lose is the end of a worker that nobody wanted.
func (c *Cluster) lose(ch *child) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch.alloc.ClientStatus != api.AllocClientStatusRunning {
		return
	}
	c.counts.Lost++
	ch.cutOff = c.chance.dice() < c.Silent
	ch.kill()
}

// exited takes in that a program has ended.
func (c *Cluster) exited(ch *child, code int, started time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.running--
	if ch.cutOff {
		time.AfterFunc(nodeLost, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.finish(ch, api.AllocClientStatusLost, ch.alloc.TaskStates[task])
		})
		return
	}
	status := api.AllocClientStatusComplete
	if code != 0 {
		status = api.AllocClientStatusFailed
	}
	c.finish(ch, status, &api.TaskState{
		State: "dead", Failed: code != 0, StartedAt: started, FinishedAt: time.Now(),
		Events: []*api.TaskEvent{{Type: api.TaskTerminated, ExitCode: code}},
	})
}

// change moves an allocation to another state, in a copy: events hold the old one. The caller holds mu.
func (c *Cluster) change(ch *child, status string, ts *api.TaskState) {
	a := *ch.alloc
	a.ClientStatus = status
	if ts != nil {
		a.TaskStates = map[string]*api.TaskState{task: ts}
	}
	if ch.stopped {
		a.DesiredStatus = api.AllocDesiredStatusStop
	}
	ch.alloc = &a
	c.tell(topicJob, ch.alloc)
}

// finish ends an allocation and gives its room to those who wait for one; the caller holds mu.
func (c *Cluster) finish(ch *child, status string, ts *api.TaskState) {
	c.change(ch, status, ts)
	c.used--
	waiting := c.blocked
	c.blocked = nil
	for _, w := range waiting { // all of them are evaluated anew, as Nomad does
		c.evaluate(w)
	}
}

// Stop tells all programs to end, with SIGTERM.
func (c *Cluster) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.order {
		if lives(ch) {
			c.stop(ch)
		}
	}
}

// stop ends a job; the caller holds mu.
func (c *Cluster) stop(ch *child) {
	ch.stopped = true
	c.leaveUnplaced(ch)
	c.blocked = slices.DeleteFunc(c.blocked, func(b *child) bool { return b == ch })
	switch {
	case ch.alloc == nil, ch.cutOff:
	case ch.alloc.ClientStatus == api.AllocClientStatusPending:
		c.finish(ch, api.AllocClientStatusComplete, nil)
	case ch.alloc.ClientStatus == api.AllocClientStatusRunning:
		ch.term()
	}
}
