package backendtest

import (
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// inbox records what a session hears.
type inbox struct {
	mu      sync.Mutex
	results []backend.Result
	cancels []backend.Lease
	demands []string
	kills   []string
}

func newInbox() *inbox { return new(inbox) }

// Results implements [backend.Inbox].
func (i *inbox) Results(rs []backend.Result) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.results = append(i.results, rs...)
}

// Cancel implements [backend.Inbox].
func (i *inbox) Cancel(l backend.Lease) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cancels = append(i.cancels, l)
}

// Demand implements [backend.Inbox].
func (i *inbox) Demand(pool string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.demands = append(i.demands, pool)
}

// Kill implements [backend.Inbox].
func (i *inbox) Kill(slot string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kills = append(i.kills, slot)
}

// find returns the result of a call, the first if it came more than once.
func (i *inbox) find(id string) (backend.Result, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.results {
		if r.ID == id {
			return r, true
		}
	}
	return backend.Result{}, false
}

func (i *inbox) cancelled(l backend.Lease) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Contains(i.cancels, l)
}

func (i *inbox) killed(slot string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Contains(i.kills, slot)
}

func (i *inbox) demanded(pool string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Contains(i.demands, pool)
}

// forget drops what has been heard so far.
func (i *inbox) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.results, i.cancels, i.demands, i.kills = nil, nil, nil, nil
}

func (i *inbox) empty() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.results)+len(i.cancels)+len(i.demands)+len(i.kills) == 0
}

// result waits for the end of a call.
func (p *process) result(id string) backend.Result {
	p.t.Helper()
	var r backend.Result
	p.eventually(func() (ok bool) {
		r, ok = p.inbox.find(id)
		return ok
	}, "the result of %s", id)
	return r
}

// hearsCancel waits for the hint.
func (p *process) hearsCancel(a *attempt) {
	p.t.Helper()
	p.eventually(func() bool { return p.inbox.cancelled(a.Lease) }, "a cancel hint for %s", a.Lease.Task)
}

// hearsKill waits for the hint.
func (p *process) hearsKill(slot string) {
	p.t.Helper()
	p.eventually(func() bool { return p.inbox.killed(slot) }, "a kill hint for slot %q", slot)
}

// hearsDemand waits for the hint.
func (p *process) hearsDemand(pool string) {
	p.t.Helper()
	p.eventually(func() bool { return p.inbox.demanded(pool) }, "a demand hint for %q", pool)
}

// heardNothing checks, after something that this process's inbox would have heard
// first, that it has heard nothing.
func (p *process) heardNothing() {
	p.t.Helper()
	require.True(p.t, p.inbox.empty(), "heard %+v", p.inbox)
}
