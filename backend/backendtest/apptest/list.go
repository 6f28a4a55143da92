package apptest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var listRules = []rule{
	{"a list misses nothing and repeats nothing while jobs start, change and go", checkListWhileChanging},
	{"pages put together are the list", checkPages},
}

// settledJobs starts n jobs at once and waits for their end. It returns them newest
// first.
func settledJobs(w *world, job *mn.Job[int, int], n int) []mn.JobID {
	w.t.Helper()
	var all log[mn.JobID]
	for range 10 {
		w.beside.Go(func() {
			for range n / 10 {
				id, err := job.Start(w.ctx, 1)
				if err == nil {
					_, err = job.Wait(w.ctx, id)
				}
				if err != nil {
					w.t.Errorf("job: %v", err)
				}
				all.add(id)
			}
		})
	}
	w.beside.Wait()
	ids := all.entries()
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

func checkListWhileChanging(w *world) {
	job := mn.NewJob("job", counting, mn.MaxConcurrency(20))
	other := mn.NewJob("other", counting)
	w.worker(job, other)
	w.worker(job)
	client := w.client(job, other)
	stable := settledJobs(w, job.On(client.App), 230) // more than two of the store's pages
	succeeded(w, other.On(client.App), start(w, other.On(client.App), 1))
	over := newFlag()
	for i := range 3 {
		w.beside.Go(func() { churn(w, job.On(w.nodes[i].App), over) })
	}
	for range 10 {
		checkList(w, job.On(client.App), stable)
		checkList(w, job.On(client.App), stable, mn.WithStatus(mn.Succeeded))
	}
	over.raise()
	w.beside.Wait()
	w.eventually("what was removed before its end is gone", func() bool { return len(w.jobs()) == len(stable)+1 })
}

// churn starts jobs and removes them, before and after their end, until it is over.
func churn(w *world, job *mn.Job[int, int], over *flag) {
	for n := 0; !over.raised(); n++ {
		id, err := job.Start(w.ctx, 3)
		if err == nil && n%2 == 0 {
			_, err = job.Wait(w.ctx, id)
		}
		if err == nil {
			err = job.Remove(w.ctx, id)
		}
		if err != nil {
			w.t.Errorf("job: %v", err)
			return
		}
	}
}

// checkList checks that a list is in order and has all of the stable jobs.
func checkList(w *world, job *mn.Job[int, int], stable []mn.JobID, opts ...mn.ListOption) {
	w.t.Helper()
	var last mn.JobID
	missing := stable
	for info, err := range job.List(w.ctx, opts...) {
		require.NoError(w.t, err)
		require.True(w.t, last == "" || info.ID < last, "%s after %s", info.ID, last)
		require.Contains(w.t, []mn.Status{mn.Succeeded, mn.Pending, mn.Running, mn.Cancelling, mn.Cancelled}, info.Status)
		if len(opts) > 0 {
			require.Equal(w.t, mn.Succeeded, info.Status)
		}
		last = info.ID
		if len(missing) > 0 && info.ID == missing[0] {
			missing = missing[1:]
		}
	}
	require.Empty(w.t, missing, "not listed")
}

func checkPages(w *world) {
	job := mn.NewJob("job", counting, mn.MaxConcurrency(20))
	w.worker(job)
	client := w.client(job)
	stable := settledJobs(w, job.On(client.App), 50)
	for _, size := range []int{1, 7, 50, 60} {
		var got []mn.JobID
		opts := []mn.ListOption{mn.Limit(size)}
		for {
			page := slices.Clone(got)
			for id, err := range job.On(client.App).ListIDs(w.ctx, opts...) {
				require.NoError(w.t, err)
				page = append(page, id)
			}
			if len(page) == len(got) {
				break
			}
			require.LessOrEqual(w.t, len(page)-len(got), size)
			got = page
			opts = []mn.ListOption{mn.Limit(size), mn.After(got[len(got)-1])}
		}
		require.Equal(w.t, stable, got)
	}
	for id, err := range job.On(client.App).ListIDs(w.ctx, mn.WithStatus(mn.Failed, mn.Running)) {
		require.Fail(w.t, "listed with a status that no job has", "%s, %v", id, err)
	}
}
