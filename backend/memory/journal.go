package memory

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/multinode/mn/backend"
)

// extra is what few jobs have.
type extra struct {
	streams [2]stream
	past    []backend.PastAttempt
}

// stream is one journal of a job.
type stream struct {
	entries []backend.Entry
	last    uint64 // number of the newest that there ever was
	bytes   int
}

// extras returns the job's, which it makes.
func (t *task) extras() *extra {
	if t.extra == nil {
		t.extra = new(extra)
	}
	return t.extra
}

// stream returns a journal of the job; nil if nothing was ever written to it.
func (t *task) stream(s backend.Stream) *stream {
	if t.extra == nil {
		return nil
	}
	return &t.extra.streams[s-backend.LogStream]
}

// Append implements [backend.Worker].
func (s *store) Append(ctx context.Context, additions []backend.Addition) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range additions {
		if err := checkStream(additions[i].Stream); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range additions {
		a := &additions[i]
		if t := s.journaled(a); t != nil {
			t.extras()
			t.stream(a.Stream).add(a.Data, a.Limit)
		}
	}
	return nil
}

func checkStream(s backend.Stream) error {
	if s != backend.LogStream && s != backend.CallStream {
		return fmt.Errorf("memory: there is no stream %d: choose backend.LogStream or backend.CallStream", s)
	}
	return nil
}

// journaled finds the job that an addition is for.
func (s *store) journaled(a *backend.Addition) *task {
	if a.Job != "" {
		return s.job(a.Job)
	}
	sl := s.slots[a.Slot]
	if sl == nil {
		return nil
	}
	for _, t := range sl.tasks {
		if t.Kind == backend.Job {
			return t
		}
		if root := s.job(t.Root); root != nil {
			return root
		}
	}
	return nil
}

func (st *stream) add(data [][]byte, limit backend.Limit) {
	for _, d := range data {
		st.last++
		st.bytes += len(d)
		st.entries = append(st.entries, backend.Entry{Number: st.last, Data: d})
	}
	drop := 0
	for ; drop < len(st.entries) && (len(st.entries)-drop > limit.Entries || st.bytes > limit.Bytes); drop++ {
		st.bytes -= len(st.entries[drop].Data)
	}
	if drop > 0 {
		st.entries = slices.Delete(st.entries, 0, drop)
	}
}

// Journal implements [backend.Client].
func (s *store) Journal(ctx context.Context, req backend.JournalRequest) ([]backend.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkStream(req.Stream); err != nil {
		return nil, err
	}
	limit := req.Limit
	if limit <= 0 {
		limit = backend.DefaultPage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.job(req.Job)
	if t == nil {
		return nil, backend.ErrNotFound
	}
	st := t.stream(req.Stream)
	if st == nil {
		return nil, nil
	}
	chosen := st.entries
	chosen = chosen[sort.Search(len(chosen), func(i int) bool { return chosen[i].Number > req.After }):]
	if req.Last > 0 {
		chosen = chosen[max(0, len(chosen)-req.Last):]
	}
	return slices.Clone(chosen[:min(len(chosen), limit)]), nil
}

// remember keeps the attempt that a job has just failed, because it is tried again.
func (t *task) remember(f *backend.Failure, fx *effects) {
	if t.Kind != backend.Job {
		return
	}
	x := t.extras()
	x.past = append(x.past, backend.PastAttempt{
		Number: t.Attempt, Slot: t.Slot, Started: t.Started, Ended: fx.now, Failure: cloneFailure(f),
	})
	if over := len(x.past) - backend.KeptAttempts; over > 0 {
		x.past = slices.Delete(x.past, 0, over)
	}
}

// Attempts implements [backend.Client].
func (s *store) Attempts(ctx context.Context, id string) ([]backend.PastAttempt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.job(id)
	switch {
	case t == nil:
		return nil, backend.ErrNotFound
	case t.extra == nil:
		return nil, nil
	}
	past := slices.Clone(t.extra.past)
	for i := range past {
		past[i].Failure = cloneFailure(past[i].Failure)
	}
	return past, nil
}
