package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a side that returns the given figures in turn and notes its name.
func script(log *string, name string, figures ...float64) side {
	return func(context.Context, time.Duration) (float64, error) {
		*log += name
		v := figures[0]
		if len(figures) > 1 {
			figures = figures[1:]
		}
		return v, nil
	}
}

func TestSidesAlternateAndTheWarmUpIsNotCounted(t *testing.T) {
	var log string
	m := measure{value: script(&log, "v", 1000, 4), floor: script(&log, "f", 1000, 2)}
	res, err := m.take(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, result{value: 4, floor: 2}, res)
	assert.Equal(t, "vffvvffvvffvvffvvffvvf", log)
}

func TestOneDisturbedRoundDoesNotMoveTheResult(t *testing.T) {
	var log string
	m := measure{value: script(&log, "v", 5, 5, 500, 5), floor: script(&log, "f", 1)}
	res, err := m.take(t.Context(), 0)
	require.NoError(t, err)
	assert.InDelta(t, 5, res.value, 0)
}

func TestAReadingIsTakenOnceAfterItsPreparation(t *testing.T) {
	var log string
	m := measure{once: true, value: script(&log, "v", 7), prepare: func(context.Context) error {
		log += "p"
		return nil
	}}
	res, err := m.take(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, result{value: 7}, res)
	assert.Equal(t, "pv", log)
	_, ok := res.ratio()
	assert.False(t, ok)
}

func TestAFailedSideEndsTheMeasure(t *testing.T) {
	broken := errors.New("broken")
	fails := func(context.Context, time.Duration) (float64, error) { return 0, broken }
	var log string
	for _, m := range []measure{
		{value: fails},
		{value: script(&log, "v", 1), floor: fails},
		{value: fails, prepare: func(context.Context) error { return nil }},
		{prepare: func(context.Context) error { return broken }},
	} {
		_, err := m.take(t.Context(), 0)
		assert.ErrorIs(t, err, broken)
	}
}

func TestLatencyIsOfTheOpAlone(t *testing.T) {
	ops, rests := 0, 0
	wait := func(d time.Duration) { <-time.After(d) }
	side := latency(
		func(context.Context) error { ops++; wait(time.Millisecond); return nil },
		func(context.Context) error { rests++; wait(20 * time.Millisecond); return nil }, 3)
	p50, err := side(t.Context(), time.Hour)
	require.NoError(t, err)
	assert.Equal(t, 3, ops)
	assert.Equal(t, 3, rests)
	assert.GreaterOrEqual(t, p50, 1000.0)
	assert.Less(t, p50, 20_000.0)
}

func TestThroughputCountsAllCallersAndStopsAtAnError(t *testing.T) {
	var calls [4]atomic.Int64
	side := throughput(len(calls), func(_ context.Context, caller int) error {
		calls[caller].Add(1)
		return nil
	})
	begin := time.Now()
	rate, err := side(t.Context(), 5*time.Millisecond)
	took := time.Since(begin)
	require.NoError(t, err)
	total := int64(0)
	for i := range calls {
		assert.Positive(t, calls[i].Load())
		total += calls[i].Load()
	}
	assert.GreaterOrEqual(t, rate, float64(total)/took.Seconds())

	broken := errors.New("broken")
	side = throughput(2, func(ctx context.Context, caller int) error {
		if caller == 0 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	})
	_, err = side(t.Context(), time.Hour)
	assert.ErrorIs(t, err, broken)
}

func TestFloorAnswersWithWhatItWasGiven(t *testing.T) {
	m, err := openMemory()
	require.NoError(t, err)
	fs, err := newFloors(m, 3)
	require.NoError(t, err)
	for i, f := range fs {
		out, err := f.call(number{i})
		require.NoError(t, err)
		assert.Equal(t, number{i}, out)
	}
	require.NoError(t, fs.close())
}

func TestFilledPlaceHoldsFinishedJobs(t *testing.T) {
	m, err := openMemory()
	require.NoError(t, err)
	s, err := newShelf(t.Context(), m.backend, "filled", 3*fillBatch+1)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	n := 0
	for info, err := range s.run.List(t.Context()) {
		require.NoError(t, err)
		assert.True(t, info.Status.Terminal())
		assert.EqualValues(t, 1, info.Yields)
		n++
	}
	assert.Equal(t, 3*fillBatch+1, n)
	assert.Len(t, s.spread, n)
}
