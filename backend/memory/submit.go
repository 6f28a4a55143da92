package memory

import (
	"context"
	"slices"
	"strconv"

	"github.com/multinode/mn/backend"
)

// Submit implements [backend.Client].
func (s *store) Submit(ctx context.Context, session string, subs []backend.Submission) ([]backend.Submitted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answers := make([]backend.Submitted, len(subs))
	for at := 0; at == 0 || at < len(subs); at += submitAtOnce { // an empty batch asks after the session
		end := min(at+submitAtOnce, len(subs))
		if !s.submitSome(session, subs[at:end], answers[at:end]) {
			return nil, backend.ErrSessionLost
		}
	}
	return answers, nil
}

// submitAtOnce is how many tasks of a batch are stored under one hold of the mutex: so
// few that workers who wait for it meanwhile spin rather than sleep.
const submitAtOnce = 16

// submitSome stores a part of a batch; false if the session is lost.
func (s *store) submitSome(session string, subs []backend.Submission, answers []backend.Submitted) bool {
	fx := begin()
	s.mu.Lock()
	ses := s.sessions[session]
	if ses != nil {
		for i := range subs {
			answers[i] = s.submit(ses, &subs[i], fx)
		}
	}
	s.mu.Unlock()
	fx.carryOut()
	return ses != nil
}

func (s *store) submit(ses *session, sub *backend.Submission, fx *effects) backend.Submitted {
	p := s.pool(sub.Pool, sub.Kind)
	if p.spec.Kind != sub.Kind {
		return backend.Submitted{Err: backend.ErrWrongKind}
	}
	if known := s.known(sub); known != nil {
		if known.pool != p {
			return backend.Submitted{Err: backend.ErrTaskExists}
		}
		return backend.Submitted{Existing: true, Slot: s.unclaimed(ses, known)}
	}
	if p.spec.MaxPending > 0 && p.pending() >= p.spec.MaxPending {
		return backend.Submitted{Err: backend.ErrBackpressure}
	}
	if err := s.lockable(sub.Locks, nil); err != nil {
		return backend.Submitted{Err: err}
	}
	t := s.newTask(sub.Kind)
	t.pool = p
	t.Task = backend.Task{
		ID: sub.ID, Kind: sub.Kind, Pool: sub.Pool, Status: backend.StatusPending, Version: 1,
		Input: sub.Input, Parent: sub.Parent, Depth: sub.Depth, Root: sub.Root, Trace: sub.Trace,
		Created: fx.now,
	}
	if t.Kind == backend.Job {
		s.live[t.ID] = t
		s.highest = max(s.highest, t.ID)
		s.indexed(t).insert(t.ID)
		s.hold(t, sub.Locks)
	} else {
		s.calls[t.ID] = t
		t.session = ses
		ses.calls.push(t)
	}
	return s.place(ses, t, fx)
}

// known returns the task that has the submission's ID. Jobs and calls are not looked
// up among each other: their clients make IDs of different forms.
func (s *store) known(sub *backend.Submission) *task {
	if sub.Kind != backend.Job {
		return s.calls[sub.ID]
	}
	if sub.ID > s.highest { // as new IDs mostly are: no search among a million ended jobs
		return nil
	}
	return s.job(sub.ID)
}

// unclaimed returns the slot that was reserved with the task for the session, if its
// worker has not come: the answer that named it may have been lost.
func (s *store) unclaimed(ses *session, t *task) backend.Slot {
	if sl := s.slots[t.reserved]; sl != nil && sl.pool == t.pool && sl.session == nil && sl.launcher == ses {
		return backend.Slot{ID: sl.id, Pool: t.Pool}
	}
	return backend.Slot{}
}

// place finds a worker for a new task: an idle one, or one that the submitting
// session launches.
func (s *store) place(ses *session, t *task, fx *effects) backend.Submitted {
	p := t.pool
	if s.bundle(t, fx) {
		return backend.Submitted{}
	}
	if len(p.idle) == 0 && ses.Launches && slices.Contains(p.servers, ses) {
		p.push(t)
		if s.canReserve(p) {
			slot := s.reserve(p, ses, s.slotID(t))
			t.reserved = slot.ID
			s.hint(p, fx) // spares may be missing too
			return backend.Submitted{Slot: slot}
		}
		s.lend(p, fx)
		return backend.Submitted{}
	}
	s.enqueue(t, 0, fx)
	return backend.Submitted{}
}

// slotID names the slot that is reserved with a task. A job's ID may come again, and its
// slots must not, so they are numbered.
func (s *store) slotID(t *task) string {
	if t.Kind == backend.Function {
		return t.ID
	}
	s.epoch++
	buf := append(append(make([]byte, 0, 64), t.ID...), ".s"...) // on the stack
	return string(strconv.AppendUint(buf, s.epoch, 10))
}

// lockable reports the first key that another task holds.
func (s *store) lockable(keys []string, self *task) error {
	for _, key := range keys {
		if h := s.holders[key]; h != nil && h != self {
			return &backend.LockError{Key: key, Holder: h.ID}
		}
	}
	return nil
}

// hold gives free keys to a task.
func (s *store) hold(t *task, keys []string) {
	for _, key := range keys {
		if s.holders[key] == nil {
			s.holders[key] = t
			s.lockKeys.insert(key)
			t.Locks = append(t.Locks, key)
		}
	}
	slices.Sort(t.Locks)
}

// Cancel implements [backend.Client].
func (s *store) Cancel(ctx context.Context, ids []string) ([]error, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	errs := make([]error, len(ids))
	fx := begin()
	s.mu.Lock()
	for i, id := range ids {
		if t := s.find(id); t != nil {
			s.cancel(t, fx)
		} else {
			errs[i] = backend.ErrNotFound
		}
	}
	s.mu.Unlock()
	fx.carryOut()
	return errs, nil
}

// Remove implements [backend.Client].
func (s *store) Remove(ctx context.Context, ids []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fx := begin()
	s.mu.Lock()
	for _, id := range ids {
		t := s.job(id)
		if t == nil {
			continue
		}
		if t.Status.Terminal() {
			s.delete(t, fx)
			continue
		}
		if !t.Removing {
			t.Removing = true
			t.touch(fx)
		}
		s.cancel(t, fx)
	}
	s.mu.Unlock()
	fx.carryOut()
	return nil
}
