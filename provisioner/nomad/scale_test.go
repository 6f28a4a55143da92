package nomad_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/simulation"
)

// size is how large a simulation is.
type size struct {
	workers, clients, each int
	mean                   time.Duration // of a call
	every                  time.Duration // how often it tells how it goes; 0 is never
	exact                  bool
}

// scale is the size of the simulations: small, or that of docs/scale.md with MN_SCALE=full.
func scale() size {
	if os.Getenv("MN_SCALE") == "full" {
		return size{10_000, 100, 10_000, 20 * time.Second, 5 * time.Minute, false}
	}
	return size{200, 10, 400, 20 * time.Second, 0, true}
}

// tenth is a scale whose workers are a tenth, where other things matter than numbers.
func tenth() size {
	s := scale()
	if !s.exact {
		s.workers, s.each = s.workers/10, s.each/10
	}
	return s
}

const rate = 20 // dispatches a second, the default

// run is one simulation under way.
type run struct {
	*fleet
	size
	schedulers []*scheduler
}

func newRun(t *testing.T, s size, p simulation.Params, schedulers int, opts ...mn.FunctionOption) *run {
	t.Helper()
	r := &run{fleet: newFleet(t, p, s.exact, "fn"), size: s}
	opts = append([]mn.FunctionOption{mn.MaxWorkers(s.workers)}, opts...)
	r.definitions = func(p simulation.Process) []mn.Definition { return []mn.Definition{r.function(p, "fn", opts...)} }
	for range schedulers {
		r.schedulers = append(r.schedulers, r.scheduler(rate))
	}
	return r
}

// drained runs the drain to its end, tells how it went and checks what must hold whatever happens. pace is how
// many dispatches a second there are at the best, room how many workers.
func (r *run) drained(pace float64, room int) (took, ideal time.Duration) {
	r.Helper()
	if r.every > 0 {
		defer r.watch(r.every)()
	}
	took, work := r.drain("fn", r.clients, r.each, r.mean)
	limit := min(room, r.workers)
	ideal = simulation.Model{
		Workers: limit, Rate: pace, Burst: int(pace), Cold: r.cluster.Cold(), Work: work,
	}.Ideal()
	r.finish(r.schedulers...)
	peak, _ := r.backend.Peak("fn")
	c, busy := r.cluster.Counts(), r.most["fn"].Load()
	r.Logf("%d calls of %d clients on %d workers in %s, at the earliest %s: %.3f", r.clients*r.each, r.clients, r.workers,
		took.Round(time.Second), ideal.Round(time.Second), ratio(took, ideal))
	r.Logf("at the most %d slots, %d handlers and %d programs at a time, and %d dispatches without a node", peak.Slots, busy, c.Running, c.Unplaced)
	r.Logf("%d jobs dispatched, %d evaluations (%d without room), %d programs, %d of them lost, %d handlers begun, %d requests failed",
		c.Dispatched, c.Evaluations, c.Blocked, c.Started, c.Lost, r.began.Load(), c.Faults)
	for _, s := range r.schedulers {
		all, second := s.door.Dispatches()
		r.Logf("a scheduler asked for %d dispatches, at the most %d in a second, in %d requests", all, second, s.door.Requests())
		// A full bucket, and what flows in meanwhile; the moment in which both meet is shared.
		assert.LessOrEqual(r, second, 2*rate+1, "the pace of dispatches")
		assert.Positive(r, all)
	}
	assert.Equal(r, limit, peak.Slots, "slots: all that may be, and no more")
	assert.LessOrEqual(r, busy, int64(limit), "handlers at a time")
	assert.Greater(r, busy, int64(limit)*9/10)
	assert.LessOrEqual(r, c.Unplaced, len(r.schedulers)*nomadUnplaced, "dispatches without a node")
	return took, ideal
}

// nomadUnplaced is nomad.DefaultMaxUnplaced.
const nomadUnplaced = 32

func TestScaleDrain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := scale()
		r := newRun(t, s, realistic(2*s.workers), 1)
		took, ideal := r.drained(rate, s.workers)
		assert.LessOrEqual(t, ratio(took, ideal), 1.2, "of the time that it takes at the least")
		assert.Less(t, r.cluster.Counts().Dispatched, s.workers*12/10, "a worker is dispatched for each slot and each loss")
	})
}

// Two schedulers share the work, until one dies without a word in the middle of the ramp.
func TestScaleTwoSchedulersAndADeath(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := scale()
		r := newRun(t, s, realistic(2*s.workers), 2)
		ramp := time.Duration(s.workers) * time.Second / (2 * rate)
		shares := make(chan [2]int, 1)
		time.AfterFunc(ramp/2, func() {
			one, _ := r.schedulers[0].door.Dispatches()
			two, _ := r.schedulers[1].door.Dispatches()
			shares <- [2]int{one, two}
			r.schedulers[0].die()
		})
		took, ideal := r.drained(rate, s.workers)
		assert.LessOrEqual(t, ratio(took, ideal), 1.2, "of what one of them would take")
		got := <-shares
		t.Logf("until the death they had asked for %d and %d dispatches", got[0], got[1])
		assert.Greater(t, min(got[0], got[1]), s.workers/8, "each has its part")
	})
}

// The nodes have room for half of the workers that the limits allow.
func TestScaleClusterIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := tenth()
		room := s.workers / 2
		r := newRun(t, s, realistic(room), 1)
		begin := time.Now()
		full := begin.Add(time.Duration(room)*time.Second/rate + 2*time.Minute)
		took, work := r.drain("fn", s.clients, s.each, s.mean)
		end := begin.Add(took)
		r.finish(r.schedulers...)
		ideal := simulation.Model{Workers: room, Rate: rate, Burst: rate, Cold: r.cluster.Cold(), Work: work}.Ideal()
		c := r.cluster.Counts()
		repeated := float64(r.schedulers[0].door.DispatchesBetween(full, end)) / end.Sub(full).Seconds()
		t.Logf("room for %d of %d workers: %s, at the earliest %s: %.3f", room, s.workers, took.Round(time.Second), ideal.Round(time.Second), ratio(took, ideal))
		t.Logf("%d jobs dispatched, %d evaluations (%d without room), at the most %d without a node; %.2f dispatches a second while it was full",
			c.Dispatched, c.Evaluations, c.Blocked, c.Unplaced, repeated)
		assert.LessOrEqual(t, ratio(took, ideal), 1.2)
		assert.LessOrEqual(t, c.Unplaced, nomadUnplaced)
		assert.Less(t, repeated, float64(nomadUnplaced)/30+0.5, "what has no room is asked for again rarely")
		assert.Greater(t, r.most["fn"].Load(), int64(room)*9/10)
	})
}

// A pool with spares and jobs that take a fresh worker each share a quota.
func TestScaleJobsAndSparesWithinAQuota(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := tenth()
		limit, spares := s.workers/4, s.workers/10
		f := newFleet(t, realistic(2*s.workers), true, "fn", "job")
		f.quota = mn.Quota{CPU: 0.1 * float64(s.workers)}
		job := func(p simulation.Process) *mn.Job[int, int] {
			p.Pool = "job"
			return mn.NewJob("job", func(ctx context.Context, ms int, _ func(int) bool) error {
				return f.work(ctx, p, time.Duration(ms)*time.Millisecond)
			}, mn.MaxConcurrency(limit), mn.Retries(3))
		}
		f.definitions = func(p simulation.Process) []mn.Definition {
			return []mn.Definition{f.function(p, "fn", mn.MaxWorkers(s.workers), mn.SpareWorkers(spares)), job(p)}
		}
		sched := f.scheduler(rate)
		time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
		peak, _ := f.backend.Peak("fn")
		require.Equal(t, spares, peak.Slots, "spares are there before any call, and no more")
		jobs := mn.NewJob[int, int]("job", nil)
		starter := f.client(jobs)
		ms, work := lengths(99, 4*limit, time.Minute)
		var ids []mn.JobID
		begin := time.Now()
		for _, d := range ms {
			id, err := jobs.On(starter).Start(t.Context(), d)
			require.NoError(t, err)
			ids = append(ids, id)
		}
		f.drain("fn", s.clients, s.each/4, s.mean)
		for _, id := range ids {
			_, err := jobs.On(starter).Wait(t.Context(), id)
			assert.NoError(t, err)
		}
		t.Logf("%d jobs of %s together, at most %d at a time: %s", len(ids), work.Round(time.Minute), limit, time.Since(begin).Round(time.Second))
		peak, cpu := f.backend.Peak("job")
		t.Logf("at the most %d jobs and %d handlers of functions at a time, and %.1f of %.1f CPU", f.most["job"].Load(), f.most["fn"].Load(), cpu, f.quota.CPU)
		assert.LessOrEqual(t, peak.Slots, limit)
		assert.LessOrEqual(t, f.most["job"].Load(), int64(limit))
		assert.Greater(t, f.most["job"].Load(), int64(limit)/2)
		assert.LessOrEqual(t, cpu, f.quota.CPU+1e-6)
		assert.Greater(t, cpu, f.quota.CPU*0.9)
		require.NoError(t, starter.Close())
		require.NoError(t, sched.app.Close())
		time.Sleep(10 * time.Minute) //nolint:forbidigo // synctest clock
		assert.Zero(t, f.cluster.Alive(), "all leave, spares too, when nobody is left who launches them")
		f.cluster.Stop()
		f.finish()
	})
}
