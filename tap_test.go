package mn_test

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/multinode/mn/backend"
)

var errDown = errors.New("connection refused")

// tap is a backend that lets a test have its say before each exchange, and after it,
// when its reply may still be lost.
type tap struct {
	backend.Backend
	before func(op string) error
	after  func(op string) error
	yield  func(context.Context, []backend.Yield) error
	down   atomic.Bool // every exchange fails
	deaf   bool        // hints of cancels are lost
}

// deafInbox loses the hints of cancels.
type deafInbox struct{ backend.Inbox }

func (deafInbox) Cancel(backend.Lease) {}

func (b *tap) Namespace(name string) backend.Store {
	return &tapStore{Store: b.Backend.Namespace(name), tap: b}
}

type tapStore struct {
	backend.Store
	tap *tap
}

func through[T any](s *tapStore, op string, do func() (T, error)) (v T, err error) {
	if s.tap.down.Load() {
		return v, errDown
	}
	if f := s.tap.before; f != nil {
		if err := f(op); err != nil {
			return v, err
		}
	}
	result, err := do()
	if f := s.tap.after; f != nil && err == nil {
		if err := f(op); err != nil {
			return v, err
		}
	}
	return result, err
}

func (s *tapStore) only(op string, do func() error) error {
	_, err := through(s, op, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (s *tapStore) Join(ctx context.Context, ses backend.Session, inbox backend.Inbox) error {
	if s.tap.deaf {
		inbox = deafInbox{inbox}
	}
	return s.only("join", func() error { return s.Store.Join(ctx, ses, inbox) })
}

func (s *tapStore) Leave(ctx context.Context, session string) error {
	return s.only("leave", func() error { return s.Store.Leave(ctx, session) })
}

func (s *tapStore) Submit(ctx context.Context, session string, subs []backend.Submission) ([]backend.Submitted, error) {
	return through(s, "submit", func() ([]backend.Submitted, error) { return s.Store.Submit(ctx, session, subs) })
}

func (s *tapStore) Cancel(ctx context.Context, ids []string) ([]error, error) {
	return through(s, "cancel", func() ([]error, error) { return s.Store.Cancel(ctx, ids) })
}

func (s *tapStore) Remove(ctx context.Context, ids []string) error {
	return s.only("remove", func() error { return s.Store.Remove(ctx, ids) })
}

func (s *tapStore) Get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	return through(s, "get", func() ([]*backend.Task, error) { return s.Store.Get(ctx, ids) })
}

func (s *tapStore) Await(ctx context.Context, id string, until backend.Until) (*backend.Task, error) {
	return through(s, "await", func() (*backend.Task, error) { return s.Store.Await(ctx, id, until) })
}

func (s *tapStore) Yields(ctx context.Context, id string, after uint64, limit int) ([]backend.Yield, error) {
	return through(s, "yields", func() ([]backend.Yield, error) { return s.Store.Yields(ctx, id, after, limit) })
}

func (s *tapStore) ListIDs(ctx context.Context, req backend.ListRequest) ([]string, error) {
	return through(s, "list", func() ([]string, error) { return s.Store.ListIDs(ctx, req) })
}

func (s *tapStore) Locks(ctx context.Context, after string, limit int) ([]backend.LockInfo, error) {
	return through(s, "locks", func() ([]backend.LockInfo, error) { return s.Store.Locks(ctx, after, limit) })
}

func (s *tapStore) Claim(ctx context.Context, req backend.ClaimRequest) ([]backend.Assignment, error) {
	return through(s, "claim", func() ([]backend.Assignment, error) { return s.Store.Claim(ctx, req) })
}

func (s *tapStore) Heartbeat(ctx context.Context, session string, ls []backend.Lease) ([]backend.LeaseState, error) {
	return through(s, "heartbeat", func() ([]backend.LeaseState, error) { return s.Store.Heartbeat(ctx, session, ls) })
}

func (s *tapStore) Yield(ctx context.Context, l backend.Lease, ys []backend.Yield) error {
	return s.only("yield", func() error {
		if f := s.tap.yield; f != nil {
			if err := f(ctx, ys); err != nil {
				return err
			}
		}
		return s.Store.Yield(ctx, l, ys)
	})
}

func (s *tapStore) Lock(ctx context.Context, l backend.Lease, keys []string) error {
	return s.only("lock", func() error { return s.Store.Lock(ctx, l, keys) })
}

func (s *tapStore) Settle(ctx context.Context, ends []backend.Settlement) ([]backend.Settled, error) {
	return through(s, "settle", func() ([]backend.Settled, error) { return s.Store.Settle(ctx, ends) })
}

func (s *tapStore) Reserve(ctx context.Context, session string, pools []string, limit int) ([]backend.Slot, error) {
	return through(s, "reserve", func() ([]backend.Slot, error) { return s.Store.Reserve(ctx, session, pools, limit) })
}

func (s *tapStore) Exit(ctx context.Context, exits []backend.SlotExit) error {
	return s.only("exit", func() error { return s.Store.Exit(ctx, exits) })
}

func (s *tapStore) Sweep(ctx context.Context, limit int) (int, error) {
	return through(s, "sweep", func() (int, error) { return s.Store.Sweep(ctx, limit) })
}
