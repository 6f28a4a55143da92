package apptest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var lossRules = []rule{
	{"with a tenth of all replies lost everything ends right and is recorded once", checkLosses},
	{"with a tenth of all replies lost failures, cancels and removals end right", checkLossyEndings},
	{"with a tenth of all replies lost locks exclude and are freed", checkLossyLocks},
}

// lossy joins two executing apps and a client that lose a part of all replies.
func (w *world) lossy(defs ...mn.Definition) (client *node) {
	w.t.Helper()
	// A slot whose reservation was not answered gets no worker, and a task whose claim
	// was not is executed by nobody: both are given up soon.
	timing := steady
	timing.Start, timing.Lease, timing.Margin = 300*time.Millisecond, 2*time.Second, 500*time.Millisecond
	for range 2 {
		w.join(mn.Config{Definitions: defs, Timing: timing})
	}
	client = w.client(defs...)
	for _, n := range w.nodes {
		n.link.lose(0.1)
	}
	return client
}

// summing is a job that calls a function that calls itself, and maps another, with both.
func summing() (job *mn.Job[int, int], fn, nest *mn.Function[int, int]) {
	fn = mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n * n, nil }, mn.Retries(2))
	nest = mn.NewFunction[int, int]("nest", nil)
	nest.Handle(func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 1, nil
		}
		v, err := nest.Call(ctx, n-1)
		return 2 * v, err
	})
	job = mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		sum, err := nest.Call(ctx, 4)
		if err != nil {
			return err
		}
		for v, err := range fn.Map(ctx, ints(n)) {
			if err != nil {
				return err
			}
			sum += v
			yield(sum)
		}
		return nil
	}, mn.MaxConcurrency(6))
	return job, fn, nest
}

func checkLosses(w *world) {
	job, fn, nest := summing()
	client := w.lossy(job, fn, nest)
	const runs, each = 20, 20
	for i := range runs {
		w.beside.Go(func() {
			id, err := job.On(client.App).Start(w.ctx, each, mn.WithLock(fmt.Sprint("table/", i)))
			if err != nil {
				w.t.Errorf("start: %v", err)
				return
			}
			if out, err := job.On(client.App).Wait(w.ctx, id); err != nil || out != 16+2470 {
				w.t.Errorf("job: %d, %v", out, err)
			}
		})
	}
	w.beside.Wait()
	for _, t := range w.jobs() {
		require.EqualValues(w.t, each, t.Yields)
		require.Empty(w.t, t.Locks)
		require.Equal(w.t, 1, t.Attempt, "no worker was lost")
	}
	require.Len(w.t, w.jobs(), runs)
}

func checkLossyEndings(w *world) {
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		switch n % 3 {
		case 0:
			return errors.New("as told")
		case 1:
			<-ctx.Done()
		}
		return nil
	}, mn.MaxConcurrency(30))
	client := w.lossy(job)
	ids := make([]mn.JobID, 30)
	for i := range ids {
		ids[i] = start(w, job.On(client.App), i)
	}
	want := []mn.Status{mn.Failed, mn.Cancelled, mn.Succeeded}
	for i, id := range ids {
		if i%3 == 1 {
			until(w, job.On(client.App), id, func(info mn.JobInfo[int]) bool { return info.Yields == 1 })
			require.NoError(w.t, job.On(client.App).Cancel(w.ctx, id))
		}
		info := ended(w, job.On(client.App), id)
		require.Equal(w.t, want[i%3], info.Status)
		require.Equal(w.t, i, info.Result)
		require.Equal(w.t, 1, info.Attempt)
		if i < 10 {
			require.NoError(w.t, job.On(client.App).Remove(w.ctx, id))
		}
	}
	require.Len(w.t, w.jobs(), 20)
}

func checkLossyLocks(w *world) {
	var inside gauge
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		inside.enter()
		defer inside.leave()
		yield(n)
		return mn.TryLock(ctx, "more", fmt.Sprint("table/", n))
	}, mn.MaxConcurrency(30))
	client := w.lossy(job)
	for i := range 20 {
		w.beside.Go(func() {
			for {
				id, err := job.On(client.App).Start(w.ctx, i, mn.WithLock("the one"))
				if errors.Is(err, mn.ErrLockAlreadyInUse) {
					continue // whoever holds it will end
				}
				if err == nil {
					_, err = job.On(client.App).Wait(w.ctx, id)
				}
				if err != nil {
					w.t.Errorf("job: %v", err)
				}
				return
			}
		})
	}
	w.beside.Wait()
	_, most := inside.read()
	require.Equal(w.t, 1, most)
	require.Len(w.t, w.jobs(), 20)
}
