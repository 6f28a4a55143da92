package pictures

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// leaseRun is a job whose process is cut off from the backend, and what follows.
type leaseRun struct {
	beats    []beat
	cutAt    time.Duration
	told     time.Duration // the handler: ErrLeaseLost
	swept    time.Duration // by another process: the loss is found
	resumed  time.Duration // there
	finished time.Duration
}

type beat struct {
	at      time.Duration
	arrived bool
}

func runLease(t *testing.T) (r leaseRun) {
	r.cutAt = 12 * time.Second
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		down := func() bool { return begun.now() > r.cutAt }
		job := mn.NewJob("count", func(ctx context.Context, _ int, _ func(int) bool) error {
			if mn.Attempt(ctx) > 1 {
				r.resumed = begun.now()
				spend(ctx, 8*time.Second)
				return nil
			}
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), mn.ErrLeaseLost) {
				r.told = begun.now()
			}
			return context.Cause(ctx)
		}, mn.Retries(1))
		store := memory.New()
		cut := &tap{Backend: store, down: down, heartbeat: func(arrived bool) { r.beats = append(r.beats, beat{begun.now(), arrived}) }}
		lost := mntest.NewWith(t, mn.Config{Backend: cut, Definitions: []mn.Definition{job}})
		id, err := job.On(lost).Start(bounded(t), 0)
		require.NoError(t, err)
		spend(bounded(t), time.Second)
		healthy := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, Backend: &tap{Backend: store, swept: func(n int) {
			if n > 0 && r.swept == 0 {
				r.swept = begun.now()
			}
		}}})
		_, err = job.On(healthy).Wait(bounded(t), id)
		require.NoError(t, err)
		r.finished = begun.now()
	})
	last := r.lastBeat()
	found := last + mn.DefaultTiming.Lease + mn.DefaultTiming.Margin
	require.GreaterOrEqual(t, r.swept, found)
	require.LessOrEqual(t, r.swept, found+mn.DefaultTiming.Sweep)
	require.Equal(t, r.swept, r.resumed, "the first crash is not waited for")
	return r
}

// lastBeat is the last heartbeat that arrived.
func (r *leaseRun) lastBeat() (at time.Duration) {
	for _, b := range r.beats {
		if b.arrived {
			at = b.at
		}
	}
	return at
}

func drawLease(r leaseRun) string {
	timing := mn.DefaultTiming
	c := newCanvas("How a lost worker is found", "Heartbeats every 5 seconds extend a lease of 15 seconds. When they stop arriving, the worker gives "+
		"up by itself before its lease and a margin of 5 seconds are over; then a sweep of another process, every 2 seconds at the most, finds the loss "+
		"and the job is attempted again.")
	s := scale{c, 120, 730, 40 * time.Second}
	last := r.lastBeat()
	lease, margin, found := last+timing.Lease, last+timing.Lease+timing.Margin, last+timing.Lease+timing.Margin+timing.Sweep
	c.text(20, 30, "head", "A process is cut off at 12 s: its job is found within Lease + Margin + Sweep = 22 s")
	s.axis(262, 50, 5*time.Second, seconds)
	c.text(20, 79, "strong", "worker A")
	s.bar(0, r.told, 60, 30, "blue", "attempt 1")
	c.text(s.x(r.told)+6, 79, "small c-red", "its context ends: ErrLeaseLost")
	c.text(20, 119, "strong", "heartbeats")
	for _, b := range r.beats {
		if b.at >= r.told+timing.Heartbeat {
			break
		}
		if b.arrived {
			c.arrow(s.x(b.at), 94, s.x(b.at), 126, "blue", "")
			continue
		}
		c.line(s.x(b.at), 94, s.x(b.at), 108, "s-red dash")
		c.cross(s.x(b.at), 114, 5, "s-red")
	}
	c.text(20, 159, "strong", "the lease")
	s.bar(0, last, 140, 28, "grey", "extended")
	s.bar(last, lease, 140, 28, "violet", "Lease 15 s")
	s.bar(lease, margin, 140, 28, "amber", "Margin 5 s")
	s.bar(margin, found, 140, 28, "red", "")
	c.text(s.x(found)+8, 159, "small c-red", "Sweep ≤ 2 s: found")
	c.text(20, 219, "strong", "worker B")
	to := s.span
	s.bar(found, to, 200, 30, "blue", "attempt 2")
	c.line(s.x(r.cutAt), 50, s.x(r.cutAt), 262, "s-red dash")
	c.text(s.x(r.cutAt)+6, 218, "small c-red", "network away from A")
	return c.svg(294)
}
