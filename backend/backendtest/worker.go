package backendtest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// attempt is a task that a worker of the process has claimed.
type attempt struct {
	*process
	*backend.Assignment
}

// nextOp numbers the claims of the process.
func (p *process) nextOp() uint64 {
	p.op++
	return p.op
}

// request is a claim that retires at once when there is nothing to do.
func (p *process) request(slot string) backend.ClaimRequest {
	return backend.ClaimRequest{Slot: slot, Session: p.ID, Op: p.nextOp()}
}

// claim claims a task that must be there.
func (p *process) claim(slot string) *attempt {
	p.t.Helper()
	return p.claimAs(p.request(slot))
}

// claimNested claims on behalf of a handler that waits.
func (p *process) claimNested(slot string) *attempt {
	p.t.Helper()
	req := p.request(slot)
	req.Nested = true
	return p.claimAs(req)
}

func (p *process) claimAs(req backend.ClaimRequest) *attempt {
	p.t.Helper()
	as, err := p.store.Claim(p.ctx, req)
	require.NoError(p.t, err)
	require.Len(p.t, as, 1)
	return &attempt{p, &as[0]}
}

// claimFails claims and gets the error.
func (p *process) claimFails(slot string, want error) {
	p.t.Helper()
	as, err := p.store.Claim(p.ctx, p.request(slot))
	require.ErrorIs(p.t, err, want)
	require.Empty(p.t, as)
}

// waiting is a claim under way.
type waiting struct {
	*process
	done chan struct{}
	stop context.CancelFunc
	as   []backend.Assignment
	a    *backend.Assignment // the first of them
	err  error
}

// await claims beside the case.
func (p *process) await(req backend.ClaimRequest) *waiting {
	ctx, stop := context.WithCancel(p.ctx)
	c := &waiting{process: p, done: make(chan struct{}), stop: stop}
	p.beside(func() {
		defer close(c.done)
		defer stop()
		if c.as, c.err = p.store.Claim(ctx, req); c.err == nil {
			c.a = &c.as[0]
		}
	})
	return c
}

// rest makes a worker idle and returns when the backend knows it. Only one worker
// of a pool may be changing meanwhile.
func (p *process) rest(pool, slot string, cooldown time.Duration) *waiting {
	p.t.Helper()
	req := p.request(slot)
	req.Cooldown = cooldown
	return p.restAs(pool, req)
}

// restAs is rest with a claim of the case's own.
func (p *process) restAs(pool string, req backend.ClaimRequest) *waiting {
	p.t.Helper()
	before := p.pool(pool).Idle
	c := p.await(req)
	p.eventually(func() bool { return p.pool(pool).Idle > before || !c.pending() }, "worker %q of %q to be idle", req.Slot, pool)
	return c
}

// pending reports whether the claim is still waiting.
func (c *waiting) pending() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

func (c *waiting) end() {
	c.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		require.FailNow(c.t, "a claim that should have ended is still waiting")
	}
}

// gets waits for the claim to return the task.
func (c *waiting) gets(id string) *attempt {
	c.t.Helper()
	c.end()
	require.NoError(c.t, c.err)
	require.Len(c.t, c.as, 1)
	require.Equal(c.t, id, c.a.Lease.Task)
	return &attempt{c.process, c.a}
}

// fails waits for the claim to return the error.
func (c *waiting) fails(want error) {
	c.t.Helper()
	c.end()
	require.ErrorIs(c.t, c.err, want)
	require.Nil(c.t, c.a)
}

// settle ends the attempt, which must still be in force.
func (a *attempt) settle(s backend.Settlement) backend.Status {
	a.t.Helper()
	got := a.trySettle(s)
	require.NoError(a.t, got.Err)
	return got.Status
}

func (a *attempt) trySettle(s backend.Settlement) backend.Settled {
	a.t.Helper()
	s.Lease = a.Lease
	got, err := a.store.Settle(a.ctx, []backend.Settlement{s})
	require.NoError(a.t, err)
	require.Len(a.t, got, 1)
	return got[0]
}

func (a *attempt) succeed() backend.Status {
	a.t.Helper()
	return a.settle(backend.Settlement{Outcome: backend.Succeeded, Result: []byte("result of " + a.Lease.Task)})
}

func (a *attempt) fail() backend.Status {
	a.t.Helper()
	return a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("it broke")})
}

func (a *attempt) release() backend.Status {
	a.t.Helper()
	return a.settle(backend.Settlement{Outcome: backend.Released})
}

// crash has the platform see the worker's exit.
func (a *attempt) crash(note string) {
	a.t.Helper()
	require.NoError(a.t, a.store.Exit(a.ctx, []backend.SlotExit{{Slot: a.Lease.Slot, Note: note}}))
}

// yield stores one value; its number is in its text.
func (a *attempt) yield(n uint64) {
	a.t.Helper()
	require.NoError(a.t, a.store.Yield(a.ctx, a.Lease, []backend.Yield{value(n)}))
}

func (a *attempt) lock(keys ...string) error { return a.store.Lock(a.ctx, a.Lease, keys) }

// beat sends a heartbeat that names these attempts.
func (p *process) beat(attempts ...*attempt) []backend.LeaseState {
	p.t.Helper()
	states, err := p.tryBeat(attempts...)
	require.NoError(p.t, err)
	require.Len(p.t, states, len(attempts))
	return states
}

func (p *process) tryBeat(attempts ...*attempt) ([]backend.LeaseState, error) {
	leases := make([]backend.Lease, len(attempts))
	for i, a := range attempts {
		leases[i] = a.Lease
	}
	return p.store.Heartbeat(p.ctx, p.ID, leases)
}

func failure(text string) *backend.Failure {
	return &backend.Failure{Code: backend.CodeError, Detail: []byte(text)}
}
