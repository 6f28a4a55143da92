package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// linked is a submission made for a job, with a trace.
func linked(sub backend.Submission) backend.Submission {
	sub.Parent, sub.Root, sub.Trace = "parent of "+sub.ID, "root of "+sub.ID, "trace\x00of "+sub.ID
	return sub
}

// checkLinks checks what assignments tell of their tasks: those of linked.
func (w *world) checkLinks(as ...backend.Assignment) {
	w.t.Helper()
	for i := range as {
		id := as[i].Lease.Task
		got := linked(task(id, as[i].Pool))
		got.Depth = as[i].Depth
		require.Equal(w.t, got, backend.Submission{
			ID: id, Kind: as[i].Kind, Pool: as[i].Pool, Input: as[i].Input, Parent: as[i].Parent, Depth: as[i].Depth,
			Root: as[i].Root, Trace: as[i].Trace,
		})
		require.Equal(w.t, w.get(id).Created, as[i].Created)
	}
}

// taskLinks are calls 00, 01, … made for jobs.
func taskLinks(n int) []backend.Submission {
	subs := tasks(n)
	for i := range subs {
		subs[i] = linked(subs[i])
	}
	return subs
}

var linkRules = []rule{
	{"root and trace are read with a task in every state", func(w *world) {
		p := w.host(retries(1))
		for _, pool := range []string{jobs, calls} {
			want := linked(task("in "+pool, pool))
			check := func(t *backend.Task) {
				w.t.Helper()
				require.Equal(w.t, []string{want.Parent, want.Root, want.Trace}, []string{t.Parent, t.Root, t.Trace})
				require.Equal(w.t, want.Kind, t.Kind)
				require.Equal(w.t, want.Input, t.Input)
				require.False(w.t, t.Created.IsZero())
			}
			slot := p.start(want).ID
			check(w.get(want.ID))
			p.claim(slot).fail()
			check(w.get(want.ID))
			a := p.claim(slot)
			check(w.get(want.ID))
			if pool == calls {
				continue
			}
			ended := make(chan *backend.Task, 1)
			w.beside(func() {
				t, _ := w.store.Await(w.ctx, want.ID, backend.Until{Ended: true})
				ended <- t
			})
			a.succeed()
			check(<-ended)
			listed, err := w.store.List(w.ctx, backend.ListRequest{})
			require.NoError(w.t, err)
			check(listed[0])
		}
	}},
	{"one of root and trace may be alone, and both may be none", func(w *world) {
		p := w.host()
		for i, sub := range []backend.Submission{{}, {Root: "r"}, {Trace: "t"}} {
			sub.ID, sub.Kind, sub.Pool, sub.Parent = number(i), backend.Function, calls, "p"
			a := p.run(sub)
			require.Equal(w.t, []string{"p", sub.Root, sub.Trace}, []string{a.Parent, a.Root, a.Trace})
			got := w.get(sub.ID)
			require.Equal(w.t, []string{"p", sub.Root, sub.Trace}, []string{got.Parent, got.Root, got.Trace})
		}
	}},
	{"they reach who claims from the queue, at first, again and after a release or an error", func(w *world) {
		p := w.host(retries(1))
		for _, pool := range []string{jobs, calls} {
			slot := p.start(linked(task("in "+pool, pool))).ID
			req := p.request(slot)
			a := p.claimAs(req)
			w.checkLinks(*a.Assignment, *p.claimAs(req).Assignment)
			a.release()
			a = p.claim(slot)
			w.checkLinks(*a.Assignment)
			a.fail()
			w.checkLinks(*p.claim(slot).Assignment)
		}
	}},
	{"they reach a worker that waits, at submission and at a retry", func(w *world) {
		p, c := w.host(maxWorkers(3), retries(1)), w.client("c")
		a := p.run(task("job", jobs))
		a.succeed()
		idle := p.rest(jobs, a.Lease.Slot, long)
		c.start(linked(task("a", jobs)))
		a = idle.gets("a")
		w.checkLinks(*a.Assignment)

		slots := p.workers(calls, 2)
		one := p.rest(calls, slots[0], long)
		c.start(linked(task("b", calls)))
		b := one.gets("b")
		w.checkLinks(*b.Assignment)
		two := p.rest(calls, slots[1], long)
		b.fail()
		w.checkLinks(*two.gets("b").Assignment)

		lost := p.run(linked(task("d", jobs)))
		rest := a.Lease.Slot
		a.succeed()
		again := p.rest(jobs, rest, long)
		lost.crash("")
		w.checkLinks(*again.gets("d").Assignment)
	}},
	{"they reach a bundle", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		idle := p.restAs(calls, p.rests(p.worker(), 64))
		mixed := taskLinks(4)
		c.start(mixed...)
		idle.end()
		require.NoError(w.t, idle.err)
		w.checkLinks(idle.as...)
	}},
	{"a bundle of linked and other tasks keeps them apart", func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		idle := p.restAs(calls, p.rests(p.worker(), 64))
		mixed := taskLinks(5)
		mixed[1], mixed[4] = task(mixed[1].ID, calls), task(mixed[4].ID, calls)
		c.start(mixed...)
		idle.end()
		require.NoError(w.t, idle.err)
		for _, a := range idle.as {
			if id := a.Lease.Task; id == mixed[1].ID || id == mixed[4].ID {
				require.Empty(w.t, a.Root+a.Trace+a.Parent)
				require.Equal(w.t, "input of "+id, string(a.Input))
			} else {
				w.checkLinks(a)
			}
		}
	}},
	{"they reach a batch", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(taskLinks(5)...).ID
		for w.pool(calls).Pending > 0 {
			as, err := w.store.Claim(w.ctx, p.several(slot, 3))
			require.NoError(w.t, err)
			w.checkLinks(as...)
			p.end(backend.Succeeded, p.attempts(slot, as)...)
		}
	}},
	{"they reach an exchange, at once and by a claim that waits", optional(func(w *world) {
		p, c := w.host(maxWorkers(1)), w.client("c")
		a := p.run(task("first", calls))
		p.start(taskLinks(4)...)
		slot := a.Lease.Slot
		req := p.rests(slot, 2)
		x := a.exchange(success, req)
		require.NoError(w.t, x.Err)
		for x.Claim == nil {
			w.checkLinks(x.Tasks...)
			as := p.attempts(slot, x.Tasks)
			ends := make([]backend.Settlement, len(as))
			for i := range as {
				ends[i] = backend.Settlement{Lease: as[i].Lease, Outcome: backend.Succeeded}
			}
			var err error
			x, err = w.store.(backend.Exchanger).Exchange(w.ctx, ends, p.rests(slot, 2))
			require.NoError(w.t, err)
			require.NoError(w.t, x.Err)
		}
		c.start(linked(task("last", calls)))
		as, err := x.Claim.Wait(w.ctx)
		require.NoError(w.t, err)
		w.checkLinks(as...)
	})},
	{"they reach a worker that is lent", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(linked(nested("n", calls)))
		w.checkLinks(*p.claimNested(a.Lease.Slot).Assignment)
	}},
	{"a job that is submitted again keeps them", func(w *world) {
		p := w.host()
		p.start(linked(task("a", jobs)))
		require.True(w.t, p.submit(task("a", jobs))[0].Existing)
		require.Equal(w.t, "root of a", w.get("a").Root)
	}},
}
