package apptest

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var trailRules = []rule{
	{"the calls of a run are a tree, with how each ended", checkCallTree},
	{"a call that takes long is shown while it runs", checkLongCall},
	{"of ten thousand quick calls some are kept and the others counted", checkManyCalls},
}

// calls reads a run's tree once it is as awaited.
func calls(w *world, n *node, id mn.JobID, holds func(mn.CallTree) bool) (tree mn.CallTree) {
	w.t.Helper()
	w.eventually("the tree is complete", func() bool {
		var err error
		tree, err = n.Inspect().Calls(w.ctx, id)
		require.NoError(w.t, err)
		return holds(tree)
	})
	return tree
}

func checkCallTree(w *world) {
	running := newFlag()
	leaf := mn.NewFunction("leaf", func(ctx context.Context, what string) (string, error) {
		switch what {
		case "fail":
			return "", errors.New("as told")
		case "panic":
			panic("at the disco")
		case "hang":
			running.raise()
			<-ctx.Done()
		}
		return what, nil
	})
	branch := mn.NewFunction("branch", func(ctx context.Context, what string) (string, error) { return leaf.Call(ctx, what) })
	job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
		_, _ = branch.Call(ctx, "well")
		_, _ = leaf.Call(ctx, "fail")
		_, _ = leaf.Call(ctx, "panic")
		ctx, cancel := context.WithCancel(ctx)
		hangs := leaf.Go(ctx, "hang")
		err := w.hold(running.ch)
		cancel()
		_, _ = hangs.Wait(ctx)
		return err
	})
	w.worker(leaf)
	w.worker(append(bare(leaf), branch, job)...)
	client := w.client(job)
	id := start(w, job.On(client.App), 0)
	require.Equal(w.t, mn.Succeeded, ended(w, job.On(client.App), id).Status)
	tree := calls(w, client, id, func(tree mn.CallTree) bool { return len(tree.Calls) == 5 })
	type end struct {
		parent string
		status mn.Status
		text   string
	}
	var got []end
	names := map[string]string{string(id): "job"}
	for _, c := range tree.Calls {
		names[c.ID] = c.Definition
	}
	for _, c := range tree.Calls {
		got = append(got, end{names[c.Parent] + "/" + c.Definition, c.Status, c.Error})
		require.Equal(w.t, 1, c.Attempt)
		require.NotEmpty(w.t, c.Worker)
		require.False(w.t, c.Ended.Before(c.Started))
	}
	require.ElementsMatch(w.t, []end{
		{"branch/leaf", mn.Succeeded, ""},
		{"job/branch", mn.Succeeded, ""},
		{"job/leaf", mn.Failed, "as told"},
		{"job/leaf", mn.Failed, "panic: at the disco"},
		{"job/leaf", mn.Cancelled, ""},
	}, got)
	require.Empty(w.t, tree.Skipped)
	require.Zero(w.t, tree.Dropped)
}

func checkLongCall(w *world) {
	finish := newFlag()
	defer finish.raise()
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n, w.hold(finish.ch) })
	job := mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
		_, err := fn.Call(ctx, n)
		return err
	})
	w.worker(fn)
	w.worker(append(bare(fn), job)...)
	client := w.client(job)
	id := start(w, job.On(client.App), 0)
	c := calls(w, client, id, func(tree mn.CallTree) bool { return len(tree.Calls) == 1 }).Calls[0]
	require.Equal(w.t, mn.Running, c.Status)
	require.True(w.t, c.Ended.IsZero())
	finish.raise()
	end := calls(w, client, id, func(tree mn.CallTree) bool { return tree.Calls[0].Status != mn.Running })
	require.Len(w.t, end.Calls, 1, "it is one call")
	require.Equal(w.t, mn.Succeeded, end.Calls[0].Status)
	require.Equal(w.t, c.ID, end.Calls[0].ID)
	ended(w, job.On(client.App), id)
}

func checkManyCalls(w *world) {
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n, nil })
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		sum := 0
		for v, err := range fn.Map(ctx, ints(n)) {
			if err != nil {
				return err
			}
			sum += v
		}
		yield(sum)
		return nil
	})
	for range 2 {
		w.join(mn.Config{Definitions: []mn.Definition{fn, job}, RunLog: mn.RunLog{Calls: 9000}})
	}
	client := w.client(job)
	const n = 10_000
	id := start(w, job.On(client.App), n)
	require.Equal(w.t, n*(n-1)/2, succeeded(w, job.On(client.App), id))
	tree := calls(w, client, id, func(tree mn.CallTree) bool { return len(tree.Calls)+tree.Skipped["fn"] >= n })
	require.Equal(w.t, n, len(tree.Calls)+tree.Skipped["fn"])
	require.Less(w.t, len(tree.Calls), n/2, "a million calls must not cost a million writes")
	require.Greater(w.t, len(tree.Calls), 100)
}
