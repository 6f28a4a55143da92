package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var idleRules = []rule{
	{"a worker idle for its cooldown retires and its slot ends", func(w *world) {
		p := w.host()
		slot := p.worker()
		idle := p.rest(calls, slot, 50*time.Millisecond)
		idle.fails(backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
		p.claimFails(slot, backend.ErrSlotLost)
	}},
	{"a worker without cooldown retires at once when there is nothing to do", func(w *world) {
		p := w.host()
		slot := p.worker()
		p.claimFails(slot, backend.ErrRetired)
		require.Zero(w.t, w.counts(calls))
		p.claimFails(slot, backend.ErrSlotLost)
	}},
	{"a worker without cooldown does what there is to do", func(w *world) {
		p := w.host(maxWorkers(1))
		slot := p.worker()
		p.start(task("a", calls))
		p.claim(slot).succeed()
		p.result("a")
	}},
	{"a worker without cooldown stays as a spare, and retires when it is one no more", func(w *world) {
		p, c := w.host(spares(1)), w.client("c")
		slots := p.workers(calls, 2)
		idle := p.rest(calls, slots[0], 0)
		p.claimFails(slots[1], backend.ErrRetired)
		require.True(w.t, idle.pending())
		c.start(task("a", calls))
		idle.gets("a").succeed()
		idle = p.rest(calls, slots[0], 0)
		p.Pools = []backend.PoolSpec{spec(calls, backend.Function)}
		p.again()
		idle.fails(backend.ErrRetired)
	}},
	{"each task starts the cooldown anew", func(w *world) {
		p, c := w.host(), w.client("c")
		slot := p.worker()
		const cooldown = 100 * time.Millisecond
		begin := time.Now()
		for i := 0; time.Since(begin) < 3*cooldown; i++ {
			rested := time.Now()
			idle := p.rest(calls, slot, cooldown)
			c.start(task(fmt.Sprint(i), calls))
			idle.end()
			if errors.Is(idle.err, backend.ErrRetired) { // the machine stalled for so long
				require.GreaterOrEqual(w.t, time.Since(rested), cooldown)
				return
			}
			idle.gets(fmt.Sprint(i)).succeed()
		}
		last := time.Now()
		p.rest(calls, slot, cooldown).fails(backend.ErrRetired)
		require.GreaterOrEqual(w.t, time.Since(last), cooldown)
	}},
	{"spares do not retire", func(w *world) {
		p, c := w.host(spares(1)), w.client("c")
		slots := p.workers(calls, 3)
		first := p.rest(calls, slots[0], 10*time.Millisecond)
		other := spec("other", backend.Function)
		q := w.join("q", other)
		q.rest("other", q.workers("other", 1)[0], 50*time.Millisecond).fails(backend.ErrRetired)
		require.True(w.t, first.pending(), "the spare retired")
		require.Equal(w.t, 1, w.pool(calls).Idle)
		c.start(task("a", calls))
		first.gets("a").succeed()
	}},
	{"idle workers above the spares retire", func(w *world) {
		p := w.host(spares(1))
		slots := p.workers(calls, 3)
		var idle []*waiting
		for _, slot := range slots {
			idle = append(idle, p.rest(calls, slot, 30*time.Millisecond))
		}
		w.eventually(func() bool { return w.pool(calls).Slots == 1 }, "two workers to retire")
		require.Equal(w.t, 1, w.pool(calls).Idle)
		waits := 0
		for _, r := range idle {
			if r.pending() {
				waits++
			}
		}
		require.GreaterOrEqual(w.t, waits, 1)
	}},
	{"a worker that is a spare no more retires", func(w *world) {
		p := w.host(spares(1))
		idle := p.rest(calls, p.worker(), 10*time.Millisecond)
		p.Pools = []backend.PoolSpec{spec(calls, backend.Function)}
		p.again()
		idle.fails(backend.ErrRetired)
	}},
	{"an idle worker whose slot is ended gets to know", func(w *world) {
		p := w.host()
		slot := p.worker()
		idle := p.rest(calls, slot, long)
		w.exit(slot, "")
		idle.fails(backend.ErrSlotLost)
		require.Zero(w.t, w.counts(calls))
	}},
}
