package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// maxSamples bounds what one window keeps.
const maxSamples = 1 << 17

// latency does op one at a time, at most most times in a window, and returns the
// median of its times in microseconds. Between two of them it does rest, untimed;
// rest may be nil.
func latency(op, rest func(context.Context) error, most int) side {
	var samples []time.Duration // kept, so that a window costs no new memory
	return func(ctx context.Context, window time.Duration) (float64, error) {
		samples = samples[:0]
		for begin := time.Now(); ; {
			start := time.Now()
			err := op(ctx)
			end := time.Now()
			if err != nil {
				return 0, err
			}
			samples = append(samples, end.Sub(start))
			if rest != nil {
				if err := rest(ctx); err != nil {
					return 0, err
				}
			}
			if end.Sub(begin) >= window || len(samples) == most {
				return microseconds(medianDuration(samples)), nil
			}
		}
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// throughput lets n callers do op, each again as soon as it has returned, and
// returns how many were done per second.
func throughput(n int, op func(ctx context.Context, caller int) error) side {
	return func(ctx context.Context, window time.Duration) (float64, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var (
			over  atomic.Bool
			done  atomic.Int64
			group sync.WaitGroup
		)
		begin := time.Now()
		timer := time.AfterFunc(window, func() { over.Store(true) })
		defer timer.Stop()
		for caller := range n {
			group.Go(func() {
				mine, err := repeat(ctx, &over, caller, op)
				done.Add(mine)
				if err != nil {
					cancel(err) // the others end with it
				}
			})
		}
		group.Wait()
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		return float64(done.Load()) / time.Since(begin).Seconds(), nil
	}
}

// repeat does op until it is over and returns how often.
func repeat(ctx context.Context, over *atomic.Bool, caller int, op func(context.Context, int) error) (done int64, err error) {
	for {
		if err := op(ctx, caller); err != nil {
			return done, err
		}
		done++
		if over.Load() {
			return done, nil
		}
	}
}
