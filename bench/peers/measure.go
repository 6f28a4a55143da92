package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// sample is what one round gave for one row.
type sample struct {
	p50, p99 float64 // of one piece of work, everything idle, in microseconds
	calls    float64 // pieces of work per second, 16 callers, each awaited
	batch    float64 // pieces of work per second, a batch
	idle     float64 // processor time of this process and the server with nothing to do, in percent of a core
}

// endTime is how long engines that do not heed a context may wait for one end.
const endTime = 20 * time.Second

// row is a driver's medians over the rounds.
type row struct {
	driver *driver
	sample
}

// takeRounds takes every row in each round and returns the medians. A round is short and
// every row is in each, so that all feel what else happens on the machine, and one
// that was disturbed does not move a median. Each round begins with another row.
func takeRounds(ctx context.Context, o *options, s *servers, ds []*driver, log io.Writer) ([]row, error) {
	samples := make([][]sample, len(ds))
	for round := range o.rounds {
		fmt.Fprintf(log, "round %d of %d\n", round+1, o.rounds)
		for i := range ds {
			at := (i + round*len(ds)/o.rounds) % len(ds)
			taken, err := takeRow(ctx, o, s, ds[at])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ds[at].name, err)
			}
			samples[at] = append(samples[at], taken)
		}
	}
	rows := make([]row, len(ds))
	for i, d := range ds {
		rows[i] = row{d, medians(samples[i])}
	}
	return rows, nil
}

// takeRow opens a driver, measures and closes it: no other engine is there meanwhile.
func takeRow(ctx context.Context, o *options, s *servers, d *driver) (taken sample, err error) {
	if err := s.clear(ctx, d.needs); err != nil {
		return taken, err
	}
	p, err := d.open(ctx, s)
	if err != nil {
		return taken, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		err = errors.Join(err, p.close(closing))
	}()
	if err := warmUp(ctx, p, o); err != nil {
		return taken, fmt.Errorf("warming up: %w", err)
	}
	if taken.p50, taken.p99, err = latency(ctx, p, o.window()); err != nil {
		return taken, fmt.Errorf("latency: %w", err)
	}
	if taken.calls, err = throughput(ctx, p, o.window()); err != nil {
		return taken, fmt.Errorf("%d callers: %w", callers, err)
	}
	if taken.batch, err = batches(ctx, p, o); err != nil {
		return taken, fmt.Errorf("batch: %w", err)
	}
	taken.idle, err = s.idleLoad(ctx, d.needs, o.window())
	return taken, err
}

// warmUp lets connections, workers and plans come to be.
func warmUp(ctx context.Context, p peer, o *options) error {
	if _, err := throughput(ctx, p, o.window()/4); err != nil {
		return err
	}
	return p.batch(ctx, min(o.batch, 10*callers))
}

// pause is the longest time between two pieces of work where latency is measured. It
// varies, so that no engine's timers fall into step with the caller, and it lets engines
// that limit how often they look come to rest.
const pause = 4 * time.Millisecond

// latency does one piece of work at a time and returns the median and the 99th
// percentile in microseconds.
func latency(ctx context.Context, p peer, window time.Duration) (p50, p99 float64, err error) {
	runtime.GC()
	var times []float64
	for begin, n := time.Now(), 0; n == 0 || time.Since(begin) < window; n++ {
		select {
		case <-time.After(rand.N(pause)): //nolint:gosec // no secret
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		}
		start := time.Now()
		if err := doRight(ctx, p, n); err != nil {
			return 0, 0, err
		}
		times = append(times, float64(time.Since(start))/float64(time.Microsecond))
	}
	return quantile(times, 0.5), quantile(times, 0.99), nil
}

func doRight(ctx context.Context, p peer, n int) error {
	out, err := p.do(ctx, n)
	if err == nil && out != n {
		err = errWrongAnswer
	}
	return err
}

// throughput lets callers do work, each again as soon as it has its answer, and returns
// how much was done per second.
func throughput(ctx context.Context, p peer, window time.Duration) (float64, error) {
	runtime.GC()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		done  atomic.Int64
		group sync.WaitGroup
	)
	begin := time.Now()
	for range callers {
		group.Go(func() {
			for n := 0; n == 0 || time.Since(begin) < window; n++ {
				if err := doRight(ctx, p, n); err != nil {
					cancel(err) // the others end with it
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(done.Load()) / took.Seconds(), nil
}

// batches does as many batches as fit into the window, at least one, and returns the
// pieces of work per second.
func batches(ctx context.Context, p peer, o *options) (float64, error) {
	runtime.GC()
	begin, done := time.Now(), 0
	for done == 0 || time.Since(begin) < o.window() {
		if err := p.batch(ctx, o.batch); err != nil {
			return 0, err
		}
		done += o.batch
	}
	return float64(done) / time.Since(begin).Seconds(), nil
}
