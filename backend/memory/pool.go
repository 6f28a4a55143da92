package memory

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/multinode/mn/backend"
)

// pool is the queue and the workers of one definition.
type pool struct {
	spec     backend.PoolSpec
	hardware hardware // of one slot
	declared bool
	servers  []*session // joined sessions that can execute it
	nested   list       // pending tasks that a function's handler submitted: they go first
	top      list       // all other pending tasks
	delayed  delayed    // tasks that wait for a retry
	alarm    *time.Timer
	idle     []*waiter // workers without a task; the last came last and is taken first
	lent     []*waiter // workers whose handler waits for a call
	slots    int
	starting int // slots without a first claim
	running  int
	blocked  string // why the platform refuses workers
	stats    backend.Stats
}

func (s *store) pool(name string, kind backend.Kind) *pool {
	p, ok := s.pools[name]
	if !ok {
		p = &pool{spec: backend.PoolSpec{Name: name, Kind: kind}}
		s.pools[name] = p
	}
	return p
}

func (p *pool) pending() int { return p.nested.len + p.top.len }

// lacking is how many workers the pool could use beyond those it has or awaits,
// limits aside.
func (p *pool) lacking() int {
	return p.pending() + p.spec.Spare - len(p.idle) - p.starting
}

func (p *pool) push(t *task) {
	if t.Depth > 0 {
		p.nested.push(t)
	} else {
		p.top.push(t)
	}
}

// pop takes the task that is next: nested ones first, because a task that is
// under way waits for each of them.
func (p *pool) pop(nestedOnly bool) *task {
	if t := p.nested.pop(); t != nil || nestedOnly {
		return t
	}
	return p.top.pop()
}

// next is the task that pop would take.
func (p *pool) next() *task {
	if p.nested.head != nil {
		return p.nested.head
	}
	return p.top.head
}

// drop takes a pending task out of its queue.
func (p *pool) drop(t *task) {
	if t.Depth > 0 {
		p.nested.remove(t)
	} else {
		p.top.remove(t)
	}
	p.delayed.drop(t)
}

func (p *pool) info() backend.PoolInfo {
	return backend.PoolInfo{
		Spec: p.spec, Declared: p.declared, Serving: len(p.servers) > 0,
		Pending: p.pending(), Delayed: len(p.delayed), Running: p.running,
		Starting: p.starting, Idle: len(p.idle), Slots: p.slots, Blocked: p.blocked,
	}
}

// enqueue makes a task PENDING in its pool: at once in the hands of an idle worker,
// or in the queue, or, with a delay, among those that wait for their time. It
// reports whether a worker took it.
func (s *store) enqueue(t *task, delay time.Duration, fx *effects) bool {
	p := t.pool
	if delay > 0 {
		t.NotBefore = fx.now.Add(delay)
		heap.Push(&p.delayed, t)
		s.setAlarm(p)
		return false
	}
	t.NotBefore = time.Time{}
	if w := p.takeIdle(); w != nil {
		s.handOver(t, w, fx)
		s.hint(p, fx) // a spare may be missing now
		return true
	}
	p.push(t)
	if !s.hint(p, fx) {
		s.lend(p, fx)
	}
	return false
}

// lend gives a nested task to a worker whose handler waits for a call, where no
// worker of its own can come: else handlers that wait for each other's pools would
// wait for ever.
func (s *store) lend(p *pool, fx *effects) {
	for len(p.lent) > 0 && p.nested.len > 0 {
		w := p.lent[len(p.lent)-1]
		p.lent = p.lent[:len(p.lent)-1]
		s.handOver(p.nested.pop(), w, fx)
	}
}

// hint tells a session that launches the pool that Reserve would find work to do,
// and reports whether it did.
func (s *store) hint(p *pool, fx *effects) bool {
	if !s.canReserve(p) {
		return false
	}
	for _, ses := range p.servers {
		if ses.Launches {
			fx.demands = append(fx.demands, demand{ses.inbox, p.spec.Name})
			return true
		}
	}
	return false
}

// launched reports whether a session launches workers of the pool: spares are kept for one alone.
func (p *pool) launched() bool {
	return slices.ContainsFunc(p.servers, func(ses *session) bool { return ses.Launches })
}

// hintAll is for changes that may matter to any pool.
func (s *store) hintAll(fx *effects) {
	for _, p := range s.pools {
		s.hint(p, fx)
	}
}

// setAlarm sees to it that the earliest delayed task is queued when its time comes.
func (s *store) setAlarm(p *pool) {
	if len(p.delayed) == 0 {
		if p.alarm != nil {
			p.alarm.Stop()
		}
		return
	}
	in := time.Until(p.delayed[0].NotBefore)
	if p.alarm == nil {
		p.alarm = time.AfterFunc(in, func() { s.wakeDelayed(p) })
	} else {
		p.alarm.Reset(in)
	}
}

func (s *store) wakeDelayed(p *pool) {
	fx := begin()
	s.mu.Lock()
	now := time.Now()
	for len(p.delayed) > 0 && !p.delayed[0].NotBefore.After(now) {
		t := heap.Pop(&p.delayed).(*task)
		s.enqueue(t, 0, fx)
		t.touch(fx)
	}
	s.setAlarm(p)
	s.mu.Unlock()
	fx.carryOut()
}

// delayed is a heap of tasks by their time.
type delayed []*task

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].NotBefore.Before(d[j].NotBefore) }
func (d delayed) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push implements [heap.Interface].
func (d *delayed) Push(t any) { *d = append(*d, t.(*task)) }

// Pop implements [heap.Interface].
func (d *delayed) Pop() any {
	last := len(*d) - 1
	t := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return t
}

func (d *delayed) drop(t *task) {
	if t.NotBefore.IsZero() {
		return
	}
	if i := slices.Index(*d, t); i >= 0 {
		heap.Remove(d, i)
	}
}

// describe is info with what only people ask for.
func (s *store) describe(p *pool) backend.PoolInfo {
	i := p.info()
	i.Stats = p.stats
	if t := p.next(); t != nil {
		i.Oldest = t.Created
	}
	if p.spec.Kind == backend.Job {
		i.Jobs = make(map[backend.Status]int)
		for _, st := range backend.Statuses {
			if set := s.index[indexKey{p.spec.Name, st}]; set != nil && set.len > 0 {
				i.Jobs[st] = set.len
			}
		}
	}
	return i
}

// Pools implements [backend.Client].
func (s *store) Pools(ctx context.Context) ([]backend.PoolInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := make([]backend.PoolInfo, 0, len(s.pools))
	for _, p := range s.pools {
		infos = append(infos, s.describe(p))
	}
	slices.SortFunc(infos, func(a, b backend.PoolInfo) int {
		if a.Spec.Name < b.Spec.Name {
			return -1
		}
		return 1
	})
	return infos, nil
}
