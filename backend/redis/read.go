package redis

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

// Get implements [backend.Client].
func (s *store) Get(ctx context.Context, ids []string) ([]*backend.Task, error) {
	return s.get(ctx, ids, false)
}

// get reads tasks; with all, also calls that have ended and whose result is not
// acknowledged yet.
func (s *store) get(ctx context.Context, ids []string, all bool) ([]*backend.Task, error) {
	reply, err := s.eval(ctx, scriptGet, append([]any{flag(all)}, list(ids)...))
	if err != nil {
		return nil, err
	}
	records, ok := reply.([]any)
	if !ok || len(records) != len(ids) {
		return nil, errForeign
	}
	tasks := make([]*backend.Task, len(ids))
	for i, r := range records {
		fields, ok := r.([]any)
		if !ok {
			return nil, errForeign
		}
		if tasks[i], err = parseTask(ids[i], fields); err != nil {
			return nil, err
		}
	}
	return tasks, nil
}

// List implements [backend.Client].
func (s *store) List(ctx context.Context, req backend.ListRequest) ([]*backend.Task, error) {
	ids, err := s.ListIDs(ctx, req)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	tasks, err := s.Get(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := tasks[:0]
	for _, t := range tasks { // one may have been removed between the two
		if t != nil {
			found = append(found, t)
		}
	}
	return found, nil
}

// ListIDs implements [backend.Client].
func (s *store) ListIDs(ctx context.Context, req backend.ListRequest) ([]string, error) {
	limit := req.Limit
	if limit <= 0 {
		limit = backend.DefaultPage
	}
	wanted := req.Statuses
	if len(wanted) == 0 {
		wanted = backend.Statuses[:]
	}
	args := []any{req.Pool, req.Before, req.From, limit, len(wanted)}
	for _, st := range wanted {
		args = append(args, letters[st])
	}
	ids, _, err := s.texts(ctx, scriptList, args)
	return ids, err
}

// Locks implements [backend.Client].
func (s *store) Locks(ctx context.Context, after string, limit int) ([]backend.LockInfo, error) {
	flat, _, err := s.texts(ctx, scriptLocks, []any{after, limit})
	if err != nil {
		return nil, err
	}
	infos := make([]backend.LockInfo, 0, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		infos = append(infos, backend.LockInfo{Key: flat[i], Holder: flat[i+1]})
	}
	return infos, nil
}

// Yields implements [backend.Client].
func (s *store) Yields(ctx context.Context, id string, after uint64, limit int) ([]backend.Yield, error) {
	reply, err := s.eval(ctx, scriptYields, []any{id, after, limit})
	if err != nil {
		return nil, err
	}
	members, ok := reply.([]any)
	if !ok {
		return nil, backend.ErrNotFound
	}
	yields := make([]backend.Yield, 0, len(members))
	for _, m := range members {
		text, _ := m.(string)
		f, err := netstrings(text)
		if err != nil || len(f) != 2 {
			return nil, errForeign
		}
		yields = append(yields, backend.Yield{Number: number[uint64](f[0]), Data: []byte(f[1])})
	}
	return yields, nil
}

// Pools implements [backend.Client].
func (s *store) Pools(ctx context.Context) ([]backend.PoolInfo, error) {
	reply, err := s.eval(ctx, scriptPools, nil)
	if err != nil {
		return nil, err
	}
	rows, ok := reply.([]any)
	if !ok {
		return nil, errForeign
	}
	infos := make([]backend.PoolInfo, 0, len(rows))
	for _, r := range rows {
		info, err := parsePool(r)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func parsePool(row any) (backend.PoolInfo, error) {
	values, ok := row.([]any)
	if !ok || len(values) != 24 {
		return backend.PoolInfo{}, errForeign
	}
	f := make([]string, len(values))
	for i, v := range values {
		f[i], _ = v.(string)
	}
	jobs, err := parseJobs(f[22])
	if err != nil {
		return backend.PoolInfo{}, err
	}
	stats, err := parseStats(f[23])
	if err != nil {
		return backend.PoolInfo{}, err
	}
	ms := func(i int) time.Duration { return time.Duration(number[int64](f[i])) * time.Millisecond }
	return backend.PoolInfo{
		Spec: backend.PoolSpec{
			Name: f[0], Kind: backend.Kind(number[int](f[1])), MaxWorkers: number[int](f[2]), Spare: number[int](f[3]),
			CPU: float64(number[int64](f[4])) / 1000, Memory: number[int64](f[5]), Timeout: ms(6), Grace: ms(7),
			Retries: number[int](f[8]), CrashBudget: number[int](f[9]), KeepYields: number[int](f[10]), MaxPending: number[int](f[11]),
		},
		Declared: f[12] == "1", Serving: number[int](f[13]) > 0, Pending: number[int](f[14]), Delayed: number[int](f[15]),
		Running: number[int](f[16]), Starting: number[int](f[17]), Idle: number[int](f[18]), Slots: number[int](f[19]), Blocked: f[20],
		Oldest: moment(f[21]), Jobs: jobs, Stats: stats,
	}, nil
}

// storedOrder is the order in which pools.lua counts a pool's jobs.
const storedOrder = "PRGSFC"

// parseJobs reads how many jobs are in each status; "" is none, for functions.
func parseJobs(text string) (map[backend.Status]int, error) {
	if text == "" {
		return nil, nil
	}
	f, err := netstrings(text)
	if err != nil || len(f) != len(storedOrder) {
		return nil, errForeign
	}
	jobs := make(map[backend.Status]int)
	for i := range f {
		if n := number[int](f[i]); n > 0 {
			jobs[statuses[storedOrder[i:i+1]]] = n
		}
	}
	return jobs, nil
}

// watched is a task that goroutines of this process wait for.
type watched struct {
	changed chan struct{} // closed at the next message
	record  string        // as it came with the message of its end, or ""
	waiters int
}

func (w *watched) wake() {
	if w != nil {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// rewatch is how often a waiting Await looks by itself: messages may get lost.
const rewatch = 3 * time.Second

// Await implements [backend.Client].
func (s *store) Await(ctx context.Context, id string, until backend.Until) (*backend.Task, error) {
	if err := s.inbox.listen(ctx, s.inbox.instance); err != nil {
		return nil, err
	}
	timer := time.NewTimer(rewatch)
	defer timer.Stop()
	for {
		changed := s.watch(id) // before the look, so that no change falls between
		t, err := s.look(ctx, id, until)
		if t == nil && err == nil {
			timer.Reset(rewatch)
			select {
			case <-changed:
				t, err = s.endedRecord(id)
			case <-timer.C:
			case <-until.Quit:
				err = backend.ErrQuit
			case <-ctx.Done():
				err = ctx.Err()
			case <-s.b.lifetime.Done():
				err = errClosed
			}
		}
		s.unwatch(id)
		if t != nil || err != nil {
			return t, err
		}
	}
}

// look reads a task that is as awaited; nil if it is not yet, and this process will be
// told.
func (s *store) look(ctx context.Context, id string, until backend.Until) (*backend.Task, error) {
	reply, err := s.eval(ctx, scriptAwait, []any{id, s.inbox.instance, until.After, flag(until.Ended)})
	switch {
	case err != nil:
		return nil, err
	case reply == nil:
		return nil, backend.ErrNotFound
	case reply == "":
		return nil, nil
	}
	tasks, err := s.Get(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if tasks[0] == nil {
		return nil, backend.ErrNotFound
	}
	return tasks[0], nil
}

func (s *store) watch(id string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watching[id]
	if w == nil {
		w = &watched{changed: make(chan struct{})}
		s.watching[id] = w
	}
	w.waiters++
	return w.changed
}

func (s *store) unwatch(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.watching[id]; w != nil {
		if w.waiters--; w.waiters == 0 {
			delete(s.watching, id)
		}
	}
}

// taskEnded wakes those who wait for a task, and has the record for them if it was sent.
func (s *store) taskEnded(id, record string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.watching[id]; w != nil {
		w.record = record
		w.wake()
	}
}

// endedRecord returns the task if its record came with the message that woke its waiters.
func (s *store) endedRecord(id string) (*backend.Task, error) {
	s.mu.Lock()
	var record string
	if w := s.watching[id]; w != nil {
		record = w.record
	}
	s.mu.Unlock()
	if record == "" {
		return nil, nil
	}
	f, err := netstrings(record)
	if err != nil {
		return nil, err
	}
	fields := make([]any, len(f))
	for i := range f {
		fields[i] = f[i]
	}
	return parseTask(id, fields)
}

// changed wakes those who wait for a task; id "" wakes all.
func (s *store) changed(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" {
		s.watching[id].wake()
		return
	}
	for _, w := range s.watching {
		w.wake()
	}
}
