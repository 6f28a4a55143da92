package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var batchExchangeRules = []rule{
	{"an exchange of several ends answers each, and claims several", optional(func(w *world) {
		p := w.host(maxWorkers(1), retries(1))
		batch := p.claimSeveral(p.start(tasks(12)...).ID, 4)
		most := (w.pool(calls).Pending + len(batch)) // those that are retried or handed back wait too
		ends, want := make([]backend.Settlement, len(batch)), make([]backend.Settled, len(batch))
		for i, a := range batch {
			ends[i].Lease, ends[i].Outcome, ends[i].Failure = a.Lease, backend.Outcome(1+i%3), failure("it broke")
			want[i].Status = []backend.Status{backend.StatusSucceeded, backend.StatusPending, backend.StatusPending}[i%3]
		}
		req := p.several(batch[0].Lease.Slot, 5)
		x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, req)
		require.NoError(w.t, err)
		require.Equal(w.t, want, x.Settled)
		require.NoError(w.t, x.Err)
		require.Nil(w.t, x.Claim)
		next := p.attempts(req.Slot, x.Tasks)
		require.LessOrEqual(w.t, len(next), min(5, most))
		require.Equal(w.t, numbers(len(batch), len(batch)+len(next)), names(next))
		require.Equal(w.t, next, p.claimAll(req))
		again, err := w.store.Settle(w.ctx, ends)
		require.NoError(w.t, err)
		require.Equal(w.t, want, again, "the settlement repeated answers as the first time")
	})},
	{"a stale end among others of an exchange is refused alone", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(12)...).ID, 5)
		for stale := range batch {
			ends := make([]backend.Settlement, len(batch))
			for i, a := range batch {
				ends[i] = success
				ends[i].Lease = a.Lease
			}
			ends[stale].Lease.Nonce++
			req := p.several(batch[0].Lease.Slot, 1)
			x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, req)
			require.NoError(w.t, err)
			for i, got := range x.Settled {
				if i == stale {
					require.ErrorIs(w.t, got.Err, backend.ErrLeaseLost)
					w.is(batch[i].Lease.Task, backend.StatusRunning)
				} else {
					require.Equal(w.t, backend.Settled{Status: backend.StatusSucceeded}, got)
					p.result(batch[i].Lease.Task)
				}
			}
			require.Len(w.t, x.Tasks, 1)
			p.end(backend.Succeeded, append(p.attempts(req.Slot, x.Tasks), batch[stale])...)
			if w.pool(calls).Pending < 6 {
				return
			}
			batch = p.claimSeveral(req.Slot, 2)
		}
	})},
	{"an exchange of several whose reply is lost is repeated as a settlement and a claim", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(12)...).ID, 4)
		lossy := Faulty(w.place, Faults{LoseReply: 1}).Namespace(w.name).(backend.Exchanger)
		ends := make([]backend.Settlement, len(batch))
		for i, a := range batch {
			ends[i] = backend.Settlement{Lease: a.Lease, Outcome: backend.Succeeded, Result: a.Input}
		}
		req := p.several(batch[0].Lease.Slot, 5)
		_, err := lossy.Exchange(w.ctx, ends, req)
		require.ErrorIs(w.t, err, ErrReplyLost)
		got := w.pool(calls).Running
		p.end(backend.Succeeded, batch...)
		next := p.claimAll(req)
		require.Len(w.t, next, got, "those that the lost reply named, and no others")
		require.Equal(w.t, numbers(len(batch), len(batch)+got), names(next))
		for _, a := range next {
			require.Equal(w.t, 1, a.Attempt)
		}
		require.Equal(w.t, counts{Pending: 12 - len(batch) - got, Running: got, Slots: 1}, w.counts(calls))
	})},
	{"an exchange gives a task that was lost with a worker alone", optional(func(w *world) {
		p := w.host(maxWorkers(2), crashes(3))
		lost, a := p.run(task("lost", calls)), p.run(task("a", calls))
		p.start(task("x", calls), task("y", calls))
		lost.crash("") // it queues behind x and y
		p.start(task("z", calls))
		req := p.several(a.Lease.Slot, 64)
		batch := p.exchanged(a.exchange(success, req), req)
		for len(batch) > 0 {
			if all := names(batch); len(all) > 1 {
				require.NotContains(w.t, all, "lost")
			}
			ends := make([]backend.Settlement, len(batch))
			for i := range batch {
				ends[i] = success
				ends[i].Lease = batch[i].Lease
			}
			req.Op++
			x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, req)
			require.NoError(w.t, err)
			batch = p.exchanged(x, req)
		}
		require.Equal(w.t, 2, p.result("lost").Attempt)
		require.Equal(w.t, 1, p.result("z").Attempt)
	})},
	{"an exchange that finds nothing waits for a bundle", optional(func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("a", calls))
		req := p.rests(a.Lease.Slot, 64)
		req.Bundle = 3
		x := a.exchange(success, req)
		require.NoError(w.t, x.Err)
		c.start(tasks(5)...)
		as, err := x.Claim.Wait(w.ctx)
		require.NoError(w.t, err)
		batch := p.attempts(req.Slot, as)
		require.LessOrEqual(w.t, len(batch), 3)
		require.Equal(w.t, batch, p.claimAll(req))
		p.end(backend.Succeeded, batch...)
		require.Equal(w.t, numbers(len(batch), 5), p.exhaust(req.Slot, 64))
	})},
	{"an exchange that leaves with one of its ends ends the slot and loses none of the others", optional(func(w *world) {
		p := w.host(maxWorkers(1), crashes(1))
		batch := p.claimSeveral(p.start(tasks(6)...).ID, 3)
		ends := make([]backend.Settlement, len(batch))
		for i, a := range batch {
			ends[i] = success
			ends[i].Lease, ends[i].Leave = a.Lease, i == len(batch)-1
		}
		x, err := w.store.(backend.Exchanger).Exchange(w.ctx, ends, p.several(batch[0].Lease.Slot, 3))
		require.NoError(w.t, err)
		for i := range x.Settled {
			require.Equal(w.t, backend.Settled{Status: backend.StatusSucceeded}, x.Settled[i])
		}
		require.ErrorIs(w.t, x.Err, backend.ErrSlotLost)
		require.Empty(w.t, x.Tasks)
		require.Equal(w.t, 6-len(batch), w.pool(calls).Pending)
		require.Zero(w.t, w.pool(calls).Running)
	})},
	{"an exchange is not held up by what a batch has left in flight", optional(func(w *world) {
		p := w.host(maxWorkers(1))
		batch := p.claimSeveral(p.start(tasks(6)...).ID, 3)
		x := batch[0].exchange(success, p.several(batch[0].Lease.Slot, 2))
		require.NoError(w.t, x.Err)
		next := p.attempts(batch[0].Lease.Slot, x.Tasks)
		require.Equal(w.t, len(batch)-1+len(next), w.pool(calls).Running)
		p.end(backend.Succeeded, append(batch[1:], next...)...)
	})},
}

// exchanged are the tasks that an exchange has brought; none if there was nothing to claim.
func (p *process) exchanged(x backend.Exchanged, req backend.ClaimRequest) []*attempt {
	p.t.Helper()
	if x.Err != nil {
		require.ErrorIs(p.t, x.Err, backend.ErrRetired)
		return nil
	}
	if x.Claim != nil { // it has no cooldown
		_, err := x.Claim.Wait(p.ctx)
		require.ErrorIs(p.t, err, backend.ErrRetired)
		return nil
	}
	return p.attempts(req.Slot, x.Tasks)
}
