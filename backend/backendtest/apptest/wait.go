package apptest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// eventually waits for a state.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			require.FailNow(w.t, "waited in vain: "+what)
		}
	}
}

// await waits until a channel is closed.
func (w *world) await(what string, ch <-chan struct{}) {
	w.t.Helper()
	select {
	case <-ch:
	case <-w.ctx.Done():
		require.FailNow(w.t, "waited in vain: "+what)
	}
}

var errCaseOver = errors.New("the case is over")

// hold is how a handler waits for the case, whatever its own context says.
func (w *world) hold(ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-w.ctx.Done():
		return errCaseOver
	}
}

// start starts a job.
func start[In, Out any](w *world, j *mn.Job[In, Out], in In, opts ...mn.StartOption) mn.JobID {
	w.t.Helper()
	id, err := j.Start(w.ctx, in, opts...)
	require.NoError(w.t, err)
	return id
}

// get reads a job.
func get[In, Out any](w *world, j *mn.Job[In, Out], id mn.JobID) mn.JobInfo[Out] {
	w.t.Helper()
	info, err := j.Get(w.ctx, id)
	require.NoError(w.t, err)
	return info
}

// until watches a job until it is as awaited.
func until[In, Out any](w *world, j *mn.Job[In, Out], id mn.JobID, holds func(mn.JobInfo[Out]) bool) mn.JobInfo[Out] {
	w.t.Helper()
	var info mn.JobInfo[Out]
	var err error
	for info, err = range j.Watch(w.ctx, id) {
		require.NoError(w.t, err)
		if holds(info) {
			return info
		}
	}
	require.FailNow(w.t, "the job ended without having been as awaited", "%+v", info)
	return info
}

// reaches watches a job until it has the status.
func reaches[In, Out any](w *world, j *mn.Job[In, Out], id mn.JobID, s mn.Status) mn.JobInfo[Out] {
	w.t.Helper()
	return until(w, j, id, func(i mn.JobInfo[Out]) bool { return i.Status == s })
}

// ended watches a job to its end.
func ended[In, Out any](w *world, j *mn.Job[In, Out], id mn.JobID) mn.JobInfo[Out] {
	w.t.Helper()
	return until(w, j, id, func(i mn.JobInfo[Out]) bool { return i.Status.Terminal() })
}

// succeeded waits for a job's good end and returns its result.
func succeeded[In, Out any](w *world, j *mn.Job[In, Out], id mn.JobID) Out {
	w.t.Helper()
	info := ended(w, j, id)
	require.Equal(w.t, mn.Succeeded, info.Status, "%+v", info)
	return info.Result
}

// counting yields 1 to n.
func counting(ctx context.Context, n int, yield func(int) bool) error {
	for i := range n {
		if !yield(i + 1) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// ints are the numbers from 0 to below n.
func ints(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// flag is something that happens once and is told to all who wait for it.
type flag struct {
	once sync.Once
	ch   chan struct{}
}

func newFlag() *flag { return &flag{ch: make(chan struct{})} }

func (f *flag) raise() { f.once.Do(func() { close(f.ch) }) }

func (f *flag) raised() bool {
	select {
	case <-f.ch:
		return true
	default:
		return false
	}
}

// log is what handlers have to tell the case.
type log[T any] struct {
	mu  sync.Mutex
	all []T
}

func (l *log[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

func (l *log[T]) entries() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.all...)
}

// gauge counts how many are inside at a time.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) enter() (now int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.most = max(g.most, g.now)
	return g.now
}

func (g *gauge) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

func (g *gauge) read() (now, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.most
}
