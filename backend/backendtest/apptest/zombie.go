package apptest

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

// A zombie is an app that was stopped for longer than its lease and goes on as if
// nothing had happened. Its writes arrive, so only the backend's fencing refuses them.
var zombieRules = []rule{
	{"a zombie's yields and locks change nothing, and it is told", checkZombieYields},
	{"a zombie's ending of a job changes nothing", checkZombieSettles},
	{"a zombie's result of a call changes nothing", checkZombieCall},
}

// zombieJob is a job that in the app "zombie" yields and then does what act says once
// it is awake, and elsewhere yields and waits for finish.
func zombieJob(w *world, where string, awake, finish *flag, act func(context.Context, func(string) bool)) *mn.Job[int, string] {
	return mn.NewJob("job", func(ctx context.Context, _ int, yield func(string) bool) error {
		last, _ := mn.LastYield[string](ctx)
		yield(last + where)
		if where != "zombie" {
			return w.hold(finish.ch)
		}
		if err := w.hold(awake.ch); err != nil {
			return err
		}
		act(ctx, yield)
		return nil
	}, mn.Retries(1), mn.SyncYields())
}

// takenOver runs a job in an app that is stopped, until another has taken it over.
func takenOver(w *world, job func(where string) *mn.Job[int, string]) (z *node, j *mn.Job[int, string], id mn.JobID) {
	w.t.Helper()
	z = w.victim(job("zombie"))
	client := w.client(job(""))
	j = job("").On(client.App)
	id = start(w, j, 0, mn.WithLock("table"))
	until(w, j, id, func(i mn.JobInfo[string]) bool { return i.Yields == 1 })
	z.link.stop()
	w.worker(job("other"))
	info := until(w, j, id, func(i mn.JobInfo[string]) bool { return i.Yields == 2 })
	require.Equal(w.t, "zombieother", info.Result)
	require.Equal(w.t, 2, info.Attempt)
	return z, j, id
}

func checkZombieYields(w *world) {
	awake, finish, acted := newFlag(), newFlag(), newFlag()
	defer awake.raise()
	defer finish.raise()
	var goesOn bool
	var lock, cause error
	act := func(ctx context.Context, yield func(string) bool) {
		goesOn = yield("from the grave")
		cause = context.Cause(ctx)
		lock = mn.TryLock(ctx, "loot")
		acted.raise()
	}
	z, j, id := takenOver(w, func(where string) *mn.Job[int, string] {
		return zombieJob(w, where, awake, finish, act)
	})
	awake.raise()
	w.await("the zombie acts", acted.ch)
	require.False(w.t, goesOn)
	require.ErrorIs(w.t, cause, mn.ErrLeaseLost)
	require.ErrorIs(w.t, lock, mn.ErrLeaseLost)
	info := get(w, j, id)
	require.Equal(w.t, mn.Running, info.Status)
	require.Equal(w.t, "zombieother", info.Result)
	require.Equal(w.t, []string{"table"}, info.Locks)
	finish.raise()
	require.Equal(w.t, "zombieother", succeeded(w, j, id))
	checkUsableAgain(w, z, j)
}

// checkUsableAgain heals an app and has it start a job.
func checkUsableAgain(w *world, z *node, j *mn.Job[int, string]) {
	w.t.Helper()
	z.link.heal()
	again := start(w, j.On(z.App), 0, mn.WithLock("table"))
	require.Equal(w.t, mn.Succeeded, ended(w, j, again).Status)
}

func checkZombieSettles(w *world) {
	awake, finish := newFlag(), newFlag()
	defer awake.raise()
	defer finish.raise()
	z, j, id := takenOver(w, func(where string) *mn.Job[int, string] {
		return zombieJob(w, where, awake, finish, func(context.Context, func(string) bool) {})
	})
	before := z.link.settles.Load()
	awake.raise()
	w.eventually("the zombie's ending is answered", func() bool { return z.link.settles.Load() > before })
	info := get(w, j, id)
	require.Equal(w.t, mn.Running, info.Status)
	require.Equal(w.t, []string{"table"}, info.Locks)
	finish.raise()
	require.Equal(w.t, "zombieother", succeeded(w, j, id))
	checkUsableAgain(w, z, j)
}

func checkZombieCall(w *world) {
	awake, finish, running, taken := newFlag(), newFlag(), newFlag(), newFlag()
	defer awake.raise()
	defer finish.raise()
	fn := func(where string) *mn.Function[int, string] {
		return mn.NewFunction("fn", func(_ context.Context, _ int) (string, error) {
			if where == "zombie" {
				running.raise()
				return where, w.hold(awake.ch)
			}
			taken.raise()
			return where, w.hold(finish.ch)
		})
	}
	z := w.victim(fn("zombie"))
	client := w.client(fn(""))
	call := fn("").On(client.App).Go(w.ctx, 0)
	w.await("the call runs", running.ch)
	z.link.stop()
	w.worker(fn("other"))
	w.await("the call runs again elsewhere", taken.ch)
	before := z.link.settles.Load()
	awake.raise()
	w.eventually("the zombie's result is answered", func() bool { return z.link.settles.Load() > before })
	select {
	case <-call.Done():
		require.FailNow(w.t, "the zombie's result was delivered")
	default:
	}
	finish.raise()
	v, err := call.Wait(w.ctx)
	require.NoError(w.t, err)
	require.Equal(w.t, "other", v)
}
