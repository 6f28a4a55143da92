package simulation

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Delay is how long something takes: log-normal, as latencies mostly are.
type Delay struct {
	Median time.Duration
	Sigma  float64 // of the logarithm; 0.5 makes p99 about 3.2 times the median
}

// Mean is the mean.
func (d Delay) Mean() time.Duration {
	return time.Duration(float64(d.Median) * math.Exp(d.Sigma*d.Sigma/2))
}

// chance is a source of random numbers for many goroutines.
type chance struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newChance(seed uint64) *chance { return &chance{rng: rand.New(rand.NewPCG(seed, 0))} } //nolint:gosec // a simulation, to be repeated

func (c *chance) delay(d Delay) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(d.Median) * math.Exp(d.Sigma*c.rng.NormFloat64()))
}

// after is the time of an event that comes once in mean.
func (c *chance) after(mean time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(float64(mean) * c.rng.ExpFloat64())
}

func (c *chance) dice() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Float64()
}

// sleep waits; false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
