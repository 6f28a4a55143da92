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

// The wait before a pool that the platform refused is tried again.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// forgetAfter is how much later a refusal is the first again. Longer than a worker may take to be
	// refused, such as one that has a node and does not start.
	forgetAfter = 10 * time.Minute
)

// shortLife is the age below which the death of a worker counts as a refusal: a program
// that crashes as it starts must not be launched in a loop.
const shortLife = 2 * time.Second

// Config is what a Scaler needs.
type Config struct {
	Store       backend.Store
	Session     string
	Provisioner provisioner.Provisioner
	Pools       map[string]provisioner.Resources // those that it may launch
	Sweep       time.Duration
	Logger      *slog.Logger
}

// Scaler is one process's scaler. All processes of a namespace may run one: slots
// are reserved in the backend, which holds the limits.
type Scaler struct {
	Config
	wake chan struct{} // buffered: there is something to do

	mu      sync.Mutex
	demands map[string]bool
	refused map[string]refusal
	kills   []string
	paused  bool
}

// refusal is how often in a row the platform refused a pool's workers.
type refusal struct {
	times int
	until time.Time
	note  string
}

// New returns a scaler that does nothing until Run.
func New(c Config) *Scaler {
	return &Scaler{
		Config:  c,
		wake:    make(chan struct{}, 1),
		demands: make(map[string]bool),
		refused: make(map[string]refusal),
	}
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

// Exited tells the backend what the platform saw of a worker's end. It blocks for
// one exchange.
func (s *Scaler) Exited(w provisioner.Worker, e provisioner.Exit) {
	if e.Refused || e.Lived > 0 && e.Lived < shortLife {
		s.rest(w.Pool, e.Note)
		e.Refused = true // those who wait see why it rests: a program that crashes as it starts
	}
	s.free(w.ID, e)
}

// rest notes that the platform refused a worker of the pool: its demand rests for a
// while, longer each time.
func (s *Scaler) rest(pool, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refused[pool]
	if time.Since(r.until) > forgetAfter {
		r.times = 0
	}
	r.times++
	r.note = note
	r.until = time.Now().Add(min(firstRetry<<min(r.times-1, 10), lastRetry))
	s.refused[pool] = r
}

// Served notes that a worker of the pool has come to life.
func (s *Scaler) Served(pool string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) > 0 {
		delete(s.refused, pool)
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
	timer := time.NewTimer(s.Sweep)
	defer timer.Stop()
	tick := func() {
		s.demandAll()
		s.serve(ctx)
		s.sweep(ctx)
	}
	tick()
	for {
		select {
		case <-s.wake:
			s.serve(ctx)
		case <-timer.C:
			tick()
			// Jitter keeps the sweeps of many processes apart. It only shortens the wait:
			// what is lost must be found within Sweep.
			timer.Reset(s.Sweep - rand.N(s.Sweep/2))
		case <-ctx.Done():
			return
		}
	}
}

func (s *Scaler) demandAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pool := range s.Pools {
		s.demands[pool] = true
	}
}

// take returns what is to do now. Pools that rest stay in demand for the next tick.
func (s *Scaler) take() (pools, kills []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for pool := range s.demands {
		if !s.paused && !now.Before(s.refused[pool].until) {
			pools = append(pools, pool)
		}
	}
	clear(s.demands)
	kills, s.kills = s.kills, nil
	return pools, kills
}

func (s *Scaler) serve(ctx context.Context) {
	pools, kills := s.take()
	for _, slot := range kills {
		s.Provisioner.Kill(slot)
	}
	if len(pools) == 0 {
		return
	}
	slots, err := s.Store.Reserve(ctx, s.Session, pools)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("mn: no worker slots reserved, will repeat", "error", err)
		}
		return
	}
	for _, slot := range slots {
		s.Launch(slot)
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
