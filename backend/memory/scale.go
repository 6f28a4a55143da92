package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/multinode/mn/backend"
)

// slot is the right to run one worker.
type slot struct {
	id       string
	store    *store
	pool     *pool
	hardware hardware
	launcher *session
	session  *session  // in which its worker lives; nil while it is starting
	startBy  time.Time // while it is starting
	waiter   *waiter
	tasks    []*task // leased to it: one, or more while its handlers wait for calls
	cooling  *time.Timer
	cooldown time.Duration
	idleFrom time.Time
	armed    bool // cooling is running
}

// canReserve reports whether the pool lacks a worker and limits allow one.
func (s *store) canReserve(p *pool) bool {
	return p.declared && p.lacking() > 0 && p.slots < p.spec.MaxWorkers && s.roomFor(p)
}

// roomFor reports whether the quota allows another slot of the pool, if need be
// after other pools' idle workers have left.
func (s *store) roomFor(p *pool) bool {
	if s.used.plus(p.hardware).within(s.quota) {
		return true
	}
	freeable := s.used
	for _, o := range s.pools {
		for range len(o.idle) - o.spec.Spare {
			freeable = freeable.minus(o.hardware)
		}
	}
	return freeable.plus(p.hardware).within(s.quota)
}

// makeRoom retires other pools' idle workers, the longest idle first in each pool,
// until the quota allows another slot of p.
func (s *store) makeRoom(p *pool) {
	for _, o := range s.pools {
		for len(o.idle) > o.spec.Spare && !s.used.plus(p.hardware).within(s.quota) {
			s.retire(o.idle[0])
		}
	}
}

func (s *store) reserve(p *pool, ses *session, id string) backend.Slot {
	s.makeRoom(p)
	for s.slots[id] != nil { // of an earlier task of this ID, and put to other use
		s.epoch++
		id = fmt.Sprintf("%s.s%d", ses.ID, s.epoch)
	}
	s.slots[id] = &slot{
		id: id, store: s, pool: p, hardware: p.hardware, launcher: ses, startBy: time.Now().Add(ses.Starting),
	}
	p.slots++
	p.starting++
	s.used = s.used.plus(p.hardware)
	return backend.Slot{ID: id, Pool: p.spec.Name}
}

// freeSlot forgets a slot that holds no task.
func (s *store) freeSlot(sl *slot) {
	if s.slots[sl.id] != sl {
		return
	}
	delete(s.slots, sl.id)
	sl.pool.slots--
	if sl.session == nil {
		sl.pool.starting--
	}
	s.used = s.used.minus(sl.hardware)
	if sl.cooling != nil {
		sl.cooling.Stop()
	}
}

// hintFreed tells that a slot is free: the pool, or with a quota any pool, may use it.
func (s *store) hintFreed(p *pool, fx *effects) {
	if s.quota != (hardware{}) {
		s.hintAll(fx)
		return
	}
	s.hint(p, fx)
}

// endSlot ends a slot whose worker is gone: its tasks are lost with it.
func (s *store) endSlot(sl *slot, note string, fx *effects) {
	s.freeSlot(sl)
	s.dismiss(sl, fx)
	for _, t := range slices.Clone(sl.tasks) {
		s.lose(t, note, fx)
	}
	s.hintFreed(sl.pool, fx)
	if sl.session == nil { // the worker that nested tasks were to wait for never came
		s.lend(sl.pool, fx)
	}
}

// dismiss ends the claims of a slot that wait.
func (s *store) dismiss(sl *slot, fx *effects) {
	for _, l := range []*[]*waiter{&sl.pool.idle, &sl.pool.lent} {
		*l = slices.DeleteFunc(*l, func(w *waiter) bool {
			if w.slot != sl {
				return false
			}
			w.err = backend.ErrSlotLost
			fx.grants = append(fx.grants, grant{to: w})
			return true
		})
	}
}

// killSlot ends a slot whose worker is silent and may still run: who launched it is
// told to kill it.
func (s *store) killSlot(sl *slot, note string, fx *effects) {
	s.endSlot(sl, note, fx)
	if s.sessions[sl.launcher.ID] == sl.launcher {
		fx.kills = append(fx.kills, kill{sl.launcher.inbox, sl.id})
	}
}

// spareLook is how often a spare without a cooldown looks whether it still is one.
const spareLook = time.Second

// rest notes that the slot is idle from now on. Its timer is set once and looks
// when it fires how long the slot has really been idle, so that a busy worker pays
// for no timer.
func (sl *slot) rest(s *store, cooldown time.Duration, now time.Time) {
	if cooldown == 0 {
		cooldown = spareLook
	}
	sl.idleFrom, sl.cooldown = now, cooldown
	switch {
	case sl.armed:
	case sl.cooling == nil:
		sl.cooling = time.AfterFunc(cooldown, func() { s.cool(sl) })
	default:
		sl.cooling.Reset(cooldown)
	}
	sl.armed = true
}

// cool retires the slot if it has been idle for its cooldown and is no spare.
func (s *store) cool(sl *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.armed = false
	if s.slots[sl.id] != sl || !slices.Contains(sl.pool.idle, sl.waiter) {
		return // rest sets the timer again
	}
	left := time.Until(sl.idleFrom.Add(sl.cooldown))
	if left <= 0 && (len(sl.pool.idle) > sl.pool.spec.Spare || !sl.pool.launched()) {
		s.retire(sl.waiter)
		return
	}
	if left <= 0 {
		left = sl.cooldown
	}
	sl.armed = true
	sl.cooling.Reset(left)
}

// retire ends an idle slot.
func (s *store) retire(w *waiter) {
	w.slot.pool.forget(w)
	w.err = backend.ErrRetired
	w.ch <- nil // there is room for one, and only those who forgot the waiter may send
	s.freeSlot(w.slot)
}

// Reserve implements [backend.Scaler].
func (s *store) Reserve(ctx context.Context, session string, pools []string, limit int) ([]backend.Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessions[session]
	if ses == nil {
		return nil, backend.ErrSessionLost
	}
	var slots []backend.Slot
	for _, name := range pools {
		p := s.pools[name]
		if p == nil || !ses.Launches || !slices.Contains(p.servers, ses) {
			continue
		}
		for n := 0; n < limit && s.canReserve(p); n++ {
			s.epoch++ // only to number the slot
			// The s keeps it apart from the IDs of calls, after which slots are named too.
			slots = append(slots, s.reserve(p, ses, fmt.Sprintf("%s.s%d", session, s.epoch)))
		}
	}
	return slots, nil
}

// Exit implements [backend.Scaler].
func (s *store) Exit(ctx context.Context, exits []backend.SlotExit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fx := begin()
	s.mu.Lock()
	for _, e := range exits {
		sl := s.slots[e.Slot]
		if sl == nil {
			continue
		}
		if e.Refused {
			sl.pool.blocked = e.Note
		}
		s.endSlot(sl, e.Note, fx)
	}
	s.mu.Unlock()
	fx.carryOut()
	return nil
}
