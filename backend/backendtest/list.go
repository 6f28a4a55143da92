package backendtest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// pages lists all IDs page by page.
func (w *world) pages(req backend.ListRequest) []string {
	w.t.Helper()
	var all []string
	for {
		page := w.listed(req)
		all = append(all, page...)
		if len(page) < req.Limit {
			return all
		}
		req.Before = page[len(page)-1]
	}
}

var listRules = []rule{
	{"List pages the highest ID first", func(w *world) {
		c := w.client("c")
		c.start(task("b", jobs), task("d", jobs), task("a", jobs), task("e", jobs), task("c", jobs))
		require.Equal(w.t, []string{"e", "d"}, w.listed(backend.ListRequest{Limit: 2}))
		require.Equal(w.t, []string{"c", "b"}, w.listed(backend.ListRequest{Limit: 2, Before: "d"}))
		require.Equal(w.t, []string{"a"}, w.listed(backend.ListRequest{Limit: 2, Before: "b"}))
		require.Empty(w.t, w.listed(backend.ListRequest{Limit: 2, Before: "a"}))
	}},
	{"a cursor need not be an ID that exists", func(w *world) {
		c := w.client("c")
		c.start(task("b", jobs), task("d", jobs))
		require.Equal(w.t, []string{"b"}, w.listed(backend.ListRequest{Before: "c"}))
		w.remove("d")
		require.Equal(w.t, []string{"b"}, w.listed(backend.ListRequest{Before: "d"}))
		require.Equal(w.t, []string{"b"}, w.listed(backend.ListRequest{Before: "z"}))
	}},
	{"a page without limit has 100 jobs", func(w *world) {
		c := w.client("c")
		var subs []backend.Submission
		for i := range backend.DefaultPage + 1 {
			subs = append(subs, task(fmt.Sprintf("%03d", i), jobs))
		}
		c.start(subs...)
		page := w.listed(backend.ListRequest{})
		require.Len(w.t, page, backend.DefaultPage)
		require.Equal(w.t, "001", page[len(page)-1])
		require.Len(w.t, w.listed(backend.ListRequest{Limit: 500}), backend.DefaultPage+1)
	}},
	{"List filters by status", func(w *world) {
		p := w.host(retries(1))
		p.run(task("6 succeeded", jobs)).succeed()
		p.run(task("5 failed", jobs)).settle(backend.Settlement{Outcome: backend.Failed, Permanent: true})
		p.run(task("4 running", jobs))
		p.run(task("3 cancelling", jobs))
		p.run(task("2 pending", jobs)).fail()
		p.start(task("1 cancelled", jobs))
		w.cancel("3 cancelling", "1 cancelled")
		for status, want := range map[backend.Status]string{
			backend.StatusSucceeded: "6 succeeded", backend.StatusFailed: "5 failed", backend.StatusRunning: "4 running",
			backend.StatusCancelling: "3 cancelling", backend.StatusPending: "2 pending", backend.StatusCancelled: "1 cancelled",
		} {
			require.Equal(w.t, []string{want}, w.listed(backend.ListRequest{Statuses: []backend.Status{status}}))
		}
		some := []backend.Status{backend.StatusCancelled, backend.StatusSucceeded, backend.StatusRunning}
		require.Equal(w.t, []string{"6 succeeded", "4 running"}, w.listed(backend.ListRequest{Statuses: some, Limit: 2}))
		require.Equal(w.t, []string{"1 cancelled"}, w.listed(backend.ListRequest{Statuses: some, Limit: 2, Before: "4 running"}))
		require.Len(w.t, w.listed(backend.ListRequest{Statuses: backend.Statuses[:]}), 6)
	}},
	{"List filters by definition", func(w *world) {
		c := w.client("c")
		other := task("b", "other")
		c.start(task("a", jobs), other, task("c", jobs))
		require.Equal(w.t, []string{"c", "a"}, w.listed(backend.ListRequest{Pool: jobs}))
		require.Equal(w.t, []string{"b"}, w.listed(backend.ListRequest{Pool: "other"}))
		require.Empty(w.t, w.listed(backend.ListRequest{Pool: "nothing"}))
		cancelled := []backend.Status{backend.StatusCancelled}
		w.cancel("a", "b")
		require.Equal(w.t, []string{"a"}, w.listed(backend.ListRequest{Pool: jobs, Statuses: cancelled}))
	}},
	{"From ends a list at the lowest ID wanted", func(w *world) {
		p := w.host()
		p.run(task("e", jobs))
		p.start(task("a", jobs), task("b", jobs), task("d", jobs))
		other := task("c", "other")
		p.start(other)
		for from, want := range map[string][]string{
			"": {"e", "d", "c", "b", "a"}, "a": {"e", "d", "c", "b", "a"}, "b": {"e", "d", "c", "b"}, "bb": {"e", "d", "c"}, "e": {"e"}, "f": {},
		} {
			require.Equal(w.t, want, w.listed(backend.ListRequest{From: from}), "from %q", from)
		}
		require.Equal(w.t, []string{"c", "b"}, w.listed(backend.ListRequest{From: "b", Before: "d"}))
		require.Empty(w.t, w.listed(backend.ListRequest{From: "d", Before: "d"}))
		require.Empty(w.t, w.listed(backend.ListRequest{From: "e", Before: "b"}))
		require.Equal(w.t, []string{"d", "b"}, w.listed(backend.ListRequest{From: "b", Pool: jobs, Statuses: []backend.Status{backend.StatusPending}}))
		require.Equal(w.t, []string{"e", "d", "c", "b"}, w.pages(backend.ListRequest{From: "b", Limit: 2}))
	}},
	{"calls are not listed", func(w *world) {
		p := w.host()
		p.start(task("a", calls))
		p.run(task("b", jobs))
		require.Equal(w.t, []string{"b"}, w.listed(backend.ListRequest{}))
	}},
	{"what is listed is what Get returns", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs, "key"))
		a.yield(1)
		a.fail()
		p.start(task("b", jobs))
		listed, err := w.store.List(w.ctx, backend.ListRequest{})
		require.NoError(w.t, err)
		require.Equal(w.t, []*backend.Task{w.get("b"), w.get("a")}, listed)
		require.NotEmpty(w.t, listed[0].Reason)
	}},
	{"paging through many jobs of all statuses finds each once", func(w *world) {
		const n = 1300
		p := w.host(maxWorkers(n))
		var subs []backend.Submission
		for i := range n {
			subs = append(subs, task(fmt.Sprintf("%05d", i*7919%n), jobs))
		}
		slots := p.submit(subs...)
		var want []string
		for i, s := range slots[:n/2] {
			a := p.claim(s.Slot.ID)
			if i%3 > 0 {
				a.settle(backend.Settlement{Outcome: backend.Outcome(i % 3)})
			}
		}
		for i, s := range subs {
			if i%5 == 0 {
				w.cancel(s.ID)
			}
			want = append(want, s.ID)
		}
		slices.Sort(want)
		slices.Reverse(want)
		require.Equal(w.t, want, w.pages(backend.ListRequest{Limit: 64}))
		total := 0
		for _, status := range backend.Statuses {
			total += len(w.pages(backend.ListRequest{Limit: 50, Pool: jobs, Statuses: []backend.Status{status}}))
		}
		require.Equal(w.t, n, total)
		w.remove(want...)
		left := w.listed(backend.ListRequest{Limit: n})
		for _, id := range left {
			w.is(id, backend.StatusCancelling)
		}
	}},
	{"jobs that come and go while pages are read disturb no other", func(w *world) {
		c := w.client("c")
		for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
			c.start(task(id, jobs))
		}
		require.Equal(w.t, []string{"f", "e"}, w.listed(backend.ListRequest{Limit: 2}))
		w.remove("e", "f", "c")
		c.start(task("g", jobs))
		require.Equal(w.t, []string{"d", "b"}, w.listed(backend.ListRequest{Limit: 2, Before: "e"}))
	}},
}
