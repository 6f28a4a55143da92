package main

import (
	"math"
	"slices"
	"time"
)

// quantile returns the q-quantile (0 to 1) of sorted values, between two of them by
// linear interpolation, and NaN of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	below := math.Floor(at)
	lower, upper := sorted[int(below)], sorted[int(math.Ceil(at))]
	return lower + (upper-lower)*(at-below)
}

// median leaves values as they are.
func median(values []float64) float64 {
	return quantile(slices.Sorted(slices.Values(values)), 0.5)
}

// medianDuration sorts durations in place.
func medianDuration(durations []time.Duration) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	middle := len(durations) / 2
	if len(durations)%2 == 1 {
		return durations[middle]
	}
	return (durations[middle-1] + durations[middle]) / 2
}
