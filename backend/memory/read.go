package memory

import (
	"context"

	"github.com/multinode/mn/backend"
)

// Get implements [backend.Client].
func (s *store) Get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tasks := make([]*backend.Task, len(ids))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range ids {
		if t := s.find(id); t != nil {
			tasks[i] = s.snapshot(t)
		}
	}
	return tasks, nil
}

// Await implements [backend.Client].
func (s *store) Await(ctx context.Context, id string, until backend.Until) (*backend.Task, error) {
	for {
		t, change, err := s.look(id, until)
		if change == nil {
			return t, err
		}
		select {
		case <-change:
		case <-until.Quit:
			return nil, backend.ErrQuit
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look reads a task that is as awaited, or returns the channel that tells of its
// next step towards that.
func (s *store) look(id string, until backend.Until) (*backend.Task, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(id)
	switch {
	case t == nil:
		return nil, nil, backend.ErrNotFound
	case until.Ended && !t.Status.Terminal():
		if t.ended == nil {
			t.ended = make(chan struct{})
		}
		return nil, t.ended, nil
	case !until.Ended && t.Version <= until.After:
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		return nil, t.changed, nil
	}
	return s.snapshot(t), nil, nil
}

// Yields implements [backend.Client].
func (s *store) Yields(ctx context.Context, id string, after uint64, limit int) ([]backend.Yield, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.job(id)
	if t == nil {
		return nil, backend.ErrNotFound
	}
	var page []backend.Yield
	for _, y := range t.log {
		if y.Number > after && len(page) < limit {
			page = append(page, y)
		}
	}
	return page, nil
}

// List implements [backend.Client].
func (s *store) List(ctx context.Context, req backend.ListRequest) ([]*backend.Task, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limit := req.Limit
	if limit <= 0 {
		limit = backend.DefaultPage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.list(req, limit)
	tasks := make([]*backend.Task, len(ids))
	for i, id := range ids {
		tasks[i] = s.snapshot(s.job(id))
	}
	return tasks, nil
}

// ListIDs implements [backend.Client].
func (s *store) ListIDs(ctx context.Context, req backend.ListRequest) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limit := req.Limit
	if limit <= 0 {
		limit = backend.DefaultPage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list(req, limit), nil
}

// Locks implements [backend.Client].
func (s *store) Locks(ctx context.Context, after string, limit int) ([]backend.LockInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.lockKeys.above(after, limit)
	infos := make([]backend.LockInfo, len(keys))
	for i, key := range keys {
		infos[i] = backend.LockInfo{Key: key, Holder: s.holders[key].ID}
	}
	return infos, nil
}
