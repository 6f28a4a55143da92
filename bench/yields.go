package main

import (
	"context"
	"errors"
	"time"

	"github.com/multinode/mn"
)

// spinBatch is how many yields are made between two looks at the clock.
const spinBatch = 64

func (p *program) handleSpin(_ context.Context, in number, yield func(number) bool) error {
	n, begin := 0, time.Now()
	for time.Since(begin) < time.Duration(in.N) {
		for range spinBatch {
			n++
			if !yield(number{n}) {
				return errors.New("told to stop")
			}
		}
	}
	p.spun <- float64(time.Since(begin)) / float64(n)
	return nil
}

// spinFor returns the nanoseconds that a yield costs its handler in a tight loop.
// Most values are overtaken by newer ones before they are stored.
func (p *program) spinFor(ctx context.Context, window time.Duration) (float64, error) {
	id, err := p.spin.Start(ctx, number{int(window)})
	if err != nil {
		return 0, err
	}
	if _, err := p.spin.Wait(ctx, id); err != nil {
		return 0, err
	}
	return <-p.spun, p.spin.Remove(ctx, id)
}

// handleEcho yields the moment of the yield, for ever.
func (p *program) handleEcho(ctx context.Context, _ number, yield func(number) bool) error {
	for {
		select {
		case <-p.next:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !yield(number{int(time.Since(p.born))}) {
			return nil
		}
	}
}

// watchFor returns the median time in microseconds from a yield to a reader of
// Watch, encoding and decoding included.
func (p *program) watchFor(ctx context.Context, window time.Duration) (float64, error) {
	id, err := p.echo.Start(ctx, number{})
	if err != nil {
		return 0, err
	}
	samples, err := p.watch(ctx, id, window)
	if err != nil {
		return 0, err
	}
	if err := p.echo.Cancel(ctx, id); err != nil {
		return 0, err
	}
	if _, err := p.echo.Wait(ctx, id); !errors.Is(err, mn.ErrJobCancelled) {
		return 0, err
	}
	return microseconds(medianDuration(samples)), p.echo.Remove(ctx, id)
}

// watch asks for a yield as soon as it has seen the last.
func (p *program) watch(ctx context.Context, id mn.JobID, window time.Duration) (samples []time.Duration, err error) {
	begin, seen := time.Now(), uint64(0)
	p.next <- struct{}{}
	for info, err := range p.echo.Watch(ctx, id) {
		if err != nil {
			return nil, err
		}
		if info.Yields == seen {
			continue // a change of its status
		}
		seen = info.Yields
		now := time.Since(p.born)
		samples = append(samples, now-time.Duration(info.Result.N))
		if time.Since(begin) >= window || len(samples) == maxSamples {
			return samples, nil
		}
		p.next <- struct{}{}
	}
	return nil, errors.New("the job ended by itself")
}
