package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/multinode/mn"
)

// Send implements [mn.Telemetry].
func (t *Telemetry) Send(ctx context.Context, op mn.Operation) (carried string, end func(error)) {
	name := opCall
	if op.Kind == "job" {
		name = opStart
	}
	key := operationKey{name: name, app: op.App, kind: op.Kind, target: op.Name}
	common := t.operations.get(key)
	begun := time.Now()
	ctx, span := t.tracer.Start(ctx, common.span, common.start...)
	if span.IsRecording() {
		span.SetAttributes(appendTask(nil, &op)...)
	}
	var c carrier
	t.propagator.Inject(ctx, &c)
	return c.text, func(err error) {
		took := time.Since(begun)
		failed := key
		failed.errorType = sendErrorType(err)
		finish(span, err, failed.errorType)
		t.metrics.sent(ctx, &t.operations, failed, isRunError(err), took)
	}
}

// Execute implements [mn.Telemetry].
func (t *Telemetry) Execute(ctx context.Context, e mn.Execution) (handler context.Context, end func(error)) {
	key := operationKey{name: opProcess, app: e.App, kind: e.Kind, target: e.Name}
	common := t.operations.get(key)
	begun := time.Now()
	ctx = t.propagator.Extract(ctx, &carrier{text: e.Trace})
	ctx, span := t.tracer.Start(ctx, common.span, t.relate(ctx, &e, common.start)...)
	wait := max(0, begun.Sub(e.Created)) // the backend's clock may be ahead
	if span.IsRecording() {
		attrs := append(appendTask(nil, &e.Operation), attemptKey.Int(e.Attempt), workerKey.String(e.Worker))
		if e.Attempt == 1 {
			attrs = append(attrs, queueWaitKey.Float64(wait.Seconds()))
		}
		span.SetAttributes(attrs...)
	}
	t.metrics.began(ctx, common, e.Attempt, wait)
	return ctx, func(err error) {
		took := time.Since(begun)
		failed := key
		failed.errorType = attemptErrorType(err)
		finish(span, err, failed.errorType)
		t.metrics.processed(ctx, t.operations.get(failed), took)
	}
}

// relate says how an attempt's span belongs to the one that sent the task. It always has a
// link, as the conventions want it; attempts carry no other context, so that one can be the
// parent as well, which the conventions allow where a span is of a single message.
func (t *Telemetry) relate(ctx context.Context, e *mn.Execution, opts []trace.SpanStartOption) []trace.SpanStartOption {
	creation := trace.SpanContextFromContext(ctx)
	alone := t.linkJobs && e.Kind == "job"
	if !creation.IsValid() && !alone {
		return opts
	}
	more := make([]trace.SpanStartOption, len(opts), len(opts)+2)
	copy(more, opts)
	if creation.IsValid() {
		more = append(more, trace.WithLinks(trace.Link{SpanContext: creation}))
	}
	if alone {
		more = append(more, trace.WithNewRoot())
	}
	return more
}

// appendTask adds what tells one run or call from others.
func appendTask(attrs []attribute.KeyValue, op *mn.Operation) []attribute.KeyValue {
	if attrs == nil {
		attrs = make([]attribute.KeyValue, 0, 6)
	}
	attrs = append(attrs, semconv.MessagingMessageID(op.ID))
	if op.Parent != "" {
		attrs = append(attrs, parentKey.String(op.Parent))
	}
	if op.Root != "" {
		attrs = append(attrs, semconv.MessagingMessageConversationID(op.Root))
	}
	return attrs
}

// finish ends a span.
func finish(span trace.Span, err error, errorType string) {
	if err != nil && span.IsRecording() {
		text := errorText(err)
		span.SetStatus(codes.Error, text)
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType))
		attrs := []attribute.KeyValue{semconv.ExceptionMessage(text), semconv.ExceptionType(errorType)}
		if stack := errorStack(err); stack != "" {
			attrs = append(attrs, semconv.ExceptionStacktrace(stack))
		}
		span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(attrs...))
	}
	span.End()
}
