package apptest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var crashRules = []rule{
	{"a crashed app's job fails as worker lost in time, and its lock is free", checkCrashFails},
	{"a crashed app's job with retries goes on elsewhere from its last yield", checkCrashResumes},
	{"a crashed app's calls run again elsewhere and each result comes once", checkCrashedCalls},
	{"a cut off handler is told before another attempt begins", checkSelfFencing},
	{"a crashed app's idle and reserved workers do not count any more", checkCrashedSlots},
	{"a call that loses its worker each time fails when its crash budget is used up", checkCrashBudget},
}

func checkCrashFails(w *world) {
	var causes log[error]
	job := mn.NewJob("job", func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		if n > 0 {
			<-ctx.Done()
			causes.add(context.Cause(ctx))
		}
		return nil
	})
	crashed := w.victim(job)
	other := w.client(job)
	id := start(w, job.On(other.App), 7, mn.WithLock("table"))
	until(w, job.On(other.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	crashed.link.cut()
	began := time.Now()
	info := ended(w, job.On(other.App), id)
	require.Less(w.t, time.Since(began), found(mortal))
	require.Equal(w.t, mn.Failed, info.Status)
	require.ErrorIs(w.t, info.Error, mn.ErrWorkerLost)
	require.Equal(w.t, 7, info.Result, "what it had yielded is kept")
	next := start(w, job.On(other.App), 0, mn.WithLock("table"))
	w.worker(job)
	succeeded(w, job.On(other.App), next)
	w.eventually("the handler is told", func() bool { return len(causes.entries()) == 1 })
	require.ErrorIs(w.t, causes.entries()[0], mn.ErrLeaseLost)
}

// relay is a job of several apps: in the app "crashed" it yields once and waits for
// its end, in others it yields once more.
func relay(w *world, where string) *mn.Job[string, string] {
	return mn.NewJob("job", func(ctx context.Context, in string, yield func(string) bool) error {
		last, again := mn.LastYield[string](ctx)
		if !again {
			last = in
		}
		yield(last + "," + where)
		if where == "crashed" {
			<-ctx.Done()
			yield("from the dead")
		}
		return nil
	}, mn.Retries(1))
}

func checkCrashResumes(w *world) {
	crashed := w.victim(relay(w, "crashed"))
	client := w.client(relay(w, ""))
	j := relay(w, "").On(client.App)
	id := start(w, j, "in", mn.WithLock("table"))
	until(w, j, id, func(i mn.JobInfo[string]) bool { return i.Yields == 1 })
	w.worker(relay(w, "other"))
	crashed.link.cut()
	began := time.Now()
	info := ended(w, j, id)
	require.Less(w.t, time.Since(began), found(mortal))
	require.Equal(w.t, mn.Succeeded, info.Status)
	require.Equal(w.t, "in,crashed,other", info.Result)
	require.Equal(w.t, 2, info.Attempt)
	require.EqualValues(w.t, 2, info.Yields)
}

func checkCrashedCalls(w *world) {
	var lost log[int]
	fn := func(where string) *mn.Function[int, int] {
		return mn.NewFunction("fn", func(ctx context.Context, n int) (int, error) {
			if where == "crashed" {
				lost.add(n)
				<-ctx.Done()
				return -1, nil
			}
			return n*10 + mn.Attempt(ctx), nil
		}, mn.MaxWorkers(4))
	}
	crashed := w.victim(fn("crashed"))
	client := w.client(fn(""))
	const calls = 20
	var got log[int]
	w.beside.Go(func() {
		for v, err := range fn("").On(client.App).Map(w.ctx, ints(calls)) {
			if err != nil {
				w.t.Errorf("call: %v", err)
			}
			got.add(v)
		}
	})
	w.eventually("the victim is busy", func() bool { return len(lost.entries()) == 4 })
	w.worker(fn("other"))
	crashed.link.cut()
	again := make(map[int]bool)
	for _, n := range lost.entries() {
		again[n] = true
	}
	w.beside.Wait()
	require.Len(w.t, got.entries(), calls)
	for n, v := range got.entries() {
		attempt := 1
		if again[n] {
			attempt = 2
		}
		require.Equal(w.t, n*10+attempt, v)
	}
}

func checkSelfFencing(w *world) {
	var inside gauge
	job := func(where string) *mn.Job[int, int] {
		return mn.NewJob("job", func(ctx context.Context, _ int, yield func(int) bool) error {
			inside.enter()
			defer inside.leave()
			yield(mn.Attempt(ctx))
			if where == "cut off" {
				<-ctx.Done()
			}
			return nil
		}, mn.Retries(1))
	}
	timing := mortal
	timing.Margin = time.Second // what a busy machine may take to tell the handler
	cut := w.join(mn.Config{Definitions: []mn.Definition{job("cut off")}, Timing: timing})
	client := w.client(job(""))
	id := start(w, job("").On(client.App), 0, mn.WithLock("table"))
	until(w, job("").On(client.App), id, func(i mn.JobInfo[int]) bool { return i.Yields == 1 })
	w.worker(job("other"))
	cut.link.cut()
	require.Equal(w.t, 2, succeeded(w, job("").On(client.App), id))
	_, most := inside.read()
	require.Equal(w.t, 1, most, "two handlers held the lock")
}

func checkCrashedSlots(w *world) {
	fn := mn.NewFunction("fn", func(_ context.Context, n int) (int, error) { return n, nil },
		mn.SpareWorkers(2), mn.MaxWorkers(2))
	crashed := w.victim(fn)
	w.eventually("the spares are there", func() bool { return w.pool("fn").Idle == 2 })
	crashed.link.cut()
	client := w.client(fn)
	w.eventually("the spares are gone", func() bool { return w.pool("fn").Slots == 0 })
	w.worker(fn)
	v, err := fn.On(client.App).Call(w.ctx, 3)
	require.NoError(w.t, err)
	require.Equal(w.t, 3, v)
}

func checkCrashBudget(w *world) {
	running := make(chan int)
	fn := mn.NewFunction("fn", func(ctx context.Context, _ int) (int, error) {
		select {
		case running <- mn.Attempt(ctx):
			<-ctx.Done()
		case <-w.ctx.Done():
		}
		return 0, nil
	})
	client := w.client(fn)
	call := fn.On(client.App).Go(w.ctx, 0)
	attempts := 1 + mn.CrashBudget
	for n := range attempts {
		crashed := w.victim(fn)
		select {
		case attempt := <-running:
			require.Equal(w.t, n+1, attempt)
		case <-w.ctx.Done():
			require.FailNow(w.t, "the call did not run again")
		}
		crashed.link.cut()
	}
	_, err := call.Wait(w.ctx)
	require.ErrorIs(w.t, err, mn.ErrWorkerLost)
	var run *mn.RunError
	require.ErrorAs(w.t, err, &run)
	require.Equal(w.t, attempts, run.Attempt)
}
