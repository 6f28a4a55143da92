package nomad_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/simulation"
)

// size is how large a simulated drain is.
type size struct {
	workers, clients, each int
	mean                   time.Duration
}

// scale is the size of the simulations: small, or as docs/scale.md says with MN_SCALE=full.
func scale() (s size, full bool) {
	if os.Getenv("MN_SCALE") == "full" {
		return size{10_000, 100, 10_000, 20 * time.Second}, true
	}
	return size{300, 10, 600, 20 * time.Second}, false
}

const rate = 20 // dispatches a second

func TestScaleDrain(t *testing.T) {
	s, full := scale()
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, realistic(2*s.workers), !full, "fn")
		f.definitions = func(p simulation.Process) []mn.Definition {
			return []mn.Definition{f.function(p, "fn", mn.MaxWorkers(s.workers))}
		}
		sched := f.scheduler(rate)
		end := f.watch(100 * time.Second)
		took, work := f.drain("fn", s.clients, s.each, s.mean)
		end()
		f.finish(sched)
		model := simulation.Model{Workers: s.workers, Rate: rate, Burst: rate, Cold: realistic(0).Cold(), Work: work}
		all, second := sched.door.Dispatches()
		peak, _ := f.backend.Peak("fn")
		c := f.cluster.Counts()
		t.Logf("took %s, ideal %s, ratio %.3f", took, model.Ideal(), ratio(took, model.Ideal()))
		t.Logf("slots %d, busy %d, %d dispatches (%d/s), %+v; began %d", peak.Slots, f.most["fn"].Load(), all, second, c, f.began.Load())
		assert.LessOrEqual(t, peak.Slots, s.workers)
		assert.LessOrEqual(t, f.most["fn"].Load(), int64(s.workers))
		assert.LessOrEqual(t, ratio(took, model.Ideal()), 1.2)
	})
}
