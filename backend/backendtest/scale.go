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
	slots, err := p.store.Reserve(p.ctx, p.ID, pools)
	require.NoError(p.t, err)
	return slots
}

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
	{"spares come on top of what is waiting", func(w *world) {
		p, c := w.host(spares(2)), w.client("c")
		c.start(task("a", calls))
		require.Len(w.t, p.reserve(calls), 3)
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
		_, err := w.store.Reserve(w.ctx, "nobody", []string{jobs})
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

// limited joins a process whose namespace has a quota. Workers of big take 2 CPU and
// 2 GiB, those of the others half of that.
func (w *world) limited(q backend.Quota, sets ...set) *process {
	w.t.Helper()
	big := spec("big", backend.Function, sets...)
	big.CPU, big.Memory = 2, 2<<30
	return w.joinAs(backend.Session{
		ID: "limited", Launches: true, Quota: q,
		Pools: []backend.PoolSpec{spec(jobs, backend.Job), spec(calls, backend.Function, sets...), big},
	})
}

func big(id string) backend.Submission {
	return backend.Submission{ID: id, Kind: backend.Function, Pool: "big"}
}

var quotaRules = []rule{
	{"the quota bounds the CPU of all slots together", func(w *world) {
		p := w.limited(backend.Quota{CPU: 3})
		require.NotEmpty(w.t, p.start(big("a")).ID)
		require.Empty(w.t, p.start(big("b")).ID)
		require.NotEmpty(w.t, p.start(task("c", jobs)).ID)
		require.Empty(w.t, p.start(task("d", calls)).ID)
		require.Empty(w.t, p.reserve("big", jobs, calls))
	}},
	{"the quota bounds the memory of all slots together", func(w *world) {
		p := w.limited(backend.Quota{Memory: 3 << 30})
		require.NotEmpty(w.t, p.start(big("a")).ID)
		require.Empty(w.t, p.start(big("b")).ID)
		require.NotEmpty(w.t, p.start(task("c", jobs)).ID)
		require.Empty(w.t, p.start(task("d", calls)).ID)
	}},
	{"a quota in fractions is exact", func(w *world) {
		tenth := spec(jobs, backend.Job, maxWorkers(100))
		tenth.CPU = 0.1
		p := w.joinAs(backend.Session{ID: "p", Launches: true, Quota: backend.Quota{CPU: 1}, Pools: []backend.PoolSpec{tenth}})
		for round := range 3 {
			var slots []string
			for i := range 11 {
				if slot := p.start(task(fmt.Sprint(round, i), jobs)); slot.ID != "" {
					slots = append(slots, slot.ID)
				}
			}
			require.Len(w.t, slots, 10)
			w.remove(w.page(backend.ListRequest{})...)
			for _, slot := range slots {
				w.exit(slot, "")
			}
		}
	}},
	{"what ends makes room, and what it makes room for is demanded", func(w *world) {
		p := w.limited(backend.Quota{CPU: 2})
		a := p.run(task("a", jobs))
		require.Empty(w.t, p.start(big("b")).ID)
		p.inbox.forget()
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		p.hearsDemand("big")
		require.Len(w.t, p.reserve("big"), 1)
	}},
	{"a worker that retires makes room, and what it makes room for is demanded", func(w *world) {
		p := w.limited(backend.Quota{CPU: 2})
		slot := p.worker()
		require.Empty(w.t, p.start(big("b")).ID)
		p.inbox.forget()
		p.claimFails(slot, backend.ErrRetired)
		p.hearsDemand("big")
		require.Len(w.t, p.reserve("big"), 1)
	}},
	{"idle workers of other pools retire to make room", func(w *world) {
		p := w.limited(backend.Quota{CPU: 3})
		slots := p.workers(calls, 3)
		var idle []*waiting
		for _, slot := range slots {
			idle = append(idle, p.rest(calls, slot, long))
		}
		require.NotEmpty(w.t, p.start(big("a")).ID)
		require.Equal(w.t, 1, w.pool(calls).Slots)
		idle[0].fails(backend.ErrRetired)
		idle[1].fails(backend.ErrRetired)
		require.True(w.t, idle[2].pending())
	}},
	{"a worker that becomes idle lets others have its room, and they are demanded", func(w *world) {
		p := w.limited(backend.Quota{CPU: 2})
		slot := p.worker()
		require.Empty(w.t, p.start(big("b")).ID)
		p.inbox.forget()
		idle := p.rest(calls, slot, long)
		p.hearsDemand("big")
		require.Len(w.t, p.reserve("big"), 1)
		idle.fails(backend.ErrRetired)
	}},
	{"spares do not retire to make room", func(w *world) {
		p := w.limited(backend.Quota{CPU: 3}, spares(1))
		idle := p.rest(calls, p.worker(), long)
		require.NotEmpty(w.t, p.start(big("a")).ID)
		require.Empty(w.t, p.start(big("b")).ID)
		require.True(w.t, idle.pending())
		require.Equal(w.t, 1, w.pool(calls).Idle)
	}},
	{"the quota joined last is in force", func(w *world) {
		p := w.limited(backend.Quota{CPU: 2})
		require.NotEmpty(w.t, p.start(big("a")).ID)
		require.Empty(w.t, p.start(big("b")).ID)
		p.inbox.forget()
		p.Quota = backend.Quota{CPU: 4}
		p.again()
		p.hearsDemand("big")
		require.Len(w.t, p.reserve("big"), 1)
		p.Quota = backend.Quota{}
		p.again()
		require.NotEmpty(w.t, p.start(big("c")).ID)
	}},
}

var exitRules = []rule{
	{"tasks of a worker whose exit was seen are lost at once", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.crash("exit code 137: out of memory")
		got := w.get("a")
		require.Equal(w.t, backend.StatusFailed, got.Status)
		require.Equal(w.t, &backend.Failure{Code: backend.CodeLost, Note: "exit code 137: out of memory"}, got.Failure)
		require.Equal(w.t, 1, got.Crashes)
		require.Zero(w.t, got.Errors)
		require.False(w.t, got.Ended.IsZero())
		require.Zero(w.t, w.counts(jobs))
		require.Equal(w.t, []backend.LeaseState{backend.LeaseLost}, p.beat(a))
	}},
	{"an exit repeated, or of an unknown slot, is no error", func(w *world) {
		p := w.host(retries(1))
		a := p.run(task("a", jobs))
		a.crash("")
		a.crash("")
		w.exit("nothing", "")
		require.NoError(w.t, w.store.Exit(w.ctx, nil))
		require.Equal(w.t, 1, w.get("a").Crashes)
		require.Equal(w.t, counts{Pending: 1}, w.counts(jobs))
	}},
	{"an exit of a worker that never came frees its slot", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.start(task("a", jobs))
		w.exit(slot.ID, "")
		require.Equal(w.t, counts{Pending: 1}, w.counts(jobs))
		require.Zero(w.t, w.get("a").Crashes, "a task that no worker had is not lost")
		require.Equal(w.t, "a", p.next(jobs).Lease.Task)
	}},
	{"an exit after the end changes nothing", func(w *world) {
		p := w.host()
		a := p.run(task("a", jobs))
		a.settle(backend.Settlement{Outcome: backend.Succeeded, Leave: true})
		before := w.get("a")
		a.crash("late")
		require.Equal(w.t, before, w.get("a"))
	}},
	{"exits come in batches", func(w *world) {
		p := w.host()
		a, b := p.run(task("a", jobs)), p.run(task("b", jobs))
		exits := []backend.SlotExit{{Slot: a.Lease.Slot, Note: "1"}, {Slot: "nothing"}, {Slot: b.Lease.Slot, Note: "2"}}
		require.NoError(w.t, w.store.Exit(w.ctx, exits))
		require.Equal(w.t, "1", w.get("a").Failure.Note)
		require.Equal(w.t, "2", w.get("b").Failure.Note)
	}},
	{"a lost task goes at once to an idle worker", func(w *world) {
		p := w.host(crashes(1))
		slots := p.workers(calls, 2)
		p.start(task("a", calls))
		a := p.claim(slots[0])
		idle := p.rest(calls, slots[1], long)
		a.crash("")
		require.Equal(w.t, 2, idle.gets("a").Attempt)
	}},
}
