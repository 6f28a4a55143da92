package telemetry_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a client that executes nothing and an app that executes, on one backend. Each has
// telemetry of its own, as two processes have.
type rig struct {
	t              *testing.T
	client, worker *mn.App
	sent, executed *tracetest.SpanRecorder
	metrics        *metric.ManualReader // of the worker
	clientMetrics  *metric.ManualReader
	ofClient       *telemetry.Telemetry
	ofWorker       *telemetry.Telemetry
	tracer         trace.Tracer // of the client's program
}

// newRig makes one; it belongs into a synctest bubble.
func newRig(t *testing.T, defs []mn.Definition, opts ...telemetry.Option) *rig {
	t.Helper()
	r := &rig{
		t: t, sent: tracetest.NewSpanRecorder(), executed: tracetest.NewSpanRecorder(),
		metrics: metric.NewManualReader(), clientMetrics: metric.NewManualReader(),
	}
	store := memory.New()
	open := func(spans *tracetest.SpanRecorder, reader metric.Reader) (*telemetry.Telemetry, trace.TracerProvider) {
		tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		tel, err := telemetry.New(append([]telemetry.Option{
			telemetry.WithTracerProvider(tracers),
			telemetry.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))),
		}, opts...)...)
		require.NoError(t, err)
		return tel, tracers
	}
	var tracers trace.TracerProvider
	r.ofClient, tracers = open(r.sent, r.clientMetrics)
	r.ofWorker, _ = open(r.executed, r.metrics)
	r.tracer = tracers.Tracer("program")
	r.worker = mntest.NewWith(t, mn.Config{Name: "shop", Backend: store, Definitions: defs, Telemetry: r.ofWorker})
	r.client = mntest.NewWith(t, mn.Config{
		Name: "shop", Backend: store, Definitions: defs, Telemetry: r.ofClient, Provisioner: provisioner.None,
	})
	return r
}

// spans are all that have ended, in the order of their starts.
func (r *rig) spans() []sdktrace.ReadOnlySpan {
	synctest.Wait()
	all := append(r.sent.Ended(), r.executed.Ended()...)
	slices.SortStableFunc(all, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	return all
}

// span returns the only span of the name.
func (r *rig) span(name string) sdktrace.ReadOnlySpan {
	r.t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range r.spans() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	require.Len(r.t, found, 1, "spans of name %q", name)
	return found[0]
}

// tree draws the spans below their parents: name, kind, and the spans they link to.
func (r *rig) tree() string {
	all := r.spans()
	names := map[trace.SpanID]string{}
	children := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	for _, s := range all {
		names[s.SpanContext().SpanID()] = s.Name()
		children[s.Parent().SpanID()] = append(children[s.Parent().SpanID()], s)
	}
	var b strings.Builder
	var draw func(of trace.SpanID, indent string)
	draw = func(of trace.SpanID, indent string) {
		for _, s := range children[of] {
			fmt.Fprintf(&b, "%s%s (%s", indent, s.Name(), s.SpanKind())
			for _, l := range s.Links() {
				fmt.Fprintf(&b, ", link to %s", names[l.SpanContext.SpanID()])
			}
			b.WriteString(")\n")
			draw(s.SpanContext().SpanID(), indent+"  ")
		}
	}
	draw(trace.SpanID{}, "")
	return b.String()
}

// attributes are a span's, as text by name.
func attributes(attrs []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range attrs {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// without returns m without the keys, which must be there.
func without(t *testing.T, m map[string]string, keys ...string) map[string]string {
	t.Helper()
	m = maps.Clone(m)
	for _, k := range keys {
		require.NotEmpty(t, m[k], k)
		delete(m, k)
	}
	return m
}

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
}

// obedient is a handler that runs until it is told to stop.
func obedient(ctx context.Context, _ int, _ func(int) bool) error {
	<-ctx.Done()
	return nil
}
