package backendtest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// reserve reserves slots for pools.
func (p *process) reserve(pools ...string) []backend.Slot {
	p.t.Helper()
	slots, err := p.store.Reserve(p.ctx, p.ID, pools, unlimited)
	require.NoError(p.t, err)
	return slots
}

// unlimited is a Reserve's limit that plays no part.
const unlimited = 1000

// exit reports a worker's exit.
func (w *world) exit(slot, note string) {
	w.t.Helper()
	require.NoError(w.t, w.store.Exit(w.ctx, []backend.SlotExit{{Slot: slot, Note: note}}))
}

var scaleRules = []rule{
	{"Reserve reserves one slot for each task that lacks a worker", func(w *world) {
		p, c := w.host(), w.client("c")
		c.start(task("a", jobs), task("b", jobs), task("c", calls))
		slots := p.reserve(jobs, calls)
		require.Len(w.t, slots, 3)
		require.Equal(w.t, []string{jobs, jobs, calls}, []string{slots[0].Pool, slots[1].Pool, slots[2].Pool})
		require.Equal(w.t, counts{Pending: 2, Starting: 2, Slots: 2}, w.counts(jobs))
		require.Empty(w.t, p.reserve(jobs, calls), "workers that start are counted")
	}},
	{"Reserve reserves at most its limit of each pool", func(w *world) {
		p, c := w.host(), w.client("c")
		c.start(task("a", jobs), task("b", jobs), task("c", jobs), task("d", calls))
		for _, want := range [][]string{{jobs, jobs, calls}, {jobs}, nil} {
			slots, err := p.store.Reserve(p.ctx, p.ID, []string{jobs, calls}, 2)
			require.NoError(w.t, err)
			var got []string
			for _, s := range slots {
				got = append(got, s.Pool)
			}
			require.Equal(w.t, want, got)
		}
		require.Equal(w.t, counts{Pending: 3, Starting: 3, Slots: 3}, w.counts(jobs))
	}},
	{"spares are kept", func(w *world) {
		p := w.host(spares(2))
		slots := p.reserve(calls)
		require.Len(w.t, slots, 2)
		one, two := p.rest(calls, slots[0].ID, long), p.rest(calls, slots[1].ID, long)
		require.Empty(w.t, p.reserve(calls), "idle workers are counted")
		p.inbox.forget()
		p.start(task("a", calls))
		p.hearsDemand(calls)
		require.Len(w.t, p.reserve(calls), 1, "for the spare that took the task")
		require.Equal(w.t, counts{Running: 1, Starting: 1, Idle: 1, Slots: 3}, w.counts(calls))
		p.leave()
		one.end()
		two.end()
	}},
	{"spares leave after their cooldown when nobody launches them any more", func(w *world) {
		p := w.host(spares(1))
		slot := p.reserve(calls)[0].ID
		worker := w.joinAs(backend.Session{ID: "worker", Pools: []backend.PoolSpec{spec(calls, backend.Function, spares(1))}})
		kept := worker.rest(calls, slot, 5*time.Millisecond)
		looks := time.NewTimer(50 * time.Millisecond)
		defer looks.Stop()
		select {
		case <-kept.done:
			require.FailNow(w.t, "a spare left although somebody launches them", "%v", kept.err)
		case <-looks.C:
		}
		p.leave()
		kept.fails(backend.ErrRetired)
		require.Zero(w.t, w.pool(calls).Slots)
	}},
	{"spares come on top of what is waiting", func(w *world) {
		p, c := w.host(spares(2)), w.client("c")
		c.start(task("a", calls))
		require.Len(w.t, p.reserve(calls), 3)
	}},
	{"a submit that reserves a slot demands the spares that lack besides", func(w *world) {
		p := w.host(spares(1))
		p.inbox.forget()
		require.NotEmpty(w.t, p.start(task("a", calls)).ID)
		p.hearsDemand(calls)
		require.Len(w.t, p.reserve(calls), 1)
	}},
	{"spares are demanded as soon as their definition joins", func(w *world) {
		p := w.host(spares(1))
		p.hearsDemand(calls)
	}},
	{"MaxWorkers bounds what Reserve reserves", func(w *world) {
		p, c := w.host(maxWorkers(3), spares(2)), w.client("c")
		for i := range 5 {
			c.start(task(fmt.Sprint(i), calls))
		}
		require.Len(w.t, p.reserve(calls), 3)
		require.Empty(w.t, p.reserve(calls))
	}},
	{"MaxWorkers 0 allows no worker", func(w *world) {
		p := w.host(maxWorkers(0), spares(1))
		require.Empty(w.t, p.start(task("a", calls)).ID)
		require.Empty(w.t, p.reserve(calls))
	}},
	{"Reserve skips pools that the session does not launch", func(w *world) {
		w.host()
		c := w.client("c")
		c.start(task("a", jobs))
		require.Empty(w.t, c.reserve(jobs))
		serves := w.joinAs(backend.Session{ID: "serves", Pools: []backend.PoolSpec{spec(jobs, backend.Job)}})
		require.Empty(w.t, serves.reserve(jobs))
		other := w.join("other", spec("other", backend.Job))
		require.Empty(w.t, other.reserve(jobs, "nothing", "other"))
		require.Zero(w.t, w.pool(jobs).Slots)
	}},
	{"Reserve for a session that has not joined is refused", func(w *world) {
		_, err := w.store.Reserve(w.ctx, "nobody", []string{jobs}, unlimited)
		require.ErrorIs(w.t, err, backend.ErrSessionLost)
	}},
	{"tasks that waited before anybody could launch them are demanded when somebody joins", func(w *world) {
		c := w.client("c")
		c.start(task("a", jobs))
		p := w.host()
		p.hearsDemand(jobs)
		p.next(jobs)
	}},
	{"tasks whose launching session is gone are demanded from another", func(w *world) {
		p, q := w.host(), w.join("q", spec(jobs, backend.Job))
		p.start(task("a", jobs))
		q.inbox.forget()
		p.leave()
		q.hearsDemand(jobs)
		require.Equal(w.t, "a", q.next(jobs).Lease.Task)
	}},
	{"a demand whose hearer leaves without acting goes to another", func(w *world) {
		p, q, c := w.host(), w.join("q", spec(jobs, backend.Job)), w.client("c")
		c.start(task("a", jobs))
		w.eventually(func() bool { return p.inbox.demanded(jobs) || q.inbox.demanded(jobs) }, "somebody to hear the demand")
		if q.inbox.demanded(jobs) {
			p, q = q, p
		}
		q.inbox.forget()
		p.leave()
		q.hearsDemand(jobs)
	}},
	{"a worker's end is demanded to be made up for", func(w *world) {
		p := w.host(maxWorkers(1))
		a := p.run(task("a", calls))
		p.start(task("b", calls))
		p.inbox.forget()
		a.crash("")
		p.hearsDemand(calls)
		require.Equal(w.t, "b", p.next(calls).Lease.Task)
	}},
	{"a slot whose worker does not start in time ends, says why, and is made up for", func(w *world) {
		p := w.joinAs(backend.Session{
			ID: "p", Launches: true, Starting: 20 * time.Millisecond,
			Pools: []backend.PoolSpec{spec(jobs, backend.Job, maxWorkers(1))},
		})
		slot := p.start(task("a", jobs))
		p.inbox.forget()
		w.sweepUntil(func() bool { return w.pool(jobs).Slots == 0 }, "the slot to end")
		p.hearsKill(slot.ID)
		p.hearsDemand(jobs)
		p.claimFails(slot.ID, backend.ErrSlotLost)
		require.NotEmpty(w.t, w.pool(jobs).Blocked)
		w.shows("a", w.pool(jobs).Blocked)
		p.next(jobs)
	}},
	{"a slot whose worker started in time stays", func(w *world) {
		p := w.joinAs(backend.Session{
			ID: "p", Launches: true, Starting: 30 * time.Millisecond,
			Pools: []backend.PoolSpec{spec(jobs, backend.Job)},
		})
		a := p.run(task("a", jobs))
		p.start(task("b", jobs))
		w.sweepUntil(func() bool { return w.pool(jobs).Starting == 0 }, "the other slot to end")
		w.is("a", backend.StatusRunning)
		a.succeed()
	}},
}
