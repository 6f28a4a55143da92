package memory

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

func (ses *session) extend() { ses.until = time.Now().Add(ses.Lease) }

// overdue reports whether a deadline that the other side must keep has passed by
// more than the margin.
func overdue(until time.Time, margin time.Duration, now time.Time) bool {
	return !now.Before(until.Add(margin))
}

// Sweep implements [backend.Scaler]. It looks at sessions, slots and leased tasks,
// whose number is that of processes and workers, never that of stored jobs.
func (s *store) Sweep(ctx context.Context, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	fx := begin()
	s.mu.Lock()
	repaired := s.sweepSessions(limit, fx)
	repaired += s.sweepTasks(limit-repaired, fx)
	repaired += s.sweepSlots(limit-repaired, fx)
	s.mu.Unlock()
	fx.carryOut()
	return repaired, nil
}

func (s *store) sweepSessions(limit int, fx *effects) (repaired int) {
	now := time.Now()
	for _, ses := range s.sessions {
		if repaired >= limit {
			break
		}
		if overdue(ses.until, ses.Margin, now) {
			s.endSession(ses, "its process sent no heartbeat in time", fx)
			repaired++
		}
	}
	return repaired
}

func (s *store) sweepTasks(limit int, fx *effects) (repaired int) {
	now := time.Now()
	for t := s.leased.head; t != nil && repaired < limit; {
		next := t.links[linkLeased].next
		switch {
		case !t.killAt.IsZero() && !now.Before(t.killAt):
			s.kill(t, fx)
			repaired++
			next = s.leased.head // ending the slot may have ended the next task as well
		case overdue(t.until, t.slot.session.Margin, now):
			s.killSlot(t.slot, "its worker sent no heartbeat in time", fx)
			repaired++
			next = s.leased.head
		}
		t = next
	}
	return repaired
}

// kill ends a task whose grace is over although its worker has not ended it.
func (s *store) kill(t *task, fx *effects) {
	sl := t.slot
	s.unlease(t)
	s.fail(t, &backend.Failure{Code: backend.CodeTimeout, Note: "its handler did not return within the grace"}, false, 0, fx)
	s.killSlot(sl, "killed: its handler did not return within the grace", fx)
}

func (s *store) sweepSlots(limit int, fx *effects) (repaired int) {
	now := time.Now()
	for _, sl := range s.slots {
		if repaired >= limit {
			break
		}
		if sl.session == nil && !now.Before(sl.startBy) {
			sl.pool.blocked = "a worker did not start in time"
			s.killSlot(sl, sl.pool.blocked, fx)
			repaired++
		}
	}
	return repaired
}

var _ backend.Scaler = (*store)(nil)
