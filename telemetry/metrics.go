package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// bounds are the boundaries of all histograms, in seconds. They contain those that the
// conventions name (5 ms to 10 s), and more on both sides: a call within a process takes
// microseconds, a job hours. A view of the SDK changes them.
var bounds = metric.WithExplicitBucketBoundaries(
	.00001, .00002, .00005, .0001, .0002, .0005, .001, .0025,
	.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10,
	30, 60, 300, 900, 3600, 14400, 86400,
)

// metrics are the instruments for what this process sends and executes.
type metrics struct {
	sentMessages     metric.Int64Counter
	sendDuration     metric.Float64Histogram
	consumedMessages metric.Int64Counter
	processDuration  metric.Float64Histogram
	queueDuration    metric.Float64Histogram
	retries          metric.Int64Counter
}

func (m *metrics) open(meter metric.Meter) error {
	var fault error
	count := func(name, unit, what string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		fault = errors.Join(fault, err)
		return c
	}
	duration := func(name, what string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), bounds)
		fault = errors.Join(fault, err)
		return h
	}
	m.sentMessages = count("messaging.client.sent.messages", "{message}",
		"Number of messages producer attempted to send to the broker.")
	m.sendDuration = duration("messaging.client.operation.duration",
		"Duration of messaging operation initiated by a producer or consumer client.")
	m.consumedMessages = count("messaging.client.consumed.messages", "{message}",
		"Number of messages that were delivered to the application.")
	m.processDuration = duration("messaging.process.duration", "Duration of processing operation.")
	m.queueDuration = duration("mn.queue.duration", "How long tasks waited for their first attempt.")
	m.retries = count("mn.task.retries", "{attempt}", "Number of attempts that were not the first of their task.")
	return fault
}

// sent counts and times a start or call. One whose handler failed was sent all right.
func (m *metrics) sent(ctx context.Context, all *operations, k operationKey, handlerFailed bool, took time.Duration) {
	op := all.get(k)
	m.sendDuration.Record(ctx, took.Seconds(), op.rec...)
	if handlerFailed {
		k.errorType = ""
		op = all.get(k)
	}
	m.sentMessages.Add(ctx, 1, op.add...)
}

// began counts an attempt. A task that was handed back is no retry, and its time in the queue
// is counted anew from when it was stored.
func (m *metrics) began(ctx context.Context, op *operation, attempt int, wait time.Duration) {
	m.consumedMessages.Add(ctx, 1, op.add...)
	if attempt > 1 {
		m.retries.Add(ctx, 1, op.add...)
		return
	}
	m.queueDuration.Record(ctx, wait.Seconds(), op.rec...)
}

// processed times an attempt.
func (m *metrics) processed(ctx context.Context, op *operation, took time.Duration) {
	m.processDuration.Record(ctx, took.Seconds(), op.rec...)
}
