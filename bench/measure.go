package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// rounds is how often value and floor are taken in turn. The machine's speed drifts,
// and others may be using it: taken close together both feel the same, and a
// disturbed round does not move a median.
const rounds = 10

// To collect a large heap takes about a second. There windows are short, so there
// are more rounds, and the heap is collected only before some of them.
const (
	largeRounds  = 20
	largeCollect = 5
)

// side is one side of a measure: it runs for about a window, at least once, and
// returns its figure.
type side func(ctx context.Context, window time.Duration) (float64, error)

// measure is one line of the table.
type measure struct {
	name string
	unit string
	// prepare is called once, before the first round; may be nil.
	prepare func(context.Context) error
	value   side
	floor   side // nil: the value is for information only
	// target bounds value/floor, from above unless atLeast; 0 is none.
	target  float64
	atLeast bool
	// large says that the heap is large, and that the floor has another.
	large bool
	// once says that value is a reading that needs no repeating.
	once bool
}

// result is what a measure came to. floor is 0 where there is none.
type result struct{ value, floor float64 }

// take runs the rounds and returns the medians.
func (m *measure) take(ctx context.Context, window time.Duration) (result, error) {
	if m.prepare != nil {
		if err := m.prepare(ctx); err != nil {
			return result{}, err
		}
	}
	first, last := 0, rounds // round 0 only warms up
	switch {
	case m.once:
		first, last = 1, 1
	case m.large:
		last = largeRounds
	}
	var values, floors []float64
	for round := first; round <= last; round++ {
		if !m.large || round%largeCollect == 0 {
			runtime.GC()
		}
		value, floor, err := m.round(ctx, window, round%2 == 1)
		if err != nil {
			return result{}, err
		}
		if round > 0 {
			values, floors = append(values, value), append(floors, floor)
		}
	}
	return result{median(values), median(floors)}, nil
}

// round takes both sides. Which comes first alternates, so that what the first
// leaves behind burdens both alike.
func (m *measure) round(ctx context.Context, window time.Duration, floorFirst bool) (value, floor float64, err error) {
	if err = ctx.Err(); err != nil {
		return 0, 0, err
	}
	if floorFirst {
		if floor, err = m.takeFloor(ctx, window); err != nil {
			return 0, 0, err
		}
		m.collect()
	}
	if value, err = m.value(ctx, window); err != nil {
		return 0, 0, err
	}
	if !floorFirst {
		m.collect()
		floor, err = m.takeFloor(ctx, window)
	}
	return value, floor, err
}

// collect is between the sides: neither pays for the other's garbage.
func (m *measure) collect() {
	if !m.large {
		runtime.GC()
	}
}

func (m *measure) takeFloor(ctx context.Context, window time.Duration) (float64, error) {
	if m.floor == nil {
		return 0, nil
	}
	v, err := m.floor(ctx, window)
	if err != nil {
		err = fmt.Errorf("floor: %w", err)
	}
	return v, err
}

// ratio is value/floor, and whether there is one.
func (r result) ratio() (float64, bool) {
	if r.floor == 0 {
		return 0, false
	}
	return r.value / r.floor, true
}

// met reports whether a ratio reaches the target.
func (m *measure) met(ratio float64) bool {
	if m.atLeast {
		return ratio >= m.target
	}
	return ratio <= m.target
}
