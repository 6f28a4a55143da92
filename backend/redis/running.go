package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/multinode/mn/backend"
)

// running remembers what slots execute, where looking for it takes long. What it says may be
// over: who uses it checks that.
type running struct {
	mu    sync.Mutex
	tasks map[string]string // by slot
}

// runningBound is how many slots are remembered.
const runningBound = 1000

// looks is how often it is looked for what a slot executes, if that has changed again since.
const looks = 3

// of is a task that the slot may execute, or "".
func (r *running) of(slot string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tasks[slot]
}

func (r *running) set(slot, task string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tasks == nil || len(r.tasks) >= runningBound {
		r.tasks = make(map[string]string)
	}
	r.tasks[slot] = task
}

// lookForRuns looks for what the slots of additions execute, remembers it, and returns the
// additions whose slots execute something.
func (s *store) lookForRuns(ctx context.Context, additions []backend.Addition) ([]backend.Addition, error) {
	found, pools := make(map[string]bool), make(map[string]bool) // by slot whether it executes something
	for i := range additions {
		slot := additions[i].Slot
		if _, looked := found[slot]; looked {
			continue
		}
		found[slot] = false
		f, err := s.slotRecord(ctx, slot)
		if err != nil {
			return nil, err
		}
		if len(f) > 0 {
			pools[f[0]] = true
		}
	}
	for pool := range pools {
		err := s.leased(ctx, pool, func(task, slot string) {
			if _, wanted := found[slot]; wanted {
				found[slot] = true
				s.running.set(slot, task)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(additions, func(a backend.Addition) bool { return !found[a.Slot] }), nil
}

// slotRecord reads what lua/lib/task.lua's slot does; nil if there is none.
func (s *store) slotRecord(ctx context.Context, slot string) ([]string, error) {
	values, err := s.b.rdb.HMGet(ctx, s.prefix+"slots", slot).Result()
	if err != nil {
		return nil, s.explain(ctx, "hmget", []any{slot}, err)
	}
	text, _ := values[0].(string)
	return netstrings(text)
}
