package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQuantileInterpolatesBetweenValues(t *testing.T) {
	values := []float64{10, 20, 30, 40}
	for q, want := range map[float64]float64{0: 10, 0.5: 25, 1: 40, 1.0 / 3: 20, 0.99: 39.7} {
		assert.InDelta(t, want, quantile(values, q), 1e-9, "q=%v", q)
	}
	assert.InDelta(t, 7, quantile([]float64{7}, 0.5), 0)
	assert.True(t, math.IsNaN(quantile(nil, 0.5)))
}

func TestMedianLeavesItsInputUnsorted(t *testing.T) {
	values := []float64{3, 1, 2}
	assert.InDelta(t, 2, median(values), 0)
	assert.Equal(t, []float64{3, 1, 2}, values)
	assert.InDelta(t, 1.5, median([]float64{2, 1}), 0)
}

func TestMedianDurationOfOddEvenAndNone(t *testing.T) {
	assert.Equal(t, time.Duration(2), medianDuration([]time.Duration{9, 1, 2}))
	assert.Equal(t, time.Duration(3), medianDuration([]time.Duration{9, 4, 2, 1}))
	assert.Zero(t, medianDuration(nil))
}
