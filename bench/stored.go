package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// storedMeasures compare a place in which jobs are stored with an empty one. The
// empty one belongs to another process: in this one it would suffer from the large
// heap too, and hide that.
func (b *bench) storedMeasures() []measure {
	among := fmt.Sprintf(", %d jobs stored", b.stored)
	var ms []measure
	for i := range shelfOps {
		op := &shelfOps[i]
		ms = append(ms, measure{
			name: op.name + ", p50" + among, unit: "µs", target: b.driver.targets.stored, large: true,
			prepare: b.fill, value: op.side(&b.full),
			floor: func(ctx context.Context, window time.Duration) (float64, error) {
				return b.twin.measure(ctx, i, window)
			},
		})
	}
	// Without a floor: an empty place has nothing to choose from.
	anyOf := shelfOp{op: func(s *shelf, ctx context.Context) error { return s.get(ctx, s.spread) }}
	return append(ms, measure{
		name: "get of any, p50" + among, unit: "µs", large: true, prepare: b.fill, value: anyOf.side(&b.full),
	}, measure{
		name: "memory per finished job" + among, unit: "B", once: true, prepare: b.fill,
		value: func(context.Context, time.Duration) (float64, error) { return b.bytesPerJob, nil },
	}, measure{
		name: "garbage collection" + among, unit: "ms", once: true, prepare: b.fill, value: collect,
	})
}

// collect returns how many milliseconds a collection of the heap takes.
func collect(context.Context, time.Duration) (float64, error) {
	begin := time.Now()
	runtime.GC()
	return float64(time.Since(begin)) / float64(time.Millisecond), nil
}

// fill stores the jobs, once.
func (b *bench) fill(ctx context.Context) (err error) {
	if b.full != nil {
		return nil
	}
	if b.twin, err = startTwin(b.driver.name); err != nil {
		return err
	}
	before, err := b.medium.used()
	if err != nil {
		return err
	}
	if b.full, err = newShelf(ctx, b.medium.backend, "bench-full", b.stored); err != nil {
		return err
	}
	after, err := b.medium.used()
	b.bytesPerJob = (float64(after) - float64(before)) / float64(b.stored)
	touchHeap()
	return err
}

// touched keeps the compiler from seeing that touchHeap's garbage is not needed.
var touched []byte

// touchHeap allocates until the heap has been collected, and so has used all the
// room that the collector gives it. The operating system maps memory at its first
// use, which takes longer than most of what is measured; a process that has run for
// a while has that behind it, as the twin with its small heap has at once.
func touchHeap() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for collections := m.NumGC; m.NumGC == collections; runtime.ReadMemStats(&m) {
		for range 256 {
			touched = make([]byte, 32<<10)
			for i := 0; i < len(touched); i += 4 << 10 {
				touched[i] = 1
			}
		}
	}
	touched = nil
}
