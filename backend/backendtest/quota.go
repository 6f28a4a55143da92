package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

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
		p := w.limited(backend.Quota{CPU: 2}, spares(1))
		idle := p.rest(calls, p.worker(), long)
		require.Empty(w.t, p.start(big("a")).ID)
		require.Empty(w.t, p.reserve("big"))
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
	{"a session that executes nothing leaves the quota as it is", func(w *world) {
		p := w.limited(backend.Quota{CPU: 2})
		require.NotEmpty(w.t, p.start(big("a")).ID)
		w.joinAs(backend.Session{ID: "looks on", Quota: backend.Quota{}})
		require.Empty(w.t, p.start(big("b")).ID)
		require.Empty(w.t, p.reserve("big"))
	}},
}
