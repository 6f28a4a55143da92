package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// exchange ends the attempt and claims the worker's next task.
func (a *attempt) exchange(s backend.Settlement, req backend.ClaimRequest) backend.Exchanged {
	a.t.Helper()
	s.Lease = a.Lease
	x, err := a.store.(backend.Exchanger).Exchange(a.ctx, []backend.Settlement{s}, req)
	require.NoError(a.t, err)
	require.Len(a.t, x.Settled, 1)
	return x
}

var success = backend.Settlement{Outcome: backend.Succeeded, Result: []byte("result")}

// optional skips a rule where the store lacks the extra ability.
func optional(check func(w *world)) func(w *world) {
	return func(w *world) {
		if _, ok := w.store.(backend.Exchanger); !ok {
			w.t.(*testing.T).Skip("the store is no backend.Exchanger")
		}
		check(w)
	}
}

var exchangeRules = []rule{
	{"an exchange settles and claims the next task", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls), task("c", calls))
		req := p.request(a.Lease.Slot)
		x := a.exchange(success, req)
		require.Equal(w.t, backend.Settled{Status: backend.StatusSucceeded}, x.Settled[0])
		require.NoError(w.t, x.Err)
		require.Nil(w.t, x.Claim)
		require.Equal(w.t, "b", x.Tasks[0].Lease.Task)
		require.Equal(w.t, "result", string(p.result("a").Data))
		require.Equal(w.t, []backend.LeaseState{backend.LeaseHeld}, p.beat(&attempt{p, &x.Tasks[0]}))
		require.Equal(w.t, x.Tasks[0].Lease, p.claimAs(req).Lease, "the claim repeated returns the same task")
		require.Equal(w.t, backend.StatusSucceeded, a.succeed(), "the settlement repeated answers as the first time")
	})},
	{"an exchange of a worker that may wait claims the next task where there is one", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls))
		req := p.request(a.Lease.Slot)
		req.Cooldown = long
		x := a.exchange(success, req)
		require.Nil(w.t, x.Claim)
		require.Equal(w.t, []string{"b"}, []string{x.Tasks[0].Lease.Task})
		p.result("a")
	})},
	{"an exchange with a lease that was lost changes nothing", optional(func(w *world) {
		p := w.host(crashes(3))
		a := p.run(task("a", calls))
		w.exit(a.Lease.Slot, "gone")
		slots := p.reserve(calls)
		require.Len(w.t, slots, 1)
		again := p.claim(slots[0].ID)
		req := p.request(a.Lease.Slot)
		req.Cooldown = long
		x := a.exchange(success, req)
		require.ErrorIs(w.t, x.Settled[0].Err, backend.ErrLeaseLost)
		require.ErrorIs(w.t, x.Err, backend.ErrSlotLost)
		w.is("a", backend.StatusRunning)
		require.Equal(w.t, backend.StatusSucceeded, again.succeed())
	})},
	{"an exchange by which a worker becomes idle lets others have its room", optional(func(w *world) {
		p := w.limited(backend.Quota{CPU: 2})
		a := p.run(task("a", calls))
		require.Empty(w.t, p.start(big("b")).ID)
		p.inbox.forget()
		req := p.request(a.Lease.Slot)
		req.Cooldown = long
		x := a.exchange(success, req)
		p.hearsDemand("big")
		require.Len(w.t, p.reserve("big"), 1)
		_, err := x.Claim.Wait(w.ctx)
		require.ErrorIs(w.t, err, backend.ErrRetired)
	})},
	{"an exchange with nothing to claim returns a claim that waits", optional(func(w *world) {
		p, c := w.host(), w.client("c")
		a := p.run(task("a", calls))
		req := p.request(a.Lease.Slot)
		req.Cooldown = long
		x := a.exchange(success, req)
		require.NoError(w.t, x.Err)
		require.Empty(w.t, x.Tasks)
		require.Equal(w.t, 1, w.pool(calls).Idle)
		c.start(task("b", calls))
		w.is("b", backend.StatusRunning)
		as, err := x.Claim.Wait(w.ctx)
		require.NoError(w.t, err)
		require.Len(w.t, as, 1)
		require.Equal(w.t, "b", as[0].Lease.Task)
		require.Equal(w.t, as[0].Lease, p.claimAs(req).Lease)
	})},
	{"the claim of an exchange ends with its context, and the worker may claim again", optional(func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", calls))
		req := p.request(a.Lease.Slot)
		req.Cooldown = long
		x := a.exchange(success, req)
		over, cancel := context.WithCancel(w.ctx)
		cancel()
		_, err := x.Claim.Wait(over)
		require.ErrorIs(w.t, err, context.Canceled)
		require.Zero(w.t, w.pool(calls).Idle)
		c.start(task("b", calls))
		w.is("b", backend.StatusPending)
		require.Equal(w.t, "b", p.claim(a.Lease.Slot).Lease.Task)
	})},
	{"the claim of an exchange retires after its cooldown", optional(func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		req := p.request(a.Lease.Slot)
		req.Cooldown = 20 * time.Millisecond
		_, err := a.exchange(success, req).Claim.Wait(w.ctx)
		require.ErrorIs(w.t, err, backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
	})},
	{"an exchange without cooldown retires at once when there is nothing to do", optional(func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		x := a.exchange(success, p.request(a.Lease.Slot))
		require.Equal(w.t, backend.StatusSucceeded, x.Settled[0].Status)
		require.ErrorIs(w.t, x.Err, backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
	})},
	{"an exchange with a stale lease claims all the same", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls))
		slot := a.Lease.Slot
		a.Lease.Nonce++
		x := a.exchange(success, p.request(slot))
		require.ErrorIs(w.t, x.Settled[0].Err, backend.ErrLeaseLost)
		require.Equal(w.t, "b", x.Tasks[0].Lease.Task)
		w.is("a", backend.StatusRunning)
	})},
	{"an exchange by a slot that has ended says so twice", optional(func(w *world) {
		p := w.host()
		a := p.run(task("a", calls))
		a.crash("")
		x := a.exchange(success, p.request(a.Lease.Slot))
		require.ErrorIs(w.t, x.Settled[0].Err, backend.ErrLeaseLost)
		require.ErrorIs(w.t, x.Err, backend.ErrSlotLost)
	})},
	{"an exchange whose reply is lost is repeated as a settlement and a claim", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls))
		lossy := Faulty(w.place, Faults{LoseReply: 1}).Namespace(w.name).(backend.Exchanger)
		end, req := success, p.request(a.Lease.Slot)
		end.Lease = a.Lease
		_, err := lossy.Exchange(w.ctx, []backend.Settlement{end}, req)
		require.ErrorIs(w.t, err, ErrReplyLost)
		require.Equal(w.t, backend.StatusSucceeded, a.succeed())
		b := p.claimAs(req)
		require.Equal(w.t, "b", b.Lease.Task)
		require.Equal(w.t, 1, b.Attempt)
	})},
}
