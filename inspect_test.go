package mn_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/provisioner"
)

// inspected is an app that executes, and the inspector of another that knows no definition.
func inspected(t *testing.T, defs ...mn.Definition) (*mn.App, *mn.Inspector, *mn.App) {
	t.Helper()
	store := memory.New()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := mn.New(mn.Config{Name: "inspected", Definitions: defs, Backend: store, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	seer, err := mn.New(mn.Config{Name: "inspected", Backend: store, Provisioner: provisioner.None, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seer.Close()) })
	return app, seer.Inspect(), seer
}

func TestInspectorStartsAndReadsWithoutTypes(t *testing.T) {
	type count struct {
		To   int
		Step mn.Progress
	}
	job := mn.NewJob("count", func(_ context.Context, to int, yield func(count) bool) error {
		for i := range to {
			yield(count{To: to, Step: mn.Progress{Done: int64(i + 1), Total: int64(to)}})
		}
		return nil
	})
	_, in, _ := inspected(t, job)
	ctx := t.Context()
	id, err := in.Start(ctx, "count", json.RawMessage(`3`))
	require.NoError(t, err)
	var last mn.Run
	for r, err := range in.Watch(ctx, id) {
		require.NoError(t, err)
		last = r
	}
	require.Equal(t, mn.Succeeded, last.Status)
	require.JSONEq(t, `3`, string(last.Input))
	require.JSONEq(t, `{"To":3,"Step":{"done":3,"total":3}}`, string(last.Result))
	require.Equal(t, &mn.Progress{Done: 3, Total: 3}, last.Progress)
	require.NotEmpty(t, last.Worker)

	_, err = in.Start(ctx, "count", json.RawMessage(`{`))
	require.ErrorContains(t, err, "not JSON")
	_, err = in.Start(ctx, "unknown", json.RawMessage(`1`))
	require.ErrorIs(t, err, mn.ErrUnknownDefinition)
	_, err = in.Call(ctx, "count", json.RawMessage(`1`))
	require.ErrorContains(t, err, `"count" is a job, not a function`)
	again, err := in.Retry(ctx, id)
	require.NoError(t, err)
	require.NotEqual(t, id, again)
}

func TestInspectorFiltersRuns(t *testing.T) {
	job := mn.NewJob("wait", func(ctx context.Context, fail bool, _ func(int) bool) error {
		if fail {
			return errors.New("as told")
		}
		return nil
	})
	other := mn.NewJob("other", func(context.Context, int, func(int) bool) error { return nil })
	app, in, _ := inspected(t, job, other)
	ctx := t.Context()
	var ids []mn.JobID
	for i := range 4 {
		id, err := job.On(app).Start(ctx, i%2 == 1)
		require.NoError(t, err)
		_, _ = job.On(app).Wait(ctx, id)
		ids = append(ids, id)
		for now := time.Now(); time.Since(now) < 2*time.Millisecond; { // IDs tell milliseconds apart
			runtime.Gosched()
		}
	}
	list := func(f mn.RunFilter) (got []mn.JobID) {
		page, err := in.Runs(ctx, f)
		require.NoError(t, err)
		for _, r := range page.Runs {
			got = append(got, r.ID)
		}
		return got
	}
	require.Equal(t, []mn.JobID{ids[3], ids[2], ids[1], ids[0]}, list(mn.RunFilter{}))
	require.Equal(t, []mn.JobID{ids[3], ids[1]}, list(mn.RunFilter{Statuses: []mn.Status{mn.Failed}}))
	require.Empty(t, list(mn.RunFilter{Definition: "other"}))
	require.Equal(t, []mn.JobID{ids[2]}, list(mn.RunFilter{Text: string(ids[2][4:])}))
	third := idTime(t, ids[2])
	require.Equal(t, []mn.JobID{ids[3], ids[2]}, list(mn.RunFilter{From: third}))
	require.Equal(t, []mn.JobID{ids[1], ids[0]}, list(mn.RunFilter{To: third}))
	first, err := in.Runs(ctx, mn.RunFilter{Limit: 3})
	require.NoError(t, err)
	require.Len(t, first.Runs, 3)
	require.Equal(t, []mn.JobID{ids[0]}, list(mn.RunFilter{Limit: 3, Before: first.Next}))

	var removed []mn.JobID
	for s, err := range in.Bulk(ctx, mn.BulkRemove, mn.RunFilter{Statuses: []mn.Status{mn.Failed}}, true) {
		require.NoError(t, err)
		removed = append(removed, s.ID)
	}
	require.Equal(t, []mn.JobID{ids[3], ids[1]}, removed)
	require.Len(t, list(mn.RunFilter{}), 4, "a dry run does nothing")
	for s, err := range in.Bulk(ctx, mn.BulkRemove, mn.RunFilter{Statuses: []mn.Status{mn.Failed}}, false) {
		require.NoError(t, err)
		require.NoError(t, s.Err)
	}
	require.Equal(t, []mn.JobID{ids[2], ids[0]}, list(mn.RunFilter{}))
}

func TestLogsOfARunAndItsCalls(t *testing.T) {
	part := mn.NewFunction("part", func(ctx context.Context, n int) (int, error) {
		mn.Logger(ctx).Warn("computing", "n", n, slog.Group("g", "x", true))
		return n, nil
	})
	hold := make(chan struct{})
	job := mn.NewJob("whole", func(ctx context.Context, n int, yield func(int) bool) error {
		mn.Logger(ctx).Info("begins")
		mn.Logger(ctx).Debug("not kept")
		v, err := part.Call(ctx, n)
		<-hold
		mn.Logger(ctx).With("v", v).Info("ends")
		return err
	})
	app, in, seer := inspected(t, job, part)
	ctx := t.Context()
	id, err := job.On(app).Start(ctx, 7)
	require.NoError(t, err)
	var entries []mn.LogEntry
	for e, err := range seer.Logs(ctx, id) {
		require.NoError(t, err)
		if entries = append(entries, e); len(entries) == 2 {
			close(hold)
		}
	}
	require.Len(t, entries, 3)
	require.Equal(t, "begins", entries[0].Message)
	require.Equal(t, string(id), entries[0].Task)
	require.Equal(t, "computing", entries[1].Message)
	require.Equal(t, slog.LevelWarn, entries[1].Level)
	require.Equal(t, "part", entries[1].Definition)
	require.JSONEq(t, `{"n":7,"g":{"x":true}}`, string(entries[1].Attrs))
	require.Equal(t, "ends", entries[2].Message)
	require.Equal(t, uint64(3), entries[2].Number)

	var calls mn.CallTree
	require.Eventually(t, func() bool {
		calls, err = in.Calls(ctx, id)
		return err == nil && len(calls.Calls) > 0
	}, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, string(id), calls.Calls[0].Parent)
	require.Equal(t, mn.Succeeded, calls.Calls[0].Status)
	require.NotEmpty(t, calls.Calls[0].Worker)
}

// idTime is the time in a version 7 UUID, to the millisecond.
func idTime(t *testing.T, id mn.JobID) time.Time {
	t.Helper()
	u, err := uuid.Parse(string(id))
	require.NoError(t, err)
	sec, nsec := u.Time().UnixTime()
	return time.Unix(sec, nsec).Truncate(time.Millisecond)
}
