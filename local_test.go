package mn_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestLocalIsTheHandlerAsAnIterator(t *testing.T) {
	failed := errors.New("failed")
	job := mn.NewJob("local", func(_ context.Context, n int, yield func(int) bool) error {
		for i := range n {
			if !yield(i) {
				return errors.New("nobody sees this")
			}
		}
		return failed
	})
	var values []int
	var last error
	for v, err := range job.Local(t.Context(), 3) {
		if last = err; err == nil {
			values = append(values, v)
		}
	}
	require.Equal(t, []int{0, 1, 2}, values)
	require.ErrorIs(t, last, failed)
}

func TestBreakingOutOfLocalStopsTheHandler(t *testing.T) {
	var cause error
	var late []bool
	var kept func(int) bool
	job := mn.NewJob("local", func(ctx context.Context, _ int, yield func(int) bool) error {
		kept = yield
		for yield(0) {
		}
		cause = context.Cause(ctx)
		late = append(late, yield(1))
		return cause
	})
	n := 0
	for _, err := range job.Local(t.Context(), 0) {
		require.NoError(t, err)
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
	require.ErrorIs(t, cause, mn.ErrJobCancelled)
	require.Equal(t, []bool{false}, late)

	job = mn.NewJob("local", func(_ context.Context, _ int, yield func(int) bool) error {
		kept = yield
		return nil
	})
	for range job.Local(t.Context(), 0) {
		t.Error("nothing was yielded")
	}
	require.False(t, kept(1), "a yield after the end is without effect")
}

func TestLocalNeedsAHandler(t *testing.T) {
	n := 0
	for _, err := range mn.NewJob[int, int]("elsewhere", nil).Local(t.Context(), 1) {
		require.ErrorIs(t, err, mn.ErrNoHandler)
		n++
	}
	require.Equal(t, 1, n)
}

func TestHandlersKnowWhoTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids log[string]
		f := mn.NewFunction("f", func(ctx context.Context, _ int) (int, error) {
			mn.Logger(ctx).Info("called")
			return mn.Attempt(ctx), nil
		})
		job := mn.NewJob("who", func(ctx context.Context, _ int, _ func(int) bool) error {
			ids.add(mn.TaskID(ctx))
			derived, cancel := context.WithCancel(context.WithValue(ctx, t, 1))
			defer cancel()
			mn.Logger(derived).Info("hello", "k", "v")
			_, err := f.Call(derived, 0)
			return err
		})
		var said logged
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job, f}, Logger: said.logger()})
		id := start(t, job.On(app), 0)
		require.Equal(t, mn.Succeeded, ended(t, job.On(app), id).Status)
		require.Equal(t, []string{string(id)}, ids.entries())
		require.Len(t, said.entries(), 2)
		require.Contains(t, said.entries()[0],
			"msg=hello mn.kind=job mn.name=who mn.id="+string(id)+" mn.attempt=1 mn.worker=")
		require.Contains(t, said.entries()[1], "mn.kind=function mn.name=f")
		require.NotSame(t, slog.Default(), mn.Logger(app.Context(t.Context())))
	})
}
