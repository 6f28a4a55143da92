package simulation

import (
	"math"
	"time"
)

// Model is what bounds how fast work can be done by workers that must be launched first.
type Model struct {
	Workers int           // at the most
	Rate    float64       // launches a second
	Burst   int           // launches at once, at the beginning
	Cold    time.Duration // mean from a launch until its worker takes work
	Work    time.Duration // all tasks one after the other
}

// Ideal is the time after which the work can be done at the earliest if no worker is ever
// idle or lost and no launch fails: launches begin at once, at their burst, go on at
// their rate until all workers are there, and each worker works from Cold on. The work is taken
// as a liquid, so that its last tasks end together; real ones end up to a task's length later.
func (m Model) Ideal() time.Duration {
	n, burst, work := float64(m.Workers), min(float64(m.Burst), float64(m.Workers)), m.Work.Seconds()
	// With burst workers at first and rate more each second, after t seconds
	// burst*t + rate*t*t/2 is done, until all workers are there.
	ramp := (n - burst) / m.Rate
	var t float64
	if inRamp := burst*ramp + m.Rate*ramp*ramp/2; work > inRamp {
		t = ramp + (work-inRamp)/n
	} else {
		t = rising(burst, m.Rate, work)
	}
	return m.Cold + time.Duration(t*float64(time.Second))
}

// rising solves burst*t + rate*t*t/2 = work.
func rising(burst, rate, work float64) float64 {
	return (math.Sqrt(burst*burst+2*rate*work) - burst) / rate
}
