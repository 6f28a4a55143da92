package simulation

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

// Backend lets many simulated processes share a backend that lives in this one. It counts the
// steps of each kind of process and watches the limits.
type Backend struct {
	inner backend.Backend
	exact bool

	mu    sync.Mutex
	steps map[string]int
	pools map[string]backend.PoolInfo // each figure at its highest
	cpu   float64                     // most in use by all slots
	swept time.Time
}

// NewBackend returns a Backend on another. With exact each sweep is carried out; without,
// those of workers are counted, and one in each sweepThin is. Their number grows with the workers', and what
// one costs in backend/memory does too, so that thousands take hours.
func NewBackend(inner backend.Backend, exact bool) *Backend {
	return &Backend{inner: inner, exact: exact, steps: map[string]int{}, pools: map[string]backend.PoolInfo{}}
}

const sweepThin = 500 * time.Millisecond

// Steps is how often each step was called by each kind of process, by "kind step".
func (b *Backend) Steps() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.steps)
}

// Peak is a pool with each of its figures as high as it was seen, and CPU what all pools'
// slots used together. Slots are looked at after each step that may have reserved some.
func (b *Backend) Peak(pool string) (info backend.PoolInfo, cpu float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pools[pool], b.cpu
}

func (b *Backend) look(ctx context.Context, s backend.Store) {
	infos, err := s.Pools(context.WithoutCancel(ctx))
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	cpu := 0.0
	for _, p := range infos {
		m := b.pools[p.Spec.Name]
		m.Spec = p.Spec
		m.Pending, m.Running = max(m.Pending, p.Pending), max(m.Running, p.Running)
		m.Starting, m.Idle, m.Slots = max(m.Starting, p.Starting), max(m.Idle, p.Idle), max(m.Slots, p.Slots)
		b.pools[p.Spec.Name] = m
		cpu += float64(p.Slots) * p.Spec.CPU
	}
	b.cpu = max(b.cpu, cpu)
}

// View is a Backend as one process sees it.
type View struct {
	b     *Backend
	kind  string
	delay time.Duration
	cut   atomic.Bool
}

// As returns the view of one process of a kind: "worker" is known. Steps of a scaler take the delay;
// others are done at once, because some are made under a mutex, behind which a simulated
// clock does not go on.
func (b *Backend) As(kind string, delay time.Duration) *View {
	return &View{b: b, kind: kind, delay: delay}
}

// Cut is the process's death, as the backend sees it: nothing comes from it any more.
func (v *View) Cut() { v.cut.Store(true) }

// Namespace implements [backend.Backend].
func (v *View) Namespace(name string) backend.Store {
	inner := v.b.inner.Namespace(name)
	return &view{Store: inner, exchanger: inner.(backend.Exchanger), v: v}
}

type view struct {
	backend.Store
	exchanger backend.Exchanger
	v         *View
}

var errCut = errors.New("simulated network: connection refused")

func (s *view) step(name string) error {
	if s.v.cut.Load() {
		return errCut
	}
	b := s.v.b
	b.mu.Lock()
	b.steps[s.v.kind+" "+name]++
	b.mu.Unlock()
	return nil
}

// slow is step for the steps of a scaler.
func (s *view) slow(ctx context.Context, name string) error {
	if err := s.step(name); err != nil {
		return err
	}
	if s.v.delay > 0 && !sleep(ctx, s.v.delay) {
		return ctx.Err()
	}
	if s.v.cut.Load() {
		return errCut
	}
	return nil
}

func (s *view) Submit(ctx context.Context, session string, subs []backend.Submission) ([]backend.Submitted, error) {
	if err := s.step("Submit"); err != nil {
		return nil, err
	}
	answers, err := s.Store.Submit(ctx, session, subs)
	s.v.b.look(ctx, s.Store)
	return answers, err
}

func (s *view) Join(ctx context.Context, ses backend.Session, inbox backend.Inbox) error {
	if err := s.step("Join"); err != nil {
		return err
	}
	return s.Store.Join(ctx, ses, inbox)
}

func (s *view) Leave(ctx context.Context, session string) error {
	if err := s.step("Leave"); err != nil {
		return err
	}
	return s.Store.Leave(ctx, session)
}

func (s *view) Reserve(ctx context.Context, session string, pools []string, limit int) ([]backend.Slot, error) {
	if err := s.slow(ctx, "Reserve"); err != nil {
		return nil, err
	}
	slots, err := s.Store.Reserve(ctx, session, pools, limit)
	if len(slots) > 0 {
		s.v.b.look(ctx, s.Store)
	}
	return slots, err
}

func (s *view) Exit(ctx context.Context, exits []backend.SlotExit) error {
	if err := s.slow(ctx, "Exit"); err != nil {
		return err
	}
	return s.Store.Exit(ctx, exits)
}

func (s *view) Sweep(ctx context.Context, limit int) (int, error) {
	if err := s.slow(ctx, "Sweep"); err != nil {
		return 0, err
	}
	if !s.v.b.exact && s.v.kind == "worker" {
		s.v.b.mu.Lock()
		skip := time.Since(s.v.b.swept) < sweepThin
		if !skip {
			s.v.b.swept = time.Now()
		}
		s.v.b.mu.Unlock()
		if skip {
			return 0, nil
		}
	}
	return s.Store.Sweep(ctx, limit)
}

func (s *view) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	if err := s.step("Heartbeat"); err != nil {
		return nil, err
	}
	return s.Store.Heartbeat(ctx, session, leases)
}

func (s *view) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	if err := s.step("Claim"); err != nil {
		return nil, err
	}
	as, err := s.Store.Claim(ctx, req)
	if s.v.cut.Load() {
		return nil, errCut
	}
	return as, err
}

func (s *view) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	if err := s.step("Settle"); err != nil {
		return nil, err
	}
	return s.Store.Settle(ctx, ends)
}

func (s *view) Exchange(ctx context.Context, ends []backend.Settlement, req backend.ClaimRequest) (backend.Exchanged, error) {
	if err := s.step("Exchange"); err != nil {
		return backend.Exchanged{}, err
	}
	x, err := s.exchanger.Exchange(ctx, ends, req)
	if x.Claim != nil {
		x.Claim = &claiming{x.Claim, s.v}
	}
	return x, err
}

// claiming is a claim that waits, of a process that may die meanwhile.
type claiming struct {
	backend.Claiming
	v *View
}

func (c *claiming) Wait(ctx context.Context) ([]backend.Assignment, error) {
	as, err := c.Claiming.Wait(ctx)
	if c.v.cut.Load() {
		return nil, errCut
	}
	return as, err
}
