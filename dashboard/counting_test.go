package dashboard_test

import (
	"context"
	"sync"

	"github.com/multinode/mn/backend"
)

// counting counts the exchanges that readers cause, by method.
type counting struct {
	backend.Backend
	mu    sync.Mutex
	calls map[string]int
	away  error // what Locks answers, if it is not nil
}

func (c *counting) Namespace(name string) backend.Store {
	return &countingStore{Store: c.Backend.Namespace(name), c: c}
}

func (c *counting) add(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = make(map[string]int)
	}
	c.calls[method]++
}

// fail makes Locks answer with err, or work again.
func (c *counting) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = err
}

// take returns what was counted and begins anew.
func (c *counting) take() (calls map[string]int, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls, c.calls = c.calls, nil
	for _, n := range calls {
		all += n
	}
	return calls, all
}

type countingStore struct {
	backend.Store
	c *counting
}

func (s *countingStore) Get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	s.c.add("Get")
	return s.Store.Get(ctx, ids)
}

func (s *countingStore) Await(ctx context.Context, id string, u backend.Until) (*backend.Task, error) {
	s.c.add("Await")
	return s.Store.Await(ctx, id, u)
}

func (s *countingStore) Yields(ctx context.Context, id string, after uint64, limit int) ([]backend.Yield, error) {
	s.c.add("Yields")
	return s.Store.Yields(ctx, id, after, limit)
}

func (s *countingStore) List(ctx context.Context, req backend.ListRequest) ([]*backend.Task, error) {
	s.c.add("List")
	return s.Store.List(ctx, req)
}

func (s *countingStore) ListIDs(ctx context.Context, req backend.ListRequest) ([]string, error) {
	s.c.add("ListIDs")
	return s.Store.ListIDs(ctx, req)
}

func (s *countingStore) Locks(ctx context.Context, after string, limit int) ([]backend.LockInfo, error) {
	s.c.add("Locks")
	s.c.mu.Lock()
	away := s.c.away
	s.c.mu.Unlock()
	if away != nil {
		return nil, away
	}
	return s.Store.Locks(ctx, after, limit)
}

func (s *countingStore) Pools(ctx context.Context) ([]backend.PoolInfo, error) {
	s.c.add("Pools")
	return s.Store.Pools(ctx)
}

func (s *countingStore) Workers(ctx context.Context, pool string, offset, limit int) ([]backend.WorkerInfo, error) {
	s.c.add("Workers")
	return s.Store.Workers(ctx, pool, offset, limit)
}

func (s *countingStore) Journal(ctx context.Context, req backend.JournalRequest) ([]backend.Entry, error) {
	s.c.add("Journal")
	return s.Store.Journal(ctx, req)
}

func (s *countingStore) Attempts(ctx context.Context, id string) ([]backend.PastAttempt, error) {
	s.c.add("Attempts")
	return s.Store.Attempts(ctx, id)
}
