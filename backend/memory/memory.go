// Package memory keeps mn's state in this process: the embedded default, for unit
// tests and for programs that need no other process. It is also the readable
// specification of what a backend does.
//
// Everything of a namespace is guarded by one mutex. A step takes it once, decides,
// and leaves what it has to tell others in an [effects], which is carried out after
// the mutex is free, so that no wake-up is paid for inside it.
package memory

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// Backend is a place in this process's memory. Create it with New.
type Backend struct {
	mu     sync.Mutex
	stores map[string]*store
}

// New returns an empty backend.
func New() *Backend {
	return &Backend{stores: make(map[string]*store)}
}

// InProcess tells that other processes do not share it.
func (b *Backend) InProcess() {}

// Namespace implements [backend.Backend].
func (b *Backend) Namespace(name string) backend.Store {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.stores[name]
	if !ok {
		s = newStore()
		b.stores[name] = s
	}
	return s
}

// store is one namespace.
type store struct {
	mu       sync.Mutex
	live     map[string]*task // jobs that have not ended
	ended    map[string]*task // and those that have: apart, so that they do not slow a start
	highest  string           // of all IDs that jobs have had
	calls    map[string]*task // apart, so that a million jobs do not slow a call's look-up
	index    map[indexKey]*sortedSet
	pools    map[string]*pool
	slots    map[string]*slot
	sessions map[string]*session
	holders  map[string]*task // lock key → holder
	lockKeys sortedSet
	leased   list // tasks under a lease
	epoch    uint64
	recent   recentEnds
	free     []*task  // used records of calls
	quota    hardware // zero: unlimited
	used     hardware // by all slots
}

func newStore() *store {
	return &store{
		live:     make(map[string]*task),
		ended:    make(map[string]*task),
		calls:    make(map[string]*task),
		index:    make(map[indexKey]*sortedSet),
		pools:    make(map[string]*pool),
		slots:    make(map[string]*slot),
		sessions: make(map[string]*session),
		holders:  make(map[string]*task),
		leased:   list{link: linkLeased},
	}
}

var _ backend.Store = (*store)(nil)

// hardware is CPU in thousandths and memory in bytes: integers, so that what is
// added and subtracted a million times is still exact.
type hardware struct{ milliCPU, memory int64 }

func newHardware(cpu float64, memory int64) hardware {
	return hardware{int64(math.Round(cpu * 1000)), memory}
}

func (h hardware) plus(o hardware) hardware {
	return hardware{h.milliCPU + o.milliCPU, h.memory + o.memory}
}

func (h hardware) minus(o hardware) hardware {
	return hardware{h.milliCPU - o.milliCPU, h.memory - o.memory}
}

// within reports whether h fits into limit, whose zero fields bound nothing.
func (h hardware) within(limit hardware) bool {
	return (limit.milliCPU == 0 || h.milliCPU <= limit.milliCPU) &&
		(limit.memory == 0 || h.memory <= limit.memory)
}

// session is a process that has joined.
type session struct {
	backend.Session
	inbox backend.Inbox
	until time.Time
	calls list // unfinished calls it submitted
}

// Join implements [backend.Store].
func (s *store) Join(ctx context.Context, j backend.Session, inbox backend.Inbox) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fx := begin()
	s.mu.Lock()
	ses, ok := s.sessions[j.ID]
	if ok {
		s.unserve(ses)
	} else {
		ses = &session{calls: list{link: linkSession}}
		s.sessions[j.ID] = ses
	}
	j.Pools = slices.Clone(j.Pools)
	ses.Session, ses.inbox, ses.until = j, inbox, time.Now().Add(j.Lease)
	if len(j.Pools) > 0 {
		s.quota = newHardware(j.Quota.CPU, j.Quota.Memory)
	}
	for _, spec := range j.Pools {
		p := s.pool(spec.Name, spec.Kind)
		p.spec, p.declared = spec, true
		p.hardware = newHardware(spec.CPU, spec.Memory)
		p.servers = append(p.servers, ses)
	}
	s.hintAll(fx)
	s.mu.Unlock()
	fx.carryOut()
	return nil
}

// Leave implements [backend.Store].
func (s *store) Leave(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fx := begin()
	s.mu.Lock()
	if ses := s.sessions[id]; ses != nil {
		s.endSession(ses, "its process left", fx)
	}
	s.mu.Unlock()
	fx.carryOut()
	return nil
}

// endSession forgets a session with its calls and its slots. The order matters: the
// calls go first, so that none is given to another worker for nobody; then all its
// idle workers, so that no task lost with one of its slots is given to the next.
func (s *store) endSession(ses *session, note string, fx *effects) {
	delete(s.sessions, ses.ID)
	s.unserve(ses)
	for t := ses.calls.head; t != nil; t = ses.calls.head {
		ses.calls.remove(t)
		t.session = nil // nobody is left to deliver to
		s.cancel(t, fx)
	}
	var gone []*slot
	for _, sl := range s.slots {
		if sl.session == ses || (sl.session == nil && sl.launcher == ses) {
			gone = append(gone, sl)
			s.dismiss(sl, fx)
		}
	}
	for _, sl := range gone {
		s.killSlot(sl, note, fx)
	}
	s.hintAll(fx)
}

// unserve takes a session off the pools that it could execute.
func (s *store) unserve(ses *session) {
	for _, spec := range ses.Pools {
		p := s.pools[spec.Name]
		for i, x := range p.servers {
			if x == ses {
				p.servers = append(p.servers[:i], p.servers[i+1:]...)
				break
			}
		}
	}
}
