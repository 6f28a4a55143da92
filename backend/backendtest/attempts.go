package backendtest

import (
	"runtime"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// remembers checks the attempts of a job that are remembered, apart from their times, which
// must follow each other.
func (w *world) remembers(id string, want ...backend.PastAttempt) {
	w.t.Helper()
	got := w.past(id)
	now := w.get(id)
	last := now.Created
	for i := range got {
		a := &got[i]
		require.False(w.t, a.Started.Before(last), "attempt %d began before what was before it ended", a.Number)
		require.False(w.t, a.Ended.Before(a.Started), "attempt %d ended before it began", a.Number)
		last = a.Ended
		a.Started, a.Ended = time.Time{}, time.Time{}
	}
	require.Equal(w.t, want, append([]backend.PastAttempt(nil), got...))
}

var attemptRules = []rule{
	{"attempts after which a job is tried again are remembered, oldest first", func(w *world) {
		p := w.host(retries(3))
		slot := p.start(task("a", jobs)).ID
		w.remembers("a")
		a := p.claim(p.start(task("b", jobs)).ID) // whose slot does not matter
		first := *w.get("a")
		a.settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("one")})
		one := backend.PastAttempt{Number: 1, Slot: a.Lease.Slot, Failure: failure("one")}
		w.remembers("a", one)
		require.Equal(w.t, first.Started, w.past("a")[0].Started)
		require.Equal(w.t, "b", p.claim(a.Lease.Slot).Lease.Task)
		c := p.claim(slot)
		w.remembers("a", one)
		c.crash("out of memory")
		two := backend.PastAttempt{Number: 2, Slot: c.Lease.Slot, Failure: &backend.Failure{Code: backend.CodeLost, Note: "out of memory"}}
		w.remembers("a", one, two)
		w.remembers("b")
		p.next(jobs).settle(backend.Settlement{Outcome: backend.Failed})
		w.remembers("a", one, two, backend.PastAttempt{Number: 3, Slot: w.get("a").Slot})
	}},
	{"what ends a job, hands it back or follows a cancel is not remembered", func(w *world) {
		p := w.host(retries(1))
		p.run(task("done", jobs)).succeed()
		p.run(task("broken", jobs)).settle(backend.Settlement{Outcome: backend.Failed, Failure: failure("x"), Permanent: true})
		a := p.run(task("cancelled", jobs))
		w.cancel("cancelled")
		require.Equal(w.t, backend.StatusCancelled, a.fail())
		b := p.run(task("cancelled and lost", jobs))
		w.cancel("cancelled and lost")
		b.crash("")
		c := p.run(task("spent", jobs))
		c.fail()
		require.Equal(w.t, backend.StatusFailed, p.claim(c.Lease.Slot).fail())
		require.Len(w.t, w.past("spent"), 1)
		p.run(task("back", jobs)).release()
		for _, id := range []string{"done", "broken", "back", "cancelled", "cancelled and lost"} {
			w.remembers(id)
		}
	}},
	{"an attempt that a sweep finds lost is remembered", func(w *world) {
		p := w.joinAs(brief("p", spec(jobs, backend.Job, retries(1))))
		a := p.run(task("a", jobs))
		p.expires()
		require.Len(w.t, w.past("a"), 1)
		require.Equal(w.t, a.Lease.Slot, w.past("a")[0].Slot)
		require.Equal(w.t, backend.CodeLost, w.past("a")[0].Failure.Code)
	}},
	{"an attempt released and one that failed afterwards have the same number", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.release()
		a = p.claim(a.Lease.Slot)
		a.fail()
		w.remembers("a", backend.PastAttempt{Number: 1, Slot: a.Lease.Slot, Failure: failure("it broke")})
	}},
	{"only the last KeptAttempts attempts are remembered", func(w *world) {
		const n = backend.KeptAttempts + 3
		p := w.host(retries(n))
		a := p.run(task("a", jobs))
		for range n {
			a.fail()
			a = p.claim(a.Lease.Slot)
		}
		past := w.past("a")
		require.Len(w.t, past, backend.KeptAttempts)
		for i := range past {
			require.Equal(w.t, n-backend.KeptAttempts+i+1, past[i].Number)
		}
	}},
	{"there are no attempts of a call or of what does not exist", func(w *world) {
		p := w.host(retries(1))
		p.run(task("c", calls)).fail()
		for _, id := range []string{"c", "nothing"} {
			_, err := w.store.Attempts(w.ctx, id)
			require.ErrorIs(w.t, err, backend.ErrNotFound)
		}
	}},
	{"attempts are forgotten with their job", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.fail()
		a = p.claim(a.Lease.Slot)
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		require.Len(w.t, w.past("a"), 1)
		w.remove("a")
		_, err := w.store.Attempts(w.ctx, "a")
		require.ErrorIs(w.t, err, backend.ErrNotFound)
		p.start(task("a", jobs))
		w.remembers("a")
	}},
	{"a task tells the slot of its newest attempt, however that ends", func(w *world) {
		leave := backend.Settlement{Outcome: backend.Succeeded, Leave: true}
		for name, end := range map[string]func(a *attempt){
			"succeeded":           func(a *attempt) { a.succeed() },
			"succeeded and left":  func(a *attempt) { a.settle(leave) },
			"failed for ever":     func(a *attempt) { a.settle(backend.Settlement{Outcome: backend.Failed, Permanent: true}) },
			"failed":              func(a *attempt) { a.fail() },
			"lost":                func(a *attempt) { a.crash("") },
			"released":            func(a *attempt) { a.release() },
			"cancelled":           func(a *attempt) { a.cancel("a"); a.succeed() },
			"cancelled and lost":  func(a *attempt) { a.cancel("a"); a.crash("") },
			"released, cancelled": func(a *attempt) { a.release(); a.cancel("a") },
		} {
			// Before it an attempt on another slot, which ended in either way.
			for before, first := range map[string]func(a *attempt){
				"": nil, "after an error": func(a *attempt) { a.fail() }, "after a crash": func(a *attempt) { a.crash("") },
			} {
				w := newWorld(w.t, w.place)
				p := w.host(retries(1))
				slot := p.start(task("a", jobs)).ID
				require.Empty(w.t, w.get("a").Slot)
				if first != nil {
					a := p.claim(slot)
					first(a)
					require.Equal(w.t, slot, w.get("a").Slot)
					slot = p.start(task("b", jobs)).ID
				}
				a := p.claim(slot)
				require.Equal(w.t, "a", a.Lease.Task)
				require.Equal(w.t, slot, w.get("a").Slot, "%s %s", name, before)
				ended := make(chan *backend.Task, 1)
				w.beside(func() {
					t, _ := w.store.Await(w.ctx, "a", backend.Until{Ended: true})
					ended <- t
				})
				for range 5 { // whether it waits already cannot be seen
					runtime.Gosched()
					w.find("a")
				}
				end(a)
				got := w.get("a")
				require.Equal(w.t, slot, got.Slot, "%s %s", name, before)
				if !got.Status.Terminal() {
					w.cancel("a")
				}
				require.Equal(w.t, slot, (<-ended).Slot, "Await of a job that %s %s", name, before)
			}
		}
	}},
	{"a call tells the slot of its newest attempt", func(w *world) {
		p := w.host(retries(1))
		p.start(task("a", calls))
		require.Empty(w.t, w.get("a").Slot)
		a := p.claim(p.start(task("b", calls)).ID)
		require.Equal(w.t, a.Lease.Slot, w.get("a").Slot)
		a.fail()
		require.Equal(w.t, a.Lease.Slot, w.get("a").Slot)
	}},
	{"a task that timed out tells its slot", func(w *world) {
		p := w.join("p", spec(jobs, backend.Job, limits(time.Millisecond, time.Millisecond)))
		a := p.run(task("a", jobs))
		w.sweepUntil(func() bool { return w.status("a").Terminal() }, "the job to time out")
		require.Equal(w.t, backend.CodeTimeout, w.get("a").Failure.Code)
		require.Equal(w.t, a.Lease.Slot, w.get("a").Slot)
	}},
}
