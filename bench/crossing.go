package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// crossing returns how many nanoseconds a cache line takes from one core to another and back,
// 0 if there is only one. What is passed between goroutines on different cores pays it, and
// virtual machines differ in it by a factor of six, sometimes from one second to the next.
func crossing(context.Context, time.Duration) (float64, error) {
	if runtime.GOMAXPROCS(0) < 2 {
		return 0, nil
	}
	const trips = 10_000
	var line atomic.Int64
	go func() {
		for i := range int64(trips) {
			await(&line, 2*i+1)
			line.Store(2*i + 2)
		}
	}()
	begin := time.Now()
	for i := range int64(trips) {
		line.Store(2*i + 1)
		await(&line, 2*i+2)
	}
	return float64(time.Since(begin)) / trips, nil
}

// await spins, because to sleep would measure the scheduler.
func await(line *atomic.Int64, value int64) {
	for line.Load() != value {
		continue
	}
}
