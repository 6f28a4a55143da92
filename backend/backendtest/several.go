package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// A store may give fewer tasks than a claim could get, even one by one. The rules
// of batches therefore say what it must not do with those that it gives together.

// several is a claim of up to n tasks, ready to wait for them.
func (p *process) several(slot string, n int) backend.ClaimRequest {
	req := p.request(slot)
	req.Max, req.Bundle = n, n
	return req
}

// rests is a claim like several, of a worker that stays where there is nothing to do.
func (p *process) rests(slot string, n int) backend.ClaimRequest {
	req := p.several(slot, n)
	req.Cooldown = long
	return req
}

// share is how many of the tasks that wait a claim may get at the most.
func (p *process) share(n int) int {
	p.t.Helper()
	now := p.pool(calls)
	return max(1, min(n, (now.Pending+now.Slots-1)/now.Slots))
}

// claimSeveral claims up to n calls, of which there must be some, and checks that the
// slot gets no more than its share, each under a lease of its own.
func (p *process) claimSeveral(slot string, n int) []*attempt {
	p.t.Helper()
	most, before := p.share(n), p.pool(calls)
	all := p.claimAll(p.several(slot, n))
	require.LessOrEqual(p.t, len(all), most, "%d tasks waited for %d slots", before.Pending, before.Slots)
	after := p.pool(calls)
	require.Equal(p.t, before.Pending-len(all), after.Pending)
	require.Equal(p.t, before.Running+len(all), after.Running)
	return all
}

// claimAll claims tasks that must be there.
func (p *process) claimAll(req backend.ClaimRequest) []*attempt {
	p.t.Helper()
	as, err := p.store.Claim(p.ctx, req)
	require.NoError(p.t, err)
	return p.attempts(req.Slot, as)
}

// attempts checks tasks that a slot got together.
func (p *process) attempts(slot string, as []backend.Assignment) []*attempt {
	p.t.Helper()
	require.NotEmpty(p.t, as)
	all := make([]*attempt, len(as))
	for i := range as {
		all[i] = &attempt{p, &as[i]}
		require.Equal(p.t, slot, as[i].Lease.Slot)
		require.Equal(p.t, "input of "+as[i].Lease.Task, string(as[i].Input))
		p.is(as[i].Lease.Task, backend.StatusRunning)
		require.Equal(p.t, as[i].Attempt, p.get(as[i].Lease.Task).Attempt)
		if i > 0 {
			require.Greater(p.t, as[i].Lease.Epoch, as[i-1].Lease.Epoch)
		}
	}
	return all
}

// end settles attempts together, each of which must be in force.
func (p *process) end(outcome backend.Outcome, attempts ...*attempt) {
	p.t.Helper()
	ends := make([]backend.Settlement, len(attempts))
	for i, a := range attempts {
		ends[i] = backend.Settlement{Lease: a.Lease, Outcome: outcome, Result: a.Input}
	}
	got, err := p.store.Settle(p.ctx, ends)
	require.NoError(p.t, err)
	require.Len(p.t, got, len(ends))
	for i := range got {
		require.NoError(p.t, got[i].Err, "end of %s", ends[i].Lease.Task)
	}
}

// exhaust claims with one slot, up to n at once, what waits, and returns the tasks in the
// order in which it got them.
func (p *process) exhaust(slot string, n int) (ids []string) {
	p.t.Helper()
	for p.pool(calls).Pending > 0 {
		batch := p.claimSeveral(slot, n)
		ids = append(ids, names(batch)...)
		p.end(backend.Succeeded, batch...)
	}
	return ids
}

func names(attempts []*attempt) []string {
	ids := make([]string, len(attempts))
	for i, a := range attempts {
		ids[i] = a.Lease.Task
	}
	return ids
}

// tasks are calls named 00, 01, …
func tasks(n int) []backend.Submission {
	subs := make([]backend.Submission, n)
	for i := range subs {
		subs[i] = task(number(i), calls)
	}
	return subs
}

func number(i int) string { return fmt.Sprintf("%02d", i) }

func numbers(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, number(i))
	}
	return ids
}
