package main

import (
	"context"
	"fmt"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
)

// callers is how many goroutines call at a time where calls are made in parallel. As
// many workers execute them, as in the floor: with fewer, callers would queue.
const callers = 16

// runName is the definition whose runs are stored.
const runName = "run"

// program is an app with what the measures call.
type program struct {
	app  *mn.App
	noop *mn.Function[number, number]
	run  *mn.Job[number, number] // ends at once
	spin *mn.Job[number, number] // yields for N ns as fast as it can
	echo *mn.Job[number, number] // yields the time whenever told by next

	spun chan float64  // ns per yield of each run of spin
	next chan struct{} // one more yield of echo
	born time.Time     // what times are counted from
}

func newProgram(place backend.Backend, name string, t mn.Telemetry) (*program, error) {
	p := &program{spun: make(chan float64, 1), next: make(chan struct{}, 1), born: time.Now()}
	noop := mn.NewFunction("noop", func(_ context.Context, in number) (number, error) { return in, nil }, mn.MaxWorkers(callers))
	run := mn.NewJob(runName, func(context.Context, number, func(number) bool) error { return nil })
	spin := mn.NewJob("spin", p.handleSpin)
	echo := mn.NewJob("echo", p.handleEcho)
	app, err := mn.New(mn.Config{
		Name: name, Backend: place, Definitions: []mn.Definition{noop, run, spin, echo}, Telemetry: t,
	})
	if err != nil {
		return nil, err
	}
	p.app, p.noop, p.run, p.spin, p.echo = app, noop.On(app), run.On(app), spin.On(app), echo.On(app)
	return p, nil
}

// close waits for what runs, which is little: everything measured is awaited.
func (p *program) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p.app.Shutdown(ctx)
}

func (p *program) call(ctx context.Context) error {
	_, err := p.noop.Call(ctx, number{1})
	return err
}

// starts starts jobs one at a time, and forgets each before the next so that what is
// stored stays what it was.
type starts struct {
	*program
	id mn.JobID
}

func (s *starts) start(ctx context.Context) (err error) {
	s.id, err = s.run.Start(ctx, number{1})
	return err
}

func (s *starts) startAndWait(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	_, err := s.run.Wait(ctx, s.id)
	return err
}

func (s *starts) forget(ctx context.Context) error {
	if _, err := s.run.Wait(ctx, s.id); err != nil {
		return err
	}
	return s.run.Remove(ctx, s.id)
}

// mapInputs is how many inputs are given to one Map.
const mapInputs = 10_000

// mapAll maps as often as fits into the window, at least once, and returns calls
// per second.
func (p *program) mapAll(ctx context.Context, window time.Duration) (float64, error) {
	begin, calls := time.Now(), 0
	for calls == 0 || time.Since(begin) < window {
		for out, err := range p.noop.Map(ctx, inputs) {
			if err != nil {
				return 0, err
			}
			if out.N != calls%mapInputs {
				return 0, fmt.Errorf("result %d of a map is that of input %d", calls%mapInputs, out.N)
			}
			calls++
		}
	}
	return float64(calls) / time.Since(begin).Seconds(), nil
}

func inputs(yield func(number) bool) {
	for i := range mapInputs {
		if !yield(number{i}) {
			return
		}
	}
}
