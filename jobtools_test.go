package mn_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// The tests of jobs run in synctest bubbles, where time passes when every goroutine
// waits: pass lets it pass, settled waits for everything that needs no time.

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
}

func settled() { synctest.Wait() }

// start starts a job and lets it come as far as it can.
func start[In, Out any](t *testing.T, j *mn.Job[In, Out], in In, opts ...mn.StartOption) mn.JobID {
	t.Helper()
	id, err := j.Start(t.Context(), in, opts...)
	require.NoError(t, err)
	settled()
	return id
}

func get[In, Out any](t *testing.T, j *mn.Job[In, Out], id mn.JobID) mn.JobInfo[Out] {
	t.Helper()
	info, err := j.Get(t.Context(), id)
	require.NoError(t, err)
	return info
}

// ended waits for a job's end.
func ended[In, Out any](t *testing.T, j *mn.Job[In, Out], id mn.JobID) mn.JobInfo[Out] {
	t.Helper()
	states := watched(t, j, id)
	return states[len(states)-1]
}

// watched watches a job to its end.
func watched[In, Out any](t *testing.T, j *mn.Job[In, Out], id mn.JobID, opts ...mn.WatchOption) []mn.JobInfo[Out] {
	t.Helper()
	var states []mn.JobInfo[Out]
	for info, err := range j.Watch(t.Context(), id, opts...) {
		require.NoError(t, err)
		states = append(states, info)
	}
	require.NotEmpty(t, states)
	require.True(t, states[len(states)-1].Status.Terminal(), "a watch ends with the terminal state")
	return states
}

func statuses[Out any](states []mn.JobInfo[Out]) (all []mn.Status) {
	for _, s := range states {
		all = append(all, s.Status)
	}
	return all
}

func numbers[Out any](states []mn.JobInfo[Out]) (all []uint64) {
	for _, s := range states {
		all = append(all, s.Yields)
	}
	return all
}

// counting yields 1 to n, a second before each and one after the last.
func counting(ctx context.Context, n int, yield func(int) bool) error {
	for i := range n {
		pass(time.Second)
		if !yield(i + 1) {
			return context.Cause(ctx)
		}
	}
	pass(time.Second)
	return nil
}

// obedient returns as soon as it is told to.
func obedient(ctx context.Context, _ int, _ func(int) bool) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// log is what handlers have to tell the test.
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

// logged is what an app logs.
type logged struct{ log[string] }

// Write implements [io.Writer].
func (l *logged) Write(line []byte) (int, error) {
	l.add(string(line))
	return len(line), nil
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
