// Package mntest runs mn in unit tests: an app on memory that is closed with the
// test, and faults to inject.
//
// It works inside a [testing/synctest] bubble, where an hour's timeout passes in
// milliseconds: create the app inside the bubble.
package mntest

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
)

// New returns an app with the definitions, on memory and goroutines. It is closed when
// the test ends; work that still runs then is told to stop.
func New(t testing.TB, defs ...mn.Definition) *mn.App {
	t.Helper()
	return NewWith(t, mn.Config{Definitions: defs})
}

// NewWith is New for a configuration of one's own, with faults. An empty Name becomes
// "test", and an empty Logger discards: what the app says is about faults that the test
// makes on purpose.
func NewWith(t testing.TB, cfg mn.Config, faults ...Fault) *mn.App {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.Backend == nil {
		cfg.Backend = memory.New()
	}
	if len(faults) > 0 {
		cfg.Backend = &faultyBackend{Backend: cfg.Backend, faults: faults}
	}
	app, err := mn.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app
}

// Fault is something that goes wrong on purpose. One fault serves one app.
type Fault interface {
	yielded(s *faultyStore, l backend.Lease, newest uint64) (kill bool)
	heartbeat() (drop bool)
}

// KillAfterYield kills the worker of a run of the named job when its n-th yield, or a
// later one that took its place, is stored: as if its process had died at that moment.
// It does so once.
func KillAfterYield(job string, n uint64) Fault { return &killAfterYield{job: job, n: n} }

type killAfterYield struct {
	job  string
	n    uint64
	once sync.Once
}

func (f *killAfterYield) yielded(s *faultyStore, l backend.Lease, newest uint64) (kill bool) {
	if newest < f.n || s.pool(l.Task) != f.job {
		return false
	}
	f.once.Do(func() { kill = true })
	return kill
}

func (f *killAfterYield) heartbeat() bool { return false }

// DropHeartbeats loses the app's next n heartbeats: as if its process had been cut off
// for as long. At three lost ones in a row, with the default timing, its attempts are
// fenced off and end with mn.ErrLeaseLost.
func DropHeartbeats(n int) Fault { return &dropHeartbeats{left: n} }

type dropHeartbeats struct {
	mu   sync.Mutex
	left int
}

func (f *dropHeartbeats) yielded(*faultyStore, backend.Lease, uint64) bool { return false }

func (f *dropHeartbeats) heartbeat() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	return f.left >= 0
}

type faultyBackend struct {
	backend.Backend
	faults []Fault
}

func (b *faultyBackend) Namespace(name string) backend.Store {
	return &faultyStore{Store: b.Backend.Namespace(name), faults: b.faults}
}

// faultyStore lets the faults have their say on what a worker sends.
type faultyStore struct {
	backend.Store
	faults []Fault

	mu    sync.Mutex
	inbox backend.Inbox

	// writing lets one yield or end be stored at a time: a worker that dies after a yield
	// has not sent its end meanwhile.
	writing sync.Mutex
}

func (s *faultyStore) Join(ctx context.Context, j backend.Session, inbox backend.Inbox) error {
	s.mu.Lock()
	s.inbox = inbox
	s.mu.Unlock()
	return s.Store.Join(ctx, j, inbox)
}

// pool returns the definition of a task.
func (s *faultyStore) pool(id string) string {
	tasks, err := s.Get(context.Background(), []string{id})
	if err != nil || tasks[0] == nil {
		return ""
	}
	return tasks[0].Pool
}

func (s *faultyStore) Yield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.yield(ctx, l, yields)
}

func (s *faultyStore) yield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	if err := s.Store.Yield(ctx, l, yields); err != nil {
		return err
	}
	return s.afterYield(ctx, l, yields)
}

// afterYield kills the worker if a fault says so.
func (s *faultyStore) afterYield(ctx context.Context, l backend.Lease, yields []backend.Yield) error {
	if len(yields) == 0 {
		return nil
	}
	for _, f := range s.faults {
		if f.yielded(s, l, yields[len(yields)-1].Number) {
			s.mu.Lock()
			inbox := s.inbox
			s.mu.Unlock()
			inbox.Kill(l.Slot)
			return lost(s.Exit(context.WithoutCancel(ctx), []backend.SlotExit{{Slot: l.Slot, Note: "killed by the test"}}))
		}
	}
	return nil
}

// lost is what a killed worker sees of an exchange: its lease is gone.
func lost(err error) error {
	if err == nil {
		err = backend.ErrLeaseLost
	}
	return err
}

func (s *faultyStore) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, e := range ends {
		if len(e.Yields) == 0 {
			continue
		}
		// The last yields come with the end: store them first, so that a worker can be
		// killed between the two.
		if err := s.yield(ctx, e.Lease, e.Yields); err != nil && ctx.Err() != nil {
			return nil, err
		}
	}
	return s.Store.Settle(ctx, ends)
}

func (s *faultyStore) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	for _, f := range s.faults {
		if f.heartbeat() {
			return nil, context.DeadlineExceeded
		}
	}
	return s.Store.Heartbeat(ctx, session, leases)
}
