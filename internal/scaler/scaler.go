// Package scaler turns demand into workers: it reserves slots in the backend,
// launches each with the provisioner, and sweeps what is lost.
package scaler

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/provisioner"
)

// sweepLimit is how many repairs one sweep does; a full one is repeated at once.
const sweepLimit = 100

// restful is how many times rarer a worker process sweeps. Of those there may be thousands, and
// what they ask of the backend is paid for by all.
const restful = 10

const (
	// reserveLimit is how many slots of a pool are reserved in one exchange.
	reserveLimit = 1000
	// roomLook is how soon a pool is looked at again that lacks more workers than its
	// provisioner launches soon.
	roomLook = time.Second
)

// Config is what a Scaler needs.
type Config struct {
	Store       backend.Store
	Session     string
	Provisioner provisioner.Provisioner
	Pools       map[string]provisioner.Resources // those that it may launch
	Sweep       time.Duration
	Worker      bool // this process was launched as a worker
	Logger      *slog.Logger
}

// Scaler is one process's scaler. All processes of a namespace may run one: slots
// are reserved in the backend, which holds the limits.
type Scaler struct {
	Config
	pacer provisioner.Pacer // Provisioner, if it is one
	wake  chan struct{}     // buffered: there is something to do

	mu      sync.Mutex
	demands map[string]bool
	refused map[string]refusal
	kills   []string
	paused  bool
}

// New returns a scaler that does nothing until Run.
func New(c Config) *Scaler {
	s := &Scaler{
		Config:  c,
		wake:    make(chan struct{}, 1),
		demands: make(map[string]bool),
		refused: make(map[string]refusal),
	}
	s.pacer, _ = c.Provisioner.(provisioner.Pacer)
	return s
}

// Launch launches the worker of a reserved slot. It does not block, except for one
// exchange with the backend where the platform has just refused such a worker.
func (s *Scaler) Launch(slot backend.Slot) {
	s.mu.Lock()
	r := s.refused[slot.Pool]
	s.mu.Unlock()
	if time.Now().Before(r.until) {
		s.free(slot.ID, provisioner.Exit{Note: r.note, Refused: true})
		return
	}
	s.Provisioner.Launch(provisioner.Worker{ID: slot.ID, Pool: slot.Pool, Resources: s.Pools[slot.Pool]})
}

// free tells the backend of a slot without a worker.
func (s *Scaler) free(slot string, e provisioner.Exit) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Sweep)
	defer cancel()
	exit := backend.SlotExit{Slot: slot, Note: e.Note, Refused: e.Refused}
	if err := s.Store.Exit(ctx, []backend.SlotExit{exit}); err != nil {
		s.Logger.Warn("mn: worker slot not freed, a sweep will", "slot", slot, "error", err)
	}
}

// Demand says that a pool may lack workers. It does not block.
func (s *Scaler) Demand(pool string) {
	s.mu.Lock()
	s.demands[pool] = true
	s.mu.Unlock()
	s.signal()
}

// Kill has a slot's worker killed. It does not block.
func (s *Scaler) Kill(slot string) {
	s.mu.Lock()
	s.kills = append(s.kills, slot)
	s.mu.Unlock()
	s.signal()
}

// Pause ends the scaling; sweeps and kills go on.
func (s *Scaler) Pause() {
	s.mu.Lock()
	s.paused = true
	s.mu.Unlock()
}

func (s *Scaler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run serves demands and sweeps until ctx is done, and blocks as long.
func (s *Scaler) Run(ctx context.Context) {
	every := s.Sweep
	if s.Worker {
		every *= restful
	}
	timer, again := time.NewTimer(every-rand.N(every/2)), time.NewTimer(roomLook)
	defer timer.Stop()
	defer again.Stop()
	serve := func() {
		if s.serve(ctx) {
			again.Reset(roomLook)
		}
	}
	tick := func() {
		s.demandAll()
		serve()
		s.sweep(ctx)
	}
	if !s.Worker { // thousands of them may start together
		tick()
	}
	for {
		select {
		case <-s.wake:
			serve()
		case <-again.C:
			serve()
		case <-timer.C:
			tick()
			// Jitter keeps the sweeps of many processes apart. It only shortens the wait:
			// what is lost must be found within Sweep.
			timer.Reset(every - rand.N(every/2))
		case <-ctx.Done():
			return
		}
	}
}

// launches reports whether the process can launch workers at all.
func (s *Scaler) launches() bool { return s.Provisioner != provisioner.None }

func (s *Scaler) demandAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pool := range s.Pools {
		s.demands[pool] = s.launches()
	}
}

// take returns what is to do now. Pools that rest stay in demand for the next tick.
func (s *Scaler) take() (pools, kills []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for pool, wanted := range s.demands {
		if wanted && !s.paused && !now.Before(s.refused[pool].until) {
			pools = append(pools, pool)
		}
	}
	clear(s.demands)
	kills, s.kills = s.kills, nil
	return pools, kills
}

// serve does what is to do now, and reports whether pools may lack more workers than the
// provisioner has room for: they stay in demand.
func (s *Scaler) serve(ctx context.Context) (more bool) {
	pools, kills := s.take()
	for _, slot := range kills {
		s.Provisioner.Kill(slot)
	}
	for limit, group := range s.byRoom(pools) {
		full := group
		if limit > 0 {
			full = s.reserve(ctx, group, limit)
		}
		s.keep(full)
		more = more || len(full) > 0
	}
	return more
}

// byRoom groups pools by how many of their workers may be launched now. There is mostly one
// group, so that one exchange serves all.
func (s *Scaler) byRoom(pools []string) map[int][]string {
	groups := make(map[int][]string, 1)
	for _, pool := range pools {
		room := reserveLimit
		if s.pacer != nil {
			room = max(0, min(s.pacer.Room(pool), reserveLimit))
		}
		groups[room] = append(groups[room], pool)
	}
	return groups
}

// reserve reserves slots and launches their workers. It returns the pools that got all that the limit
// allows, and may lack more.
func (s *Scaler) reserve(ctx context.Context, pools []string, limit int) (full []string) {
	slots, err := s.Store.Reserve(ctx, s.Session, pools, limit)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("mn: no worker slots reserved, will repeat", "error", err)
		}
		return nil
	}
	got := make(map[string]int, len(pools))
	for _, slot := range slots {
		s.Launch(slot)
		if got[slot.Pool]++; got[slot.Pool] == limit {
			full = append(full, slot.Pool)
		}
	}
	return full
}

// keep leaves pools in demand, without waking anybody for it.
func (s *Scaler) keep(pools []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pool := range pools {
		s.demands[pool] = true
	}
}

func (s *Scaler) sweep(ctx context.Context) {
	for {
		n, err := s.Store.Sweep(ctx, sweepLimit)
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("mn: sweep failed, will repeat", "error", err)
		}
		if err != nil || n < sweepLimit {
			return
		}
	}
}
