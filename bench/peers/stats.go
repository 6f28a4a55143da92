package main

import (
	"math"
	"slices"
)

// quantile returns the q-quantile (0 to 1) of values, between two of them by linear
// interpolation, and NaN of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	lower, upper := sorted[int(math.Floor(at))], sorted[int(math.Ceil(at))]
	return lower + (upper-lower)*(at-math.Floor(at))
}

// medians takes the median of each figure by itself.
func medians(samples []sample) sample {
	of := func(figure func(sample) float64) float64 {
		var values []float64
		for _, s := range samples {
			values = append(values, figure(s))
		}
		return quantile(values, 0.5)
	}
	return sample{
		p50:   of(func(s sample) float64 { return s.p50 }),
		p99:   of(func(s sample) float64 { return s.p99 }),
		calls: of(func(s sample) float64 { return s.calls }),
		batch: of(func(s sample) float64 { return s.batch }),
		idle:  of(func(s sample) float64 { return s.idle }),
	}
}
