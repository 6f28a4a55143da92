package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/multinode/mn"
)

// ScopeName is the instrumentation scope of all spans and metrics.
const ScopeName = "github.com/multinode/mn/telemetry"

// Telemetry is an [mn.Telemetry]. Create it with [New]; it may be shared by apps.
type Telemetry struct {
	tracer     trace.Tracer
	meter      metric.Meter
	propagator propagation.TextMapPropagator
	linkJobs   bool
	metrics    metrics
	operations operations
}

var (
	_ mn.Telemetry     = (*Telemetry)(nil)
	_ mn.LogAttributer = (*Telemetry)(nil)
)

// Option changes what New makes.
type Option interface{ set(*options) }

type options struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	linkJobs   bool
}

type option func(*options)

func (o option) set(opts *options) { o(opts) }

// WithTracerProvider says who makes spans. Default: otel's global provider.
func WithTracerProvider(p trace.TracerProvider) Option {
	return option(func(o *options) { o.tracers = p })
}

// WithMeterProvider says who takes measurements. Default: otel's global provider.
func WithMeterProvider(p metric.MeterProvider) Option {
	return option(func(o *options) { o.meters = p })
}

// WithPropagator says what of a caller's context travels with a run or call, and how.
// Default: W3C trace context and baggage, rather than otel's global propagator, which is none
// unless a program sets it: a trace would then end at the backend, without a word. All apps of a
// name must use the same. Fields that would make it longer than [mn.MaxTrace] are left out,
// the last ones first.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return option(func(o *options) { o.propagator = p })
}

// WithLinkedJobs makes each attempt of a job the root of a trace of its own, with a link to
// the start, instead of a part of the start's trace. That is for jobs which make more spans
// than a trace should have.
func WithLinkedJobs() Option { return option(func(o *options) { o.linkJobs = true }) }

// New returns telemetry for [mn.Config]. It fails if the meter provider refuses an
// instrument.
func New(opts ...Option) (*Telemetry, error) {
	o := options{
		tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider(),
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	for _, opt := range opts {
		opt.set(&o)
	}
	t := &Telemetry{
		tracer:     o.tracers.Tracer(ScopeName, trace.WithSchemaURL(semconv.SchemaURL)),
		meter:      o.meters.Meter(ScopeName, metric.WithSchemaURL(semconv.SchemaURL)),
		propagator: o.propagator, linkJobs: o.linkJobs,
	}
	if err := t.metrics.open(t.meter); err != nil {
		return nil, fmt.Errorf("telemetry: an instrument cannot be made: %w", err)
	}
	return t, nil
}

// LogAttrs implements [mn.LogAttributer]: "trace_id" and "span_id", if ctx has a span.
func (t *Telemetry) LogAttrs(ctx context.Context) []slog.Attr {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsValid() {
		return nil
	}
	return []slog.Attr{slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String())}
}
