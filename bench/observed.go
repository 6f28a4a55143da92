package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/multinode/mn/telemetry"
)

// observed is a program whose calls are observed. It is made when the first measure needs
// it.
type observed struct {
	name    string
	spans   bool // all are made and exported to nobody; else there are metrics only
	program *program
	end     func(context.Context) error // of the SDK
}

// discard is an exporter.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// open makes the program, once.
func (o *observed) open(b *bench) (err error) {
	if o.program != nil {
		return nil
	}
	var tracers trace.TracerProvider = noop.NewTracerProvider()
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	end := meters.Shutdown
	if o.spans {
		sdk := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}))
		tracers = sdk
		end = func(ctx context.Context) error { return errors.Join(sdk.Shutdown(ctx), meters.Shutdown(ctx)) }
	}
	t, err := telemetry.New(telemetry.WithTracerProvider(tracers), telemetry.WithMeterProvider(meters))
	if err != nil {
		return err
	}
	o.end = end
	o.program, err = newProgram(b.medium.backend, "bench-observed-"+strconv.FormatBool(o.spans), t)
	return err
}

func (o *observed) close() (err error) {
	if o.program != nil {
		err = o.program.close()
	}
	if o.end != nil {
		err = errors.Join(err, o.end(context.Background()))
	}
	return err
}

// observedMeasures are those of calls, beside the same floor, with metrics, and with metrics
// and a span for each call and attempt. They have no targets: they state what that costs.
func (b *bench) observedMeasures() []measure {
	var ms []measure
	for _, o := range []*observed{&b.measured, &b.traced} {
		prepare := func(context.Context) error { return o.open(b) }
		call := func(ctx context.Context) error { return o.program.call(ctx) }
		ms = append(ms, measure{
			name: "call, idle, p50, " + o.name, unit: "µs", prepare: prepare,
			value: latency(call, nil, maxSamples), floor: latency(b.callFloor, nil, maxSamples),
		}, measure{
			name: fmt.Sprintf("calls, %d goroutines, %s", callers, o.name), unit: "calls/s", prepare: prepare,
			value: throughput(callers, func(ctx context.Context, _ int) error { return call(ctx) }),
			floor: throughput(callers, b.callFloors),
		})
	}
	return ms
}
