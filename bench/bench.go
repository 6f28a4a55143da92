package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// bench holds what the measures use.
type bench struct {
	*options
	medium  *medium
	floors  floors
	program *program
	// full and its twin are made when the first measure needs them, see fill.
	full        *shelf
	fleet       *fleet // likewise
	twin        *twin
	bytesPerJob float64
	// What telemetry costs.
	measured, traced observed
}

func openBench(o *options) (*bench, error) {
	b := &bench{options: o, measured: observed{name: "metrics"}, traced: observed{name: "metrics and spans", spans: true}}
	var err error
	if b.medium, err = o.driver.open(); err != nil {
		return nil, err
	}
	if b.floors, err = newFloors(b.medium, callers); err == nil {
		b.program, err = newProgram(b.medium.backend, "bench", nil)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) close() (err error) {
	if b.twin != nil {
		err = errors.Join(err, b.twin.close())
	}
	if b.fleet != nil {
		err = errors.Join(err, b.fleet.close())
	}
	if b.full != nil {
		err = errors.Join(err, b.full.close())
	}
	if b.program != nil {
		err = errors.Join(err, b.program.close())
	}
	err = errors.Join(err, b.measured.close(), b.traced.close())
	return errors.Join(err, b.floors.close(), b.medium.close())
}

// measures lists all measures in the order of the table. Those with stored jobs
// come last, because the heap is large from then on.
func (b *bench) measures() []measure {
	return slices.Concat(b.taskMeasures(), b.observedMeasures(), b.fleetMeasures(), b.storedMeasures())
}

func (b *bench) taskMeasures() []measure {
	p, t := b.program, &b.driver.targets
	starts := &starts{program: p}
	idle := latency(b.callFloor, nil, maxSamples)
	parallel := throughput(callers, b.callFloors)
	return []measure{
		{name: "cache line to another core and back", unit: "ns", value: crossing},
		// Early, because the records of calls that have ended go some seconds later.
		{name: "size of a pending call", unit: "bytes", value: b.pendingSize, once: true},
		{
			name: "call, idle, p50", unit: "µs", target: t.idle,
			value: latency(p.call, nil, maxSamples), floor: idle,
		},
		{
			name: fmt.Sprintf("calls, %d goroutines, each awaited", callers), unit: "calls/s",
			target: t.parallel, atLeast: true,
			value: throughput(callers, func(ctx context.Context, _ int) error { return p.call(ctx) }), floor: parallel,
		},
		{
			name: fmt.Sprintf("map of %d inputs", mapInputs), unit: "calls/s", target: t.mapped, atLeast: true,
			value: p.mapAll, floor: parallel,
		},
		{
			name: "job, start to wait, p50", unit: "µs", target: t.job,
			value: latency(starts.startAndWait, starts.forget, maxSamples), floor: idle,
		},
		{name: "yield in a tight loop", unit: "ns", value: p.spinFor},
		{name: "yield to watcher, p50", unit: "µs", value: p.watchFor},
	}
}

func (b *bench) callFloor(context.Context) error {
	_, err := b.floors[0].call(number{1})
	return err
}

func (b *bench) callFloors(_ context.Context, caller int) error {
	_, err := b.floors[caller].call(number{1})
	return err
}
