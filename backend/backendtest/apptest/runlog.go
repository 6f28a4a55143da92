package apptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/provisioner"
)

var logRules = []rule{
	{"a run's lines come in order, with those of its calls in other apps", checkLogOrder},
	{"who follows a log sees its lines while the run goes on, and the last ones", checkLogFollows},
	{"a log is bounded by lines and by size, and missing numbers show what went", checkLogBounds},
	{"a part of a log can be read", checkLogParts},
	{"only lines from the level on are kept, and none where that is off", checkLogLevel},
	{"the log of a run that does not exist, or is removed meanwhile, ends with an error", checkLogRemoved},
	{"lines that are logged while the backend is away are stored afterwards", checkLogOutage},
	{"with an encrypted codec lines can be read with the key alone", checkLogEncrypted},
	{"a zombie's lines are marked with its attempt", checkLogZombie},
	{"the lines of earlier attempts stay", checkLogRetries},
}

// readLog reads a log, as far as there is one now.
func readLog(w *world, n *node, id mn.JobID, opts ...mn.LogOption) (all []mn.LogEntry) {
	w.t.Helper()
	for e, err := range n.Logs(w.ctx, id, opts...) {
		require.NoError(w.t, err)
		all = append(all, e)
	}
	return all
}

func messages(all []mn.LogEntry) (texts []string) {
	for _, e := range all {
		texts = append(texts, e.Message)
	}
	return texts
}

// logging is a job that logs so many lines.
func logging(pad string) *mn.Job[int, int] {
	return mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
		for i := range n {
			mn.Logger(ctx).Info(fmt.Sprint("line ", i+1), "pad", pad)
		}
		return nil
	})
}

func checkLogOrder(w *world) {
	inner := mn.NewFunction("inner", func(ctx context.Context, n int) (int, error) {
		mn.Logger(ctx).Warn("inner", "n", n)
		return n, nil
	})
	outer := mn.NewFunction("outer", func(ctx context.Context, n int) (int, error) {
		mn.Logger(ctx).Info("outer")
		return inner.Call(ctx, n)
	})
	job := mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
		mn.Logger(ctx).Info("begins", "level", "high", "msg", "mine", slog.Group("time", "is", "noon"))
		_, err := outer.Call(ctx, n)
		mn.Logger(ctx).WithGroup("g").With("a", 1).Info("ends", "b", 2)
		return err
	})
	w.worker(append(bare(inner), outer)...)
	w.worker(inner)
	w.worker(append(bare(outer), job)...)
	client := w.client(job)
	id := start(w, job.On(client.App), 7)
	all := readLog(w, client, id)
	require.ElementsMatch(w.t, []string{"begins", "outer", "inner", "ends"}, messages(all))
	var own []mn.LogEntry
	for i, e := range all {
		require.EqualValues(w.t, i+1, e.Number)
		require.Equal(w.t, mn.FromLogger, e.Source)
		require.Equal(w.t, 1, e.Attempt)
		require.NotEmpty(w.t, e.Worker)
		require.False(w.t, e.Time.IsZero())
		switch e.Message {
		case "inner":
			require.Equal(w.t, slog.LevelWarn, e.Level)
			require.JSONEq(w.t, `{"n":7}`, string(e.Attrs))
			fallthrough
		case "outer":
			require.Equal(w.t, e.Message, e.Definition)
			require.NotEqual(w.t, string(id), e.Task, "it is the call's")
		default:
			require.Equal(w.t, string(id), e.Task)
			own = append(own, e)
		}
	}
	require.Equal(w.t, []string{"begins", "ends"}, messages(own), "of one worker in order")
	require.JSONEq(w.t, `{"level":"high","msg":"mine","time":{"is":"noon"}}`, string(own[0].Attrs))
	require.JSONEq(w.t, `{"g":{"a":1,"b":2}}`, string(own[1].Attrs))
}

func checkLogFollows(w *world) {
	finish := newFlag()
	defer finish.raise()
	job := mn.NewJob("job", func(ctx context.Context, n int, _ func(int) bool) error {
		mn.Logger(ctx).Info("begins")
		if err := w.hold(finish.ch); err != nil {
			return err
		}
		for i := range n {
			mn.Logger(ctx).Info(fmt.Sprint("line ", i))
		}
		return nil
	})
	w.worker(job)
	client := w.client(job)
	const n = 250 // several pages
	id := start(w, job.On(client.App), n)
	var all []mn.LogEntry
	for e, err := range client.Logs(w.ctx, id) {
		require.NoError(w.t, err)
		all = append(all, e)
		if len(all) == 1 {
			require.Equal(w.t, mn.Running, get(w, job.On(client.App), id).Status)
			finish.raise()
		}
	}
	require.Len(w.t, all, n+1)
	for i, e := range all[1:] {
		require.Equal(w.t, fmt.Sprint("line ", i), e.Message)
	}
}

func checkLogBounds(w *world) {
	pad := strings.Repeat("x", 300)
	for _, c := range []struct {
		bounds      mn.RunLog
		least, most int
	}{
		{mn.RunLog{Lines: 5}, 5, 5},
		{mn.RunLog{Size: 3 * mn.KiB}, 3, 10},
	} {
		job := logging(pad)
		n := w.join(mn.Config{Definitions: []mn.Definition{job}, RunLog: c.bounds})
		id := start(w, job.On(n.App), 40)
		ended(w, job.On(n.App), id)
		all := readLog(w, n, id)
		require.GreaterOrEqual(w.t, len(all), c.least)
		require.LessOrEqual(w.t, len(all), c.most)
		for i, e := range all {
			require.EqualValues(w.t, 40-len(all)+1+i, e.Number, "the newest are kept, and their numbers say what went")
			require.Equal(w.t, fmt.Sprint("line ", e.Number), e.Message)
		}
		w.evict(n)
	}
}

func checkLogParts(w *world) {
	job := logging("")
	n := w.worker(job)
	id := start(w, job.On(n.App), 120)
	ended(w, job.On(n.App), id)
	require.Equal(w.t, []string{"line 119", "line 120"}, messages(readLog(w, n, id, mn.LogAfter(118))))
	require.Equal(w.t, []string{"line 118", "line 119", "line 120"}, messages(readLog(w, n, id, mn.LogLast(3), mn.LogNoFollow())))
	require.Len(w.t, readLog(w, n, id, mn.LogLast(110), mn.LogNoFollow()), 110, "more than a page")
	require.Empty(w.t, readLog(w, n, id, mn.LogAfter(120), mn.LogNoFollow()))
	for e, err := range n.Logs(w.ctx, id) {
		require.NoError(w.t, err)
		require.Equal(w.t, "line 1", e.Message)
		break // and nothing of it is left
	}
}

func checkLogLevel(w *world) {
	job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
		mn.Logger(ctx).Debug("debug")
		mn.Logger(ctx).Info("info")
		mn.Logger(ctx).Warn("warn")
		return nil
	})
	for _, c := range []struct {
		bounds mn.RunLog
		kept   []string
	}{
		{mn.RunLog{}, []string{"info", "warn"}},
		{mn.RunLog{Level: slog.LevelDebug}, []string{"debug", "info", "warn"}},
		{mn.RunLog{Level: slog.LevelWarn}, []string{"warn"}},
		{mn.RunLog{Off: true}, nil},
	} {
		n := w.join(mn.Config{Definitions: []mn.Definition{job}, RunLog: c.bounds})
		require.Equal(w.t, c.kept, messages(readLog(w, n, start(w, job.On(n.App), 0))))
		w.evict(n)
	}
}

func checkLogRemoved(w *world) {
	job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
		mn.Logger(ctx).Info("begins")
		<-ctx.Done()
		return nil
	})
	w.worker(job)
	client := w.client(job)
	id := start(w, job.On(client.App), 0)
	var last error
	for _, err := range client.Logs(w.ctx, id) {
		if last = err; err == nil {
			require.NoError(w.t, job.On(client.App).Remove(w.ctx, id))
		}
	}
	require.ErrorIs(w.t, last, mn.ErrJobDoesNotExist)
	for _, id := range []mn.JobID{"nonsense", mn.JobID(uuid.NewString())} {
		for _, err := range client.Logs(w.ctx, id) {
			require.ErrorIs(w.t, err, mn.ErrJobDoesNotExist)
		}
	}
}

func checkLogOutage(w *world) {
	cut, healed := newFlag(), newFlag()
	defer cut.raise()
	defer healed.raise()
	logged := newFlag()
	job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
		mn.Logger(ctx).Info("before")
		if err := w.hold(cut.ch); err != nil {
			return err
		}
		for i := range 3 {
			mn.Logger(ctx).Info(fmt.Sprint("away ", i))
		}
		logged.raise()
		return w.hold(healed.ch)
	})
	n := w.worker(job)
	client := w.client(job)
	id := start(w, job.On(client.App), 0)
	for _, err := range client.Logs(w.ctx, id) {
		require.NoError(w.t, err)
		break // it is stored
	}
	n.link.cut()
	cut.raise()
	w.await("the lines are logged", logged.ch)
	failures := n.link.failures.Load()
	w.eventually("storing them fails", func() bool { return n.link.failures.Load() > failures+2 })
	n.link.heal()
	healed.raise()
	require.Equal(w.t, []string{"before", "away 0", "away 1", "away 2"}, messages(readLog(w, client, id)))
}

func checkLogEncrypted(w *world) {
	part := mn.NewFunction("part", func(ctx context.Context, s string) (string, error) {
		mn.Logger(ctx).Info("called", "s", s)
		return s, nil
	})
	job := mn.NewJob("job", func(ctx context.Context, s string, _ func(string) bool) error {
		mn.Logger(ctx).Info(s)
		_, err := part.Call(ctx, s)
		return err
	})
	w.join(mn.Config{Definitions: []mn.Definition{job, part}, Codec: sealed(w, "k1")})
	client := func(key string) *node {
		return w.join(mn.Config{Definitions: bare(job), Codec: sealed(w, key), Provisioner: provisioner.None})
	}
	with, without := client("k1"), client("foreign")
	id := start(w, job.On(with.App), secret)
	all := readLog(w, with, id)
	require.ElementsMatch(w.t, []string{secret, "called"}, messages(all))
	w.eventually("the call is in the tree", func() bool {
		tree, err := with.Inspect().Calls(w.ctx, id)
		return err == nil && len(tree.Calls) == 1
	})
	for _, stream := range []backend.Stream{backend.LogStream, backend.CallStream} {
		stored, err := w.store.Journal(w.ctx, backend.JournalRequest{Job: string(id), Stream: stream})
		require.NoError(w.t, err)
		require.NotEmpty(w.t, stored)
		for _, e := range stored {
			require.False(w.t, bytes.Contains(e.Data, []byte("launch")) || bytes.Contains(e.Data, []byte("part")), "%q", e.Data)
		}
	}
	for _, e := range readLog(w, without, id) {
		require.Contains(w.t, e.Message, "this line cannot be read")
		require.NotContains(w.t, e.Message, "launch")
	}
	_, err := without.Inspect().Calls(w.ctx, id)
	require.ErrorContains(w.t, err, `no key with ID "k1"`)
}

func checkLogZombie(w *world) {
	awake, finish, acted := newFlag(), newFlag(), newFlag()
	defer awake.raise()
	defer finish.raise()
	z, j, id := takenOver(w, func(where string) *mn.Job[int, string] {
		return zombieJob(w, where, awake, finish, func(ctx context.Context, _ func(string) bool) {
			mn.Logger(ctx).Info("from the grave")
			acted.raise()
		})
	})
	awake.raise()
	w.await("the zombie acts", acted.ch)
	w.eventually("its line is there", func() bool { return len(readLog(w, z, id, mn.LogNoFollow())) > 0 })
	e := readLog(w, z, id, mn.LogNoFollow())[0]
	require.Equal(w.t, "from the grave", e.Message)
	require.Equal(w.t, 1, e.Attempt)
	info := get(w, j, id)
	require.Equal(w.t, 2, info.Attempt, "the line is told from those of the attempt that counts")
	finish.raise()
	require.Equal(w.t, "zombieother", succeeded(w, j, id))
}

func checkLogRetries(w *world) {
	job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
		mn.Logger(ctx).Info("trying")
		if mn.Attempt(ctx) < 3 {
			return errors.New("again")
		}
		return nil
	}, mn.Retries(2), mn.Backoff(1, 1))
	n := w.worker(job)
	var attempts []int
	for _, e := range readLog(w, n, start(w, job.On(n.App), 0)) {
		attempts = append(attempts, e.Attempt)
	}
	require.Equal(w.t, []int{1, 2, 3}, attempts)
}
