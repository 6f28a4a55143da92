package backendtest

import (
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

var heartbeatRules = []rule{
	{"a heartbeat tells of each lease whether it is held, to be cancelled or lost", func(w *world) {
		p := w.host()
		held, cancelling, lost := p.run(task("a", jobs)), p.run(task("b", jobs)), p.run(task("c", jobs))
		w.cancel("b")
		lost.succeed()
		want := []backend.LeaseState{backend.LeaseHeld, backend.LeaseCancelling, backend.LeaseLost}
		require.Equal(w.t, want, p.beat(held, cancelling, lost))
		require.Equal(w.t, want, p.beat(held, cancelling, lost))
	}},
	{"a heartbeat without leases keeps the session", func(w *world) {
		p := w.joinAs(brief("p"))
		silent := w.joinAs(brief("silent"))
		w.sweepUntil(func() bool {
			require.Empty(w.t, p.beat())
			return !silent.alive()
		}, "the silent session to expire")
		require.True(w.t, p.alive())
	}},
	{"a heartbeat of a session that has ended is told so", func(w *world) {
		p := w.joinAs(brief("p", spec(jobs, backend.Job)))
		a := p.run(task("a", jobs))
		p.expires()
		_, err := p.tryBeat(a)
		require.ErrorIs(w.t, err, backend.ErrSessionLost)
		w.is("a", backend.StatusFailed)
	}},
	{"heartbeats keep the session, its slots and the given leases alive", func(w *world) {
		p := w.joinAs(brief("p", spec(jobs, backend.Job), spec(calls, backend.Function)))
		a := p.run(task("a", jobs))
		idle := p.rest(calls, p.worker(), long)
		for range 2 {
			silent := w.joinAs(brief("silent")) // joined later than the last beat
			w.sweepUntil(func() bool {
				p.beat(a)
				return !silent.alive()
			}, "a silent session to expire")
		}
		w.is("a", backend.StatusRunning)
		require.True(w.t, idle.pending())
		require.Equal(w.t, counts{Idle: 1, Slots: 1}, w.counts(calls))
		a.succeed()
		p.start(task("b", calls))
		idle.gets("b").succeed()
	}},
	{"an idle worker needs no lease to stay", func(w *world) {
		p, silent := w.host(), w.joinAs(brief("silent"))
		idle := p.rest(calls, p.worker(), long)
		silent.expires()
		require.True(w.t, idle.pending())
		p.start(task("a", calls))
		idle.gets("a")
	}},
}
