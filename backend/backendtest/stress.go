package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// together runs f n times at once and waits for all. f must not end the case, only
// report.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

// tries submits one task and returns its error; it may be called concurrently.
func (p *process) tries(sub backend.Submission) error {
	got, err := p.store.Submit(p.ctx, p.ID, []backend.Submission{sub})
	if err != nil {
		return err
	}
	return got[0].Err
}

var stressRules = []rule{
	{"of a hundred concurrent starts with one lock key one starts and the others are refused", func(w *world) {
		const n = 100
		p := w.host()
		errs := make([]error, n)
		together(n, func(i int) { errs[i] = p.tries(task(fmt.Sprint(i), jobs, "key")) })
		holder := w.held()["key"]
		w.is(holder, backend.StatusPending)
		for i, err := range errs {
			if fmt.Sprint(i) == holder {
				require.NoError(w.t, err)
				continue
			}
			w.refused(err, "key", holder)
			w.gone(fmt.Sprint(i))
		}
	}},
	{"of concurrent starts with overlapping locks none holds a part of its locks", func(w *world) {
		p := w.host()
		sets := [][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}, {"b", "a", "c"}}
		for round := range 50 {
			errs := make([]error, len(sets))
			id := func(i int) string { return fmt.Sprint(round, " ", i) }
			together(len(sets), func(i int) { errs[i] = p.tries(task(id(i), jobs, sets[i]...)) })
			held := w.held()
			started := 0
			for i, err := range errs {
				if err == nil {
					started++
					w.holds(id(i), sets[i]...)
					require.Len(w.t, held, len(sets[i]))
					w.remove(id(i))
				} else {
					w.gone(id(i))
				}
			}
			require.Equal(w.t, 1, started)
		}
	}},
	{"of concurrent locks by running tasks none is held in part", func(w *world) {
		p := w.host()
		sets := [][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}}
		var tasks []*attempt
		for i := range sets {
			tasks = append(tasks, p.run(task(fmt.Sprint(i), jobs, fmt.Sprint("own ", i))))
		}
		var got atomic.Int64
		together(len(sets), func(i int) {
			var held *backend.LockError
			if err := tasks[i].lock(sets[i]...); err == nil {
				got.Add(1)
			} else if !errors.As(err, &held) {
				w.t.Errorf("lock: %v", err)
			}
		})
		require.Equal(w.t, int64(1), got.Load())
		require.Len(w.t, w.held(), len(sets)+2)
	}},
	{"the first terminal writer wins when settle, cancel, exit and sweep race", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, maxWorkers(100), limits(time.Millisecond, 0)))
		for round := range 40 {
			a := p.run(task(fmt.Sprint(round), jobs, "key"))
			race(a)
		}
		require.Zero(w.t, w.counts(jobs))
	}},
	{"a retry and its stale settlement race without a double charge", func(w *world) {
		p := w.host(retries(1), maxWorkers(100))
		for round := range 40 {
			a := p.run(task(fmt.Sprint(round), jobs))
			together(3, func(i int) {
				if i == 0 {
					_ = a.store.Exit(a.ctx, []backend.SlotExit{{Slot: a.Lease.Slot}})
					return
				}
				end := backend.Settlement{Lease: a.Lease, Outcome: backend.Failed, Failure: failure("it broke")}
				_, _ = a.store.Settle(a.ctx, []backend.Settlement{end})
			})
			got := w.get(a.Lease.Task)
			require.Equal(w.t, 1, got.Errors+got.Crashes)
			require.Equal(w.t, backend.StatusPending, got.Status)
			w.remove(got.ID)
		}
	}},
	{"MaxWorkers holds under concurrent Reserve and Submit", func(w *world) {
		const n = 24
		p := w.host(maxWorkers(5), spares(3))
		var mu sync.Mutex
		slots := make(map[string]bool)
		note := func(s backend.Slot) {
			mu.Lock()
			defer mu.Unlock()
			if s.ID != "" && slots[s.ID] {
				w.t.Errorf("slot %q was given twice", s.ID)
			}
			slots[s.ID] = true
		}
		together(n, func(i int) {
			if i%2 == 0 {
				got, _ := w.store.Reserve(w.ctx, p.ID, []string{calls}, unlimited)
				for _, s := range got {
					note(s)
				}
				return
			}
			got, err := w.store.Submit(w.ctx, p.ID, []backend.Submission{task(fmt.Sprint(i), calls)})
			if err != nil {
				w.t.Errorf("submit: %v", err)
				return
			}
			note(got[0].Slot)
		})
		delete(slots, "")
		require.Len(w.t, slots, 5)
		require.Equal(w.t, counts{Pending: n / 2, Starting: 5, Slots: 5}, w.counts(calls))
	}},
	{"the quota holds under concurrent submits", func(w *world) {
		p := w.limited(backend.Quota{CPU: 7})
		together(24, func(i int) {
			sub := task(fmt.Sprint(i), calls)
			if i%2 == 0 {
				sub = big(sub.ID)
			}
			if err := p.tries(sub); err != nil {
				w.t.Errorf("submit: %v", err)
			}
		})
		used := w.pool(calls).Slots + 2*w.pool("big").Slots
		require.LessOrEqual(w.t, used, 7)
		require.GreaterOrEqual(w.t, used, 6)
	}},
	{"concurrent claims repeated with one Op get one task", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", calls), task("b", calls), task("c", calls)).ID
		req := p.request(slot)
		var mu sync.Mutex
		leases := make(map[backend.Lease]bool)
		together(8, func(int) {
			as, err := w.store.Claim(w.ctx, req)
			if err != nil {
				w.t.Errorf("claim: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			leases[as[0].Lease] = true
		})
		require.Len(w.t, leases, 1)
		require.Equal(w.t, 1, w.pool(calls).Running)
	}},
	{"a task submitted by many at once is one task", func(w *world) {
		p := w.host()
		var stored atomic.Int64
		together(16, func(int) {
			got, err := w.store.Submit(w.ctx, p.ID, []backend.Submission{task("a", jobs, "key")})
			if err == nil && got[0].Err == nil && !got[0].Existing {
				stored.Add(1)
			}
		})
		require.Equal(w.t, int64(1), stored.Load())
		require.Equal(w.t, counts{Pending: 1, Starting: 1, Slots: 1}, w.counts(jobs))
	}},
	{"many clients and workers: each call is executed once and answered", func(w *world) {
		const clients, workers, each = 8, 6, 40
		p := w.host(maxWorkers(workers))
		var executed atomic.Int64
		for _, slot := range p.workers(calls, workers) {
			w.beside(func() { p.serve(slot, &executed) })
		}
		var callers []*process
		for i := range clients {
			callers = append(callers, w.client(fmt.Sprint("client ", i)))
		}
		together(clients, func(i int) {
			for n := range each {
				sub := task(fmt.Sprint(i, " ", n), calls)
				sub.Depth = n % 2
				if err := callers[i].tries(sub); err != nil {
					w.t.Errorf("submit: %v", err)
				}
			}
		})
		for i, c := range callers {
			for n := range each {
				id := fmt.Sprint(i, " ", n)
				require.Equal(w.t, backend.Result{ID: id, Status: backend.StatusSucceeded, Data: []byte(id), Attempt: 1}, c.result(id))
				w.goes(id)
			}
		}
		require.Equal(w.t, int64(clients*each), executed.Load())
		p.leave()
	}},
}

// serve executes calls until the slot ends, answering each with its ID.
func (p *process) serve(slot string, executed *atomic.Int64) {
	for op := uint64(1000); ; op++ {
		as, err := p.store.Claim(p.ctx, backend.ClaimRequest{Slot: slot, Session: p.ID, Op: op, Cooldown: long, Max: 3})
		if err != nil {
			return
		}
		ends := make([]backend.Settlement, len(as))
		for i := range as {
			executed.Add(1)
			ends[i] = backend.Settlement{Lease: as[i].Lease, Outcome: backend.Succeeded, Result: []byte(as[i].Lease.Task)}
		}
		if _, err := p.store.Settle(p.ctx, ends); err != nil {
			p.t.Errorf("settle: %v", err)
		}
	}
}

// race has all writers of an end at once, and checks that one of them won.
func race(a *attempt) {
	a.t.Helper()
	id := a.Lease.Task
	a.eventually(func() bool { return time.Since(a.get(id).Started) > 2*time.Millisecond+a.Margin }, "the attempt to be overdue")
	var settled [2]backend.Settled
	together(5, func(i int) {
		switch i {
		case 0, 1:
			end := backend.Settlement{Lease: a.Lease, Outcome: backend.Outcome(1 + i), Permanent: true, Leave: true}
			got, err := a.store.Settle(a.ctx, []backend.Settlement{end})
			if err != nil {
				a.t.Errorf("settle: %v", err)
				return
			}
			settled[i] = got[0]
		case 2:
			_, _ = a.store.Cancel(a.ctx, []string{id})
		case 3:
			_ = a.store.Exit(a.ctx, []backend.SlotExit{{Slot: a.Lease.Slot}})
		case 4:
			_, _ = a.store.Sweep(a.ctx, 100)
		}
	})
	end := a.get(id)
	require.True(a.t, end.Status.Terminal())
	require.Empty(a.t, a.held())
	require.Equal(a.t, settled[0], settled[1], "one answer for one lease")
	if settled[0].Err == nil {
		require.Equal(a.t, end.Status, settled[0].Status)
	} else {
		require.ErrorIs(a.t, settled[0].Err, backend.ErrLeaseLost)
		require.NotEqual(a.t, backend.StatusSucceeded, end.Status)
	}
	_, _ = a.store.Sweep(a.ctx, 100)
	require.Equal(a.t, end, a.get(id), "an end never changes")
}
