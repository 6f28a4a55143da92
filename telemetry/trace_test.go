package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/telemetry"
)

// nested are a job that calls a function, which calls another one.
func nested() (*mn.Job[int, int], []mn.Definition) {
	price := mn.NewFunction("price", func(_ context.Context, in int) (int, error) { return in * 10, nil })
	offer := mn.NewFunction("offer", func(ctx context.Context, in int) (int, error) {
		ctx, own := trace.SpanFromContext(ctx).TracerProvider().Tracer("user").Start(ctx, "own work")
		defer own.End()
		return price.Call(ctx, in)
	})
	order := mn.NewJob("order", func(ctx context.Context, in int, yield func(int) bool) error {
		out, err := offer.Call(ctx, in)
		yield(out)
		return err
	})
	return order, []mn.Definition{order, offer, price}
}

func TestOneTraceFromTheStartToTheDeepestCallAcrossProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order, defs := nested()
		r := newRig(t, defs)
		ctx, request := r.tracer.Start(t.Context(), "request")
		id, err := order.On(r.client).Start(ctx, 4)
		require.NoError(t, err)
		request.End()
		out, err := order.On(r.client).Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 40, out)
		require.Equal(t, `request (internal)
  start order (producer)
    process order (consumer, link to start order)
      call offer (producer)
        process offer (consumer, link to call offer)
          own work (internal)
            call price (producer)
              process price (consumer, link to call price)
`, r.tree())
		for _, s := range r.spans() {
			require.Equal(t, request.SpanContext().TraceID(), s.SpanContext().TraceID())
			require.Equal(t, codes.Unset, s.Status().Code)
		}
		require.Len(t, r.sent.Ended(), 2, "the client's process makes the client's spans only")
		require.True(t, r.span("process order").Parent().IsRemote())
	})
}

func TestAttributesOfSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order, defs := nested()
		r := newRig(t, defs)
		id, err := order.On(r.client).Start(t.Context(), 4)
		require.NoError(t, err)
		_, err = order.On(r.client).Wait(t.Context(), id)
		require.NoError(t, err)

		require.Equal(t, map[string]string{
			"messaging.system": "mn", "messaging.operation.name": "start", "messaging.operation.type": "send",
			"messaging.destination.name": "order", "messaging.message.id": string(id), "mn.app": "shop", "mn.kind": "job",
		}, attributes(r.span("start order").Attributes()))
		require.Equal(t, map[string]string{
			"messaging.system": "mn", "messaging.operation.name": "process", "messaging.operation.type": "process",
			"messaging.destination.name": "order", "messaging.message.id": string(id), "mn.app": "shop", "mn.kind": "job",
			"mn.attempt": "1", "mn.queue.wait": "0",
		}, without(t, attributes(r.span("process order").Attributes()), "mn.worker"))
		require.Equal(t, map[string]string{
			"messaging.system": "mn", "messaging.operation.name": "call", "messaging.operation.type": "send",
			"messaging.destination.name": "offer", "mn.app": "shop", "mn.kind": "function",
			"mn.parent": string(id), "messaging.message.conversation_id": string(id),
		}, without(t, attributes(r.span("call offer").Attributes()), "messaging.message.id"))
		offer := attributes(r.span("call offer").Attributes())["messaging.message.id"]
		require.Equal(t, map[string]string{
			"messaging.system": "mn", "messaging.operation.name": "process", "messaging.operation.type": "process",
			"messaging.destination.name": "price", "mn.app": "shop", "mn.kind": "function", "mn.attempt": "1",
			"mn.queue.wait": "0", "mn.parent": offer, "messaging.message.conversation_id": string(id),
		}, without(t, attributes(r.span("process price").Attributes()), "mn.worker", "messaging.message.id"))
		scope := r.span("process price").InstrumentationScope()
		require.Equal(t, telemetry.ScopeName, scope.Name)
		require.Equal(t, "https://opentelemetry.io/schemas/1.43.0", scope.SchemaURL)
	})
}

func TestAttemptsOfARetriedJobAreSideBySideAndLinkedToItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaky := mn.NewJob("flaky", func(ctx context.Context, _ int, _ func(int) bool) error {
			if mn.Attempt(ctx) < 3 {
				return fmt.Errorf("failure %d", mn.Attempt(ctx))
			}
			return nil
		}, mn.Retries(2))
		r := newRig(t, []mn.Definition{flaky})
		id, err := flaky.On(r.client).Start(t.Context(), 0)
		require.NoError(t, err)
		_, err = flaky.On(r.client).Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, `start flaky (producer)
  process flaky (consumer, link to start flaky)
  process flaky (consumer, link to start flaky)
  process flaky (consumer, link to start flaky)
`, r.tree())
		for i, s := range r.executed.Ended() {
			attrs := attributes(s.Attributes())
			require.Equal(t, fmt.Sprint(i+1), attrs["mn.attempt"])
			require.Equal(t, i == 0, attrs["mn.queue.wait"] != "", "only a first attempt has waited")
			if i == 2 {
				require.Equal(t, codes.Unset, s.Status().Code)
				require.Empty(t, s.Events())
				continue
			}
			require.Equal(t, sdktrace.Status{Code: codes.Error, Description: fmt.Sprintf("failure %d", i+1)}, s.Status())
			require.Equal(t, "handler", attrs["error.type"])
			require.Len(t, s.Events(), 1)
			require.Equal(t, "exception", s.Events()[0].Name)
			require.Equal(t, map[string]string{
				"exception.message": fmt.Sprintf("failure %d", i+1), "exception.type": "handler",
			}, attributes(s.Events()[0].Attributes))
		}
	})
}

func TestLinkedJobsHaveATraceForEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order, defs := nested()
		r := newRig(t, defs, telemetry.WithLinkedJobs())
		id, err := order.On(r.client).Start(t.Context(), 4)
		require.NoError(t, err)
		_, err = order.On(r.client).Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, `start order (producer)
process order (consumer, link to start order)
  call offer (producer)
    process offer (consumer, link to call offer)
      own work (internal)
        call price (producer)
          process price (consumer, link to call price)
`, r.tree())
		require.NotEqual(t, r.span("start order").SpanContext().TraceID(), r.span("process order").SpanContext().TraceID())
	})
}

func TestEachCallOfAMapIsASpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		double := mn.NewFunction("double", func(_ context.Context, in int) (int, error) {
			if in == 7 {
				return 0, errors.New("seven")
			}
			return 2 * in, nil
		})
		r := newRig(t, []mn.Definition{double})
		ctx, request := r.tracer.Start(t.Context(), "request")
		count := 0
		for range double.On(r.client).Map(ctx, func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}) {
			count++
		}
		request.End()
		require.Equal(t, n, count)
		calls, failed := map[trace.SpanID]bool{}, 0
		for _, s := range r.sent.Ended() {
			if s.Name() != "call double" {
				continue
			}
			require.Equal(t, request.SpanContext().SpanID(), s.Parent().SpanID())
			calls[s.SpanContext().SpanID()] = true
			if s.Status().Code == codes.Error {
				failed++
			}
		}
		require.Len(t, calls, n)
		require.Equal(t, 1, failed)
		require.Len(t, r.executed.Ended(), n)
		for _, s := range r.executed.Ended() {
			require.True(t, calls[s.Parent().SpanID()], "an attempt for each call")
			delete(calls, s.Parent().SpanID())
		}
		require.Empty(t, calls)
	})
}

func TestErrorTypes(t *testing.T) {
	broken := func(err error) func(context.Context, int) (int, error) {
		return func(context.Context, int) (int, error) { return 0, err }
	}
	for name, c := range map[string]struct {
		handler         func(context.Context, int) (int, error)
		opts            []mn.FunctionOption
		call, processed string
	}{
		"error": {handler: broken(errors.New("x")), call: "handler", processed: "handler"},
		"panic": {handler: func(context.Context, int) (int, error) { panic("x") }, call: "panic", processed: "panic"},
		"timeout": {
			handler: func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, nil },
			opts:    []mn.FunctionOption{mn.Timeout(time.Second)}, call: "timeout", processed: "timeout",
		},
		"caller's deadline": {
			handler: func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, nil },
			call:    "deadline_exceeded", processed: "cancelled",
		},
		"an error that only wraps a timeout": {handler: broken(fmt.Errorf("inner: %w", mn.ErrTimeout)), call: "handler", processed: "handler"},
		"nil error's method":                 {handler: broken((*nilError)(nil)), call: "panic", processed: "handler"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := mn.NewFunction("f", c.handler, c.opts...)
				r := newRig(t, []mn.Definition{f})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := f.On(r.client).Call(ctx, 1)
				require.Error(t, err)
				pass(time.Minute)
				require.Equal(t, c.call, attributes(r.span("call f").Attributes())["error.type"])
				processed := r.span("process f")
				require.Equal(t, c.processed, attributes(processed.Attributes())["error.type"])
				require.Equal(t, codes.Error, processed.Status().Code)
				stack := attributes(processed.Events()[0].Attributes)["exception.stacktrace"]
				require.Equal(t, name == "panic", strings.Contains(stack, "trace_test.go"))
			})
		})
	}
}

// nilError has a method that panics if it is nil.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestRefusedStartsAreErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("job", obedient, mn.MaxConcurrency(1), mn.MaxPending(1))
		r := newRig(t, []mn.Definition{job})
		j := job.On(r.client)
		_, err := j.Start(t.Context(), 0, mn.WithLock("l"))
		require.NoError(t, err)
		synctest.Wait() // it runs
		_, err = j.Start(t.Context(), 0, mn.WithLock("l"))
		require.ErrorIs(t, err, mn.ErrLockAlreadyInUse)
		_, err = j.Start(t.Context(), 0)
		require.NoError(t, err)
		_, err = j.Start(t.Context(), 0)
		require.ErrorIs(t, err, mn.ErrBackpressure)
		require.NoError(t, r.client.Close())
		_, err = j.Start(t.Context(), 0)
		require.ErrorIs(t, err, mn.ErrAppClosed)
		var types []string
		for _, s := range r.sent.Ended() {
			types = append(types, attributes(s.Attributes())["error.type"])
		}
		require.Equal(t, []string{"", "lock_in_use", "", "backpressure", "app_closed"}, types)
	})
}

func TestWaitInTheQueueIsAnAttribute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := mn.NewFunction("slow", func(context.Context, int) (int, error) { pass(3 * time.Second); return 0, nil }, mn.MaxWorkers(1))
		r := newRig(t, []mn.Definition{slow})
		first := slow.On(r.client).Go(t.Context(), 1)
		synctest.Wait()
		_, err := slow.On(r.client).Call(t.Context(), 2)
		require.NoError(t, err)
		<-first.Done()
		var waits []string
		for _, s := range r.executed.Ended() {
			waits = append(waits, attributes(s.Attributes())["mn.queue.wait"])
		}
		require.Equal(t, []string{"0", "3"}, waits)
	})
}

func TestBaggageReachesTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := mn.NewFunction("tenant", func(ctx context.Context, _ int) (string, error) {
			return baggage.FromContext(ctx).Member("tenant").Value(), nil
		})
		r := newRig(t, []mn.Definition{tenant})
		call := func(value string) (string, error) {
			member, err := baggage.NewMember("tenant", value)
			require.NoError(t, err)
			bag, err := baggage.New(member)
			require.NoError(t, err)
			return tenant.On(r.client).Call(baggage.ContextWithBaggage(t.Context(), bag), 1)
		}
		got, err := call("acme")
		require.NoError(t, err)
		require.Equal(t, "acme", got)
		got, err = call(strings.Repeat("x", 2000))
		require.NoError(t, err)
		require.Empty(t, got, "too long to travel")
		for _, s := range r.executed.Ended() {
			require.True(t, s.Parent().IsValid(), "and the trace goes on nevertheless")
		}
	})
}

func TestWhatIsNotSampledStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order, defs := nested()
		never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		r := newRig(t, defs)
		quiet, err := telemetry.New(telemetry.WithTracerProvider(never))
		require.NoError(t, err)
		// The worker's own sampler follows the sender's decision.
		ctx, end := quietSend(t, quiet, r)
		defer end(nil)
		id, err := order.On(r.client).Start(ctx, 1)
		require.NoError(t, err)
		_, err = order.On(r.client).Wait(t.Context(), id)
		require.NoError(t, err)
		require.Empty(t, r.spans())
	})
}

// quietSend returns a context whose span is not sampled.
func quietSend(t *testing.T, quiet *telemetry.Telemetry, r *rig) (context.Context, func(error)) {
	t.Helper()
	text, end := quiet.Send(t.Context(), mn.Operation{App: r.client.Name(), Kind: "job", Name: "order"})
	ctx, _ := quiet.Execute(t.Context(), mn.Execution{Trace: text})
	require.True(t, trace.SpanContextFromContext(ctx).IsValid())
	require.False(t, trace.SpanContextFromContext(ctx).IsSampled())
	return ctx, end
}

func TestLogsOfAHandlerNameTheSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lines := 0
		f := mn.NewFunction("f", func(ctx context.Context, in int) (int, error) {
			mn.Logger(ctx).InfoContext(ctx, "inside")
			return in, nil
		})
		spans := tracetest.NewSpanRecorder()
		tel, err := telemetry.New(telemetry.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
		require.NoError(t, err)
		job := mn.NewJob("job", func(ctx context.Context, _ int, _ func(int) bool) error {
			mn.Logger(ctx).Info("in the run's log")
			return nil
		})
		app := mntest.NewWith(t, mn.Config{
			Definitions: []mn.Definition{f, job}, Telemetry: tel, Logger: slog.New(slog.NewTextHandler(&out, nil)),
		})
		_, err = f.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		id, err := job.On(app).Start(t.Context(), 1)
		require.NoError(t, err)
		_, err = job.On(app).Wait(t.Context(), id)
		require.NoError(t, err)
		synctest.Wait()
		for line, err := range app.Logs(t.Context(), id) {
			require.NoError(t, err)
			require.Regexp(t, `"trace_id":"[0-9a-f]{32}","span_id":"[0-9a-f]{16}"`, string(line.Attrs))
			lines++
		}
		require.Equal(t, 1, lines)
		process := spans.Ended()[0].SpanContext()
		require.Contains(t, out.String(), fmt.Sprintf("trace_id=%s span_id=%s", process.TraceID(), process.SpanID()))
		require.Nil(t, tel.LogAttrs(t.Context()), "nothing where there is no span")
	})
}

func TestAttributesAreGivenToTheSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("f", func(_ context.Context, in int) (int, error) { return in, nil })
		s := new(sampler)
		tel, err := telemetry.New(telemetry.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(s))))
		require.NoError(t, err)
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{f}, Telemetry: tel})
		_, err = f.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, "f", attributes(s.seen)["messaging.destination.name"])
	})
}

type sampler struct{ seen []attribute.KeyValue }

func (s *sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.seen = p.Attributes
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

func (s *sampler) Description() string { return "drops all" }
