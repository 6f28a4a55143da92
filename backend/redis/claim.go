package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/multinode/mn/backend"
)

// slot is a worker of this process that waits or has waited.
type slot struct {
	session string
	pool    string // known once it has had a task
	lastOp  uint64
	waiters map[string]*waiter // by op
}

// waiter is one waiting Claim.
type waiter struct {
	s      *store
	req    backend.ClaimRequest
	member string     // how the backend knows it; "" before it does
	looked time.Time  // when it was last known to wait
	ch     chan grant // room for one
}

type grant struct {
	as  []backend.Assignment
	err error
}

// register notes a Claim before the backend knows of it, so that a hand-over finds it.
// again reports whether the slot's last claim had the same Op.
func (s *store) register(req backend.ClaimRequest) (w *waiter, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[req.Slot]
	if sl == nil {
		sl = &slot{session: req.Session, waiters: make(map[string]*waiter)}
		s.slots[req.Slot] = sl
	}
	again = sl.lastOp == req.Op && req.Op != 0
	sl.lastOp = req.Op
	w = &waiter{s: s, req: req, ch: make(chan grant, 1)}
	sl.waiters[strconv.FormatUint(req.Op, 10)] = w
	return w, again
}

// unregister forgets a Claim that is answered; where the answer was that its slot has
// ended, the slot too.
func (s *store) unregister(req backend.ClaimRequest, as []backend.Assignment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[req.Slot]
	if sl == nil {
		return
	}
	delete(sl.waiters, strconv.FormatUint(req.Op, 10))
	if len(as) > 0 {
		sl.pool = as[0].Pool
	}
	if errors.Is(err, backend.ErrRetired) || errors.Is(err, backend.ErrSlotLost) {
		delete(s.slots, req.Slot)
	}
}

// endedSlot forgets a slot that has ended otherwise than by the answer to a claim.
func (s *store) endedSlot(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.slots[id]; sl != nil && len(sl.waiters) == 0 {
		delete(s.slots, id)
	}
}

// askAgain asks for a task whose message may have got lost. Should the message come after
// all, the task is known to be in hand.
func (s *store) askAgain(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, string, error) {
	as, member, err := s.send(ctx, req, true)
	if len(as) > 0 {
		s.mu.Lock()
		for i := range as {
			s.inHand[as[i].Lease.Nonce] = time.Now()
		}
		s.mu.Unlock()
	}
	return as, member, err
}

// messageBound is how long a message may be on its way.
const messageBound = time.Minute

// forgetInHand forgets leases whose message must have got lost.
func (s *store) forgetInHand() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.inHand, func(_ uint64, since time.Time) bool { return time.Since(since) > messageBound })
}

// bundle is ClaimRequest.Bundle within its bounds.
func bundle(req backend.ClaimRequest) int { return max(1, min(req.Bundle, req.Max)) }

// assigned hands tasks over to the Claim that they were leased to. Those for which nobody
// waits are handed back.
func (s *store) assigned(slotID, op string, as []backend.Assignment) {
	s.mu.Lock()
	var w *waiter
	if sl := s.slots[slotID]; sl != nil {
		w = sl.waiters[op]
	}
	as = slices.DeleteFunc(as, func(a backend.Assignment) bool {
		_, known := s.inHand[a.Lease.Nonce]
		delete(s.inHand, a.Lease.Nonce)
		return known
	})
	s.mu.Unlock()
	if len(as) == 0 || w != nil && w.give(grant{as: as}) {
		return
	}
	s.b.start(func(ctx context.Context) {
		ends := make([]backend.Settlement, len(as))
		for i := range as {
			ends[i] = backend.Settlement{Lease: as[i].Lease, Outcome: backend.Released}
		}
		_, _ = s.Settle(ctx, ends)
	})
}

// ended tells a waiting Claim that its slot is gone.
func (s *store) ended(slotID, op, why string) {
	err := backend.ErrSlotLost
	if why == "retired" {
		err = backend.ErrRetired
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.slots[slotID]; sl != nil && sl.waiters[op] != nil {
		sl.waiters[op].give(grant{err: err})
	}
}

// Claim implements [backend.Worker].
func (s *store) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	as, w, err := s.begin(ctx, req)
	if w == nil {
		return as, err
	}
	return w.Wait(ctx)
}

// begin sends a claim. It returns the tasks, or the waiter that is registered.
func (s *store) begin(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, *waiter, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	w, again := s.register(req)
	// Once it is sent the answer must be heard, for it may bring a task.
	ask := s.ask
	if again {
		ask = s.askAgain
	}
	as, member, err := ask(context.WithoutCancel(ctx), req)
	if len(as) > 0 || err != nil {
		s.unregister(req, as, err)
		return as, nil, err
	}
	w.await(member)
	return nil, w, nil
}

// await notes how the backend knows a waiter, from when on it may look after it.
func (w *waiter) await(member string) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.member, w.looked = member, time.Now()
}

// known is how the backend knows it.
func (w *waiter) known() string {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.member
}

// Wait implements [backend.Claiming].
func (w *waiter) Wait(ctx context.Context) ([]backend.Assignment, error) {
	as, err := w.wait(ctx)
	w.s.unregister(w.req, as, err)
	return as, err
}

func (w *waiter) wait(ctx context.Context) ([]backend.Assignment, error) {
	select {
	case g := <-w.ch:
		return g.as, g.err
	default:
	}
	idle := w.req.Cooldown
	if idle == 0 { // a spare looks now and then whether it still is one
		idle = time.Second
	}
	cooldown := time.NewTimer(idle)
	if w.req.Nested {
		cooldown.Stop()
	}
	defer cooldown.Stop()
	for {
		select {
		case g := <-w.ch:
			return g.as, g.err
		case <-cooldown.C:
			if w.s.retire(ctx, w) {
				return nil, backend.ErrRetired
			}
			cooldown.Reset(idle)
		case <-ctx.Done():
			return w.s.withdraw(ctx, w)
		case <-w.s.b.lifetime.Done():
			return nil, errClosed
		}
	}
}

// ask asks for tasks for the first time.
func (s *store) ask(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, string, error) {
	return s.send(ctx, req, false)
}

// send runs claim.lua. It returns the tasks, or how the backend knows the waiting worker.
func (s *store) send(ctx context.Context, req backend.ClaimRequest, again bool) ([]backend.Assignment, string, error) {
	reply, _, err := s.texts(ctx, scriptClaim, []any{
		req.Slot, req.Session, req.Op, flag(req.Cooldown > 0), flag(req.Nested), flag(again), max(1, req.Max), bundle(req),
	})
	if err != nil {
		return nil, "", err
	}
	switch reply[0] {
	case "A":
		as, err := readAssignments(reply[1:])
		return as, "", err
	case "wait":
		return nil, reply[1], nil
	case "retired":
		return nil, "", backend.ErrRetired
	case "slot":
		return nil, "", backend.ErrSlotLost
	case "session":
		return nil, "", backend.ErrSessionLost
	}
	return nil, "", fmt.Errorf("%w: claim answered %q", errForeign, reply[0])
}

func readAssignments(texts []string) ([]backend.Assignment, error) {
	as := make([]backend.Assignment, len(texts))
	for i, text := range texts {
		f, err := netstrings(text)
		if err != nil {
			return nil, err
		}
		if as[i], err = parseAssignment(f); err != nil {
			return nil, err
		}
	}
	return as, nil
}

// retire ends the slot of a worker that was idle for its cooldown. It reports false if
// the worker is a spare, got a task just now, or could not ask: then it waits on.
func (s *store) retire(ctx context.Context, w *waiter) bool {
	reply, err := s.text(ctx, scriptWithdraw, []any{w.req.Slot, w.known(), "1"})
	return err == nil && reply == "retired"
}

// withdraw takes a waiting worker back because its ctx is done. A task that was on its
// way belongs to the caller.
func (s *store) withdraw(ctx context.Context, w *waiter) ([]backend.Assignment, error) {
	why := ctx.Err()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
	defer cancel()
	reply, err := s.text(ctx, scriptWithdraw, []any{w.req.Slot, w.known(), "0"})
	if err != nil || reply == "back" {
		return nil, why
	}
	select {
	case g := <-w.ch:
		return g.as, g.err
	case <-time.After(time.Second):
	}
	as, _, err := s.askAgain(ctx, w.req)
	if len(as) == 0 && err == nil {
		err = why
	}
	return as, err
}

// lookForTasks looks for tasks that were handed over by a message that got lost.
func (s *store) lookForTasks(ctx context.Context) {
	for _, w := range s.waiting(lookAfter) {
		reply, err := s.text(ctx, scriptWithdraw, []any{w.req.Slot, w.known(), "?"})
		if err != nil || reply != "gone" {
			continue
		}
		as, member, err := s.askAgain(ctx, w.req)
		switch {
		case len(as) > 0 || err != nil && ctx.Err() == nil:
			w.give(grant{as, err})
		case member != "": // it waits anew
			w.await(member)
		}
	}
}

// waiting returns the waiting claims that were last looked at so long ago.
func (s *store) waiting(age time.Duration) []*waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var ws []*waiter
	for _, sl := range s.slots {
		for _, w := range sl.waiters {
			if w.member != "" && now.Sub(w.looked) >= age {
				w.looked = now
				ws = append(ws, w)
			}
		}
	}
	return ws
}

// give hands w what it waits for; false if it has something already.
func (w *waiter) give(g grant) bool {
	select {
	case w.ch <- g:
		return true
	default:
		return false
	}
}
