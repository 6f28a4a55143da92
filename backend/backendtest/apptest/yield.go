package apptest

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var yieldRules = []rule{
	{"each newest yield reaches every watcher in every app while the job runs", checkYieldsVisible},
	{"the last of many fast yields is never missed by any watcher", checkLastYield},
	{"kept yields are shown in order to a watcher that comes late", checkKeptYields},
	{"a watcher that stops or whose app leaves disturbs no other", checkWatcherLeaves},
}

func checkYieldsVisible(w *world) {
	next := make(chan struct{})
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		for i := range n {
			yield(i + 1)
			select {
			case <-next:
			case <-w.ctx.Done():
				return errCaseOver
			}
		}
		return nil
	})
	apps := []*node{w.worker(job), w.client(job), w.client(job)}
	const yields = 10
	id := start(w, job.On(apps[1].App), yields)
	seen := make(chan int)
	watchers := 0
	for _, n := range apps {
		for range 2 {
			watchers++
			w.beside.Go(func() { showAll(w, job.On(n.App), id, seen) })
		}
	}
	for i := range yields {
		for range watchers {
			select {
			case v := <-seen:
				require.Equal(w.t, i+1, v)
			case <-w.ctx.Done():
				require.FailNow(w.t, "a watcher did not see a yield", "number %d", i+1)
			}
		}
		require.Equal(w.t, i+1, get(w, job.On(apps[2].App), id).Result)
		next <- struct{}{}
	}
	require.Equal(w.t, yields, succeeded(w, job.On(apps[2].App), id))
}

// showAll tells each new yield that a watcher sees.
func showAll(w *world, job *mn.Job[int, int], id mn.JobID, seen chan<- int) {
	shown := uint64(0)
	for info, err := range job.Watch(w.ctx, id) {
		if err != nil {
			w.t.Errorf("watch: %v", err)
			return
		}
		if info.Yields == shown {
			continue
		}
		shown = info.Yields
		select {
		case seen <- info.Result:
		case <-w.ctx.Done():
			return
		}
	}
}

func checkLastYield(w *world) {
	job := mn.NewJob("job", counting)
	apps := []*node{w.worker(job), w.client(job), w.client(job)}
	for range 5 {
		const yields = 1000
		id := start(w, job.On(apps[1].App), yields)
		for _, n := range apps {
			for range 3 {
				w.beside.Go(func() {
					var last mn.JobInfo[int]
					for info, err := range job.On(n.App).Watch(w.ctx, id) {
						if err != nil || info.Yields < last.Yields || info.Result != int(info.Yields) {
							w.t.Errorf("watch: %+v after %+v, %v", info, last, err)
						}
						last = info
					}
					if last.Status != mn.Succeeded || last.Result != yields {
						w.t.Errorf("the watch ended with %+v", last)
					}
				})
			}
		}
		w.beside.Wait()
	}
}

func checkKeptYields(w *world) {
	job := mn.NewJob("job", counting, mn.KeepYields(500))
	w.worker(job)
	client := w.client(job)
	id := start(w, job.On(client.App), 300)
	require.Equal(w.t, 300, succeeded(w, job.On(client.App), id))
	late := w.client(job)
	next := 101
	for info, err := range job.On(late.App).Watch(w.ctx, id, mn.FromYield(101)) {
		require.NoError(w.t, err)
		require.Equal(w.t, next, info.Result)
		require.EqualValues(w.t, next, info.Yields)
		require.Equal(w.t, next == 300, info.Status == mn.Succeeded)
		next++
	}
	require.Equal(w.t, 301, next)
}

func checkWatcherLeaves(w *world) {
	goOn := newFlag()
	job := mn.NewJob("job", func(_ context.Context, n int, yield func(int) bool) error {
		yield(n)
		return w.hold(goOn.ch)
	})
	w.worker(job)
	stays, leaves := w.client(job), w.client(job)
	id := start(w, job.On(stays.App), 4)
	reaches(w, job.On(leaves.App), id, mn.Running) // this watch was broken off
	gone := make(chan error, 1)
	w.beside.Go(func() {
		var last error
		for _, err := range job.On(leaves.App).Watch(w.ctx, id) {
			last = err
		}
		gone <- last
	})
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	var last error
	for _, last = range job.On(stays.App).Watch(ctx, id) {
	}
	require.ErrorIs(w.t, last, context.Canceled)
	w.leave(leaves)
	require.ErrorIs(w.t, <-gone, mn.ErrAppClosed)
	goOn.raise()
	require.Equal(w.t, 4, succeeded(w, job.On(stays.App), id))
}
