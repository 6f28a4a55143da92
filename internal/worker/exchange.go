package worker

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

// nextClaim is a worker's next claim where it was sent together with a settlement.
type nextClaim struct {
	req  backend.ClaimRequest // with an Op, if there is such a claim
	sent bool                 // its answer is got
	got  backend.Exchanged
}

// giveUp ends a claim that waits and that nobody will wait for.
func (n *nextClaim) giveUp() {
	if n.sent && n.got.Claim != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = n.got.Claim.Wait(ctx)
	}
	*n = nextClaim{}
}

// request is the worker's next claim.
func (w *worker) request() backend.ClaimRequest {
	cooldown := w.pool.Cooldown
	if w.pool.Spec.Kind == backend.Job {
		cooldown = 0
	}
	return backend.ClaimRequest{Slot: w.slot.ID, Session: w.proc.Session.ID, Op: w.nextOp(), Cooldown: cooldown}
}

// nextTasks claims the next tasks, or takes over what was claimed with the last settlement.
func (w *worker) nextTasks() ([]backend.Assignment, error) {
	n := w.next
	w.next = nextClaim{}
	switch {
	case n.req.Op == 0:
		w.waitSettled()
		return w.claim(w.ctx, w.request())
	case !n.sent && w.ctx.Err() != nil: // the exchange failed, and may have brought tasks nevertheless
		return w.recall(n.req, w.ctx.Err())
	case !n.sent: // the same claim again
		return w.claim(w.ctx, n.req)
	case n.got.Tasks != nil:
		return n.got.Tasks, nil
	case n.got.Err != nil:
		return nil, n.got.Err
	}
	as, err := n.got.Claim.Wait(w.ctx)
	if err != nil && w.ctx.Err() == nil && !final(err) {
		return w.claim(w.ctx, n.req)
	}
	return as, err
}

// exchange settles attempts, the last of which is a, and claims the worker's next tasks in
// one exchange. It reports false if that is not possible here, and nothing was done.
func (w *worker) exchange(a *Attempt, ends []backend.Settlement) (answers []backend.Settled, done bool, err error) {
	ex := w.proc.exchanger
	if ex == nil || w.pool.Spec.Kind == backend.Job || a.offer != nil || a.lending.Load() != nil || w.ctx.Err() != nil {
		return nil, false, nil
	}
	if !w.isSettled() { // the claim, which may retire the slot, waits for it, and these ends do not
		return nil, false, nil
	}
	w.next = nextClaim{req: w.request()}
	w.next.req.Max, w.next.req.Bundle = w.pace.tasks(batchTime), w.pace.tasks(w.bundleTime())
	var sent time.Time
	if w.next.req.Op%8 == 0 || w.cost == 0 { // a sample is enough
		sent = time.Now()
	}
	w.next.got, err = ex.Exchange(context.Background(), ends, w.next.req)
	if !sent.IsZero() {
		w.cost.addBounded(time.Since(sent))
	}
	w.next.sent = err == nil
	return w.next.got.Settled, true, err
}
