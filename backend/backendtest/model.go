package backendtest

import (
	"slices"
	"strings"

	"github.com/multinode/mn/backend"
)

// model is what a namespace should hold, computed by the transition table and nothing
// else. No worker of a history ever waits, no lease expires and no retry is delayed,
// so that all follows from the order of the steps.
type model struct {
	specs   map[string]*backend.PoolSpec
	tasks   map[string]*modelTask
	queue   []*modelTask // pending, oldest first
	holders map[string]string
	slots   map[string]*modelSlot
	results map[string]backend.Result // of calls that ended
	turn    int
}

type modelTask struct {
	backend.Task
	lease backend.Lease
	slot  *modelSlot
	log   []uint64
	turn  int // when it was queued; those queued in one step are in no order

	streams [2]modelStream
	past    []backend.PastAttempt
}

type modelSlot struct {
	id, pool string
	alive    bool
	tasks    []*modelTask
}

func newModel(specs ...backend.PoolSpec) *model {
	m := &model{
		specs: make(map[string]*backend.PoolSpec), tasks: make(map[string]*modelTask), holders: make(map[string]string),
		slots: make(map[string]*modelSlot), results: make(map[string]backend.Result),
	}
	for _, s := range specs {
		m.specs[s.Name] = &s
	}
	return m
}

// refuses is the error of a submission, and whether the task exists.
func (m *model) refuses(sub backend.Submission) (err error, existing bool) { //nolint:revive // the error is a value here, not a failure
	if m.tasks[sub.ID] != nil {
		return nil, true
	}
	return m.contended(sub.ID, sub.Locks), false
}

// contended is the error of taking locks: about the first that another task holds.
func (m *model) contended(id string, keys []string) error {
	for _, key := range keys {
		if h := m.holders[key]; h != "" && h != id {
			return &backend.LockError{Key: key, Holder: h}
		}
	}
	return nil
}

func (m *model) submit(sub backend.Submission) {
	t := &modelTask{Task: backend.Task{
		ID: sub.ID, Kind: sub.Kind, Pool: sub.Pool, Status: backend.StatusPending, Input: sub.Input, Depth: sub.Depth,
		Root: sub.Root,
	}}
	m.tasks[t.ID] = t
	m.turn++
	m.enqueue(t)
	m.lock(t, sub.Locks)
}

func (m *model) lock(t *modelTask, keys []string) {
	for _, key := range keys {
		if m.holders[key] == "" {
			m.holders[key] = t.ID
			t.Locks = append(t.Locks, key)
		}
	}
	slices.Sort(t.Locks)
}

// counts are the pool's numbers.
func (m *model) counts(pool string) (c counts) {
	for _, t := range m.queue {
		if t.Pool == pool {
			c.Pending++
		}
	}
	for _, s := range m.slots {
		if s.pool != pool {
			continue
		}
		c.Slots++
		c.Running += len(s.tasks)
		if !s.alive {
			c.Starting++
		}
	}
	return c
}

// room is how many slots a pool lacks.
func (m *model) room(pool string) int {
	c := m.counts(pool)
	return max(0, min(c.Pending-c.Starting, m.specs[pool].MaxWorkers-c.Slots))
}

func (m *model) reserve(id, pool string) { m.slots[id] = &modelSlot{id: id, pool: pool} }

// next is the task that a slot's claim should get, nil for none.
func (m *model) next(s *modelSlot, nestedOnly bool) *modelTask {
	for _, depth := range []bool{true, false} {
		for _, t := range m.queue {
			if t.Pool == s.pool && (t.Depth > 0) == depth && (depth || !nestedOnly) {
				return t
			}
		}
	}
	return nil
}

func (m *model) claim(s *modelSlot, t *modelTask, lease backend.Lease) {
	m.unqueue(t)
	t.Status, _ = backend.Next(t.Status, backend.EventClaim)
	t.Attempt++
	t.lease, t.slot, t.Slot = lease, s, s.id
	s.alive = true
	s.tasks = append(s.tasks, t)
}

func (m *model) enqueue(t *modelTask) {
	t.turn = m.turn
	m.queue = append(m.queue, t)
}

func (m *model) unqueue(t *modelTask) {
	m.queue = slices.DeleteFunc(m.queue, func(x *modelTask) bool { return x == t })
}

// move applies an event, and what comes with the new status.
func (m *model) move(t *modelTask, e backend.Event) {
	next, ok := backend.Next(t.Status, e)
	if !ok || next == t.Status {
		return
	}
	t.Status = next
	if next != backend.StatusRunning && next != backend.StatusCancelling && t.slot != nil {
		t.slot.tasks = slices.DeleteFunc(t.slot.tasks, func(x *modelTask) bool { return x == t })
		t.slot = nil
	}
	switch {
	case next == backend.StatusPending:
		m.enqueue(t)
	case next.Terminal():
		m.unqueue(t)
		m.end(t)
	}
}

func (m *model) end(t *modelTask) {
	for _, key := range t.Locks {
		delete(m.holders, key)
	}
	t.Locks = nil
	if t.Kind == backend.Function {
		m.results[t.ID] = backend.Result{ID: t.ID, Status: t.Status, Attempt: t.Attempt}
	}
	if t.Kind == backend.Function || t.Removing {
		delete(m.tasks, t.ID)
	}
}

func (m *model) settle(t *modelTask, end backend.Settlement) {
	m.turn++
	m.yield(t, end.Yields)
	switch end.Outcome {
	case backend.Succeeded:
		m.move(t, backend.EventSucceed)
	case backend.Released:
		if t.Status == backend.StatusRunning {
			t.Attempt--
		}
		m.move(t, backend.EventRelease)
	case backend.Failed:
		t.Errors++
		m.fail(t, !end.Permanent && m.specs[t.Pool].Retryable(t.Errors, t.Crashes, false))
	}
}

func (m *model) fail(t *modelTask, retry bool) {
	if retry {
		m.move(t, backend.EventRetry)
		if t.Kind == backend.Job && t.Status == backend.StatusPending {
			t.past = append(t.past, backend.PastAttempt{Number: t.Attempt, Slot: t.Slot})
		}
	} else {
		m.move(t, backend.EventFail)
	}
}

func (m *model) exit(s *modelSlot) {
	m.turn++
	delete(m.slots, s.id)
	for _, t := range slices.Clone(s.tasks) {
		t.Crashes++
		m.fail(t, m.specs[t.Pool].Retryable(t.Errors, t.Crashes, true))
	}
}

func (m *model) yield(t *modelTask, yields []backend.Yield) {
	for _, y := range yields {
		if y.Number > t.Yields {
			t.Yields, t.Result = y.Number, y.Data
			t.log = append(t.log, y.Number)
		}
	}
	t.log = t.log[max(0, len(t.log)-m.specs[t.Pool].KeepYields):]
}

func (m *model) remove(id string) {
	t := m.tasks[id]
	switch {
	case t == nil || t.Kind != backend.Job:
	case t.Status.Terminal():
		delete(m.tasks, id)
	default:
		t.Removing = true
		m.move(t, backend.EventCancel)
	}
}

// list is all jobs in the order of a list.
func (m *model) list(statuses ...backend.Status) []string {
	ids := []string{}
	for id, t := range m.tasks {
		if t.Kind == backend.Job && (len(statuses) == 0 || slices.Contains(statuses, t.Status)) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
	return ids
}
