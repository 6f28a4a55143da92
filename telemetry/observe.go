package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/multinode/mn"
)

// Attributes of what Observe measures.
const (
	queueStateKey  = attribute.Key("mn.queue.state")  // "pending" or "delayed"
	workerStateKey = attribute.Key("mn.worker.state") // "starting", "idle" or "busy"
	jobStatusKey   = attribute.Key("mn.job.status")   // as mn.Status, "PENDING" and so on
	outcomeKey     = attribute.Key("mn.outcome")      // "succeeded", "failed" or "released"
)

// observeBound is how long a reading of the backend may take, so that one which does not
// answer holds up no other metrics for longer.
const observeBound = 5 * time.Second

// gauges are the instruments for what the backend knows.
type gauges struct {
	queueSize     metric.Int64ObservableGauge
	oldestAge     metric.Float64ObservableGauge
	running       metric.Int64ObservableGauge
	workers       metric.Int64ObservableGauge
	workerLimit   metric.Int64ObservableGauge
	jobs          metric.Int64ObservableGauge
	attemptsEnded metric.Int64ObservableCounter
}

// Observe measures what the backend knows of the app's namespace: queues, workers, jobs,
// and what all processes together have executed, those that export no metrics themselves
// included. It reads the backend once for each collection. What it measures is the same in
// every process that observes the namespace, so add it up over none of them: take the
// maximum.
//
// stop ends it; call it before the app is shut down. It fails if the meter provider refuses
// an instrument.
func (t *Telemetry) Observe(app *mn.App) (stop func() error, err error) {
	g, err := t.openGauges()
	if err != nil {
		return nil, fmt.Errorf("telemetry: an instrument cannot be made: %w", err)
	}
	r, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		return g.read(ctx, o, app)
	}, g.queueSize, g.oldestAge, g.running, g.workers, g.workerLimit, g.jobs, g.attemptsEnded)
	if err != nil {
		return nil, fmt.Errorf("telemetry: the backend cannot be observed: %w", err)
	}
	return r.Unregister, nil
}

func (t *Telemetry) openGauges() (*gauges, error) {
	var fault error
	gauge := func(name, unit, what string) metric.Int64ObservableGauge {
		g, err := t.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
		fault = errors.Join(fault, err)
		return g
	}
	g := &gauges{
		queueSize:   gauge("mn.queue.size", "{task}", "Number of tasks that wait for a worker, or for a retry."),
		running:     gauge("mn.task.running", "{task}", "Number of tasks that are being executed."),
		workers:     gauge("mn.worker.count", "{worker}", "Number of workers."),
		workerLimit: gauge("mn.worker.limit", "{worker}", "How many workers there may be."),
		jobs:        gauge("mn.job.count", "{job}", "Number of jobs that are stored."),
	}
	var err error
	g.oldestAge, err = t.meter.Float64ObservableGauge("mn.queue.oldest.age", metric.WithUnit("s"),
		metric.WithDescription("How long the task that is next has waited."))
	fault = errors.Join(fault, err)
	g.attemptsEnded, err = t.meter.Int64ObservableCounter("mn.attempt.ended", metric.WithUnit("{attempt}"),
		metric.WithDescription("Number of attempts that have ended, by all processes, as they report it every few seconds."))
	return g, errors.Join(fault, err)
}

// read takes one reading.
func (g *gauges) read(ctx context.Context, o metric.Observer, app *mn.App) error {
	ctx, cancel := context.WithTimeout(ctx, observeBound)
	defer cancel()
	infos, err := app.Inspect().Definitions(ctx)
	if err != nil {
		return fmt.Errorf("telemetry: queues and workers of app %q cannot be read: %w", app.Name(), err)
	}
	now := time.Now()
	for i := range infos {
		g.observe(o, app.Name(), &infos[i], now)
	}
	return nil
}

func (g *gauges) observe(o metric.Observer, app string, d *mn.DefinitionInfo, now time.Time) {
	of := func(more ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributes(append(more, semconv.MessagingSystemKey.String(system),
			semconv.MessagingDestinationName(d.Name), appKey.String(app), kindKey.String(d.Kind))...)
	}
	o.ObserveInt64(g.queueSize, int64(d.Pending), of(queueStateKey.String("pending")))
	o.ObserveInt64(g.queueSize, int64(d.Delayed), of(queueStateKey.String("delayed")))
	age := 0.0
	if !d.Oldest.IsZero() {
		age = max(0, now.Sub(d.Oldest)).Seconds() // the backend's clock may be ahead
	}
	o.ObserveFloat64(g.oldestAge, age, of())
	o.ObserveInt64(g.running, int64(d.Running), of())
	o.ObserveInt64(g.workers, int64(d.Starting), of(workerStateKey.String("starting")))
	o.ObserveInt64(g.workers, int64(d.Idle), of(workerStateKey.String("idle")))
	o.ObserveInt64(g.workers, int64(max(0, d.Workers-d.Starting-d.Idle)), of(workerStateKey.String("busy")))
	o.ObserveInt64(g.workerLimit, int64(d.MaxWorkers), of())
	if d.Kind == "job" {
		for _, status := range mn.Statuses() { // those of none as well, or they would stay at their last number
			o.ObserveInt64(g.jobs, int64(d.Jobs[status]), of(jobStatusKey.String(string(status))))
		}
	}
	o.ObserveInt64(g.attemptsEnded, int64(d.Stats.Succeeded), of(outcomeKey.String("succeeded")))
	o.ObserveInt64(g.attemptsEnded, int64(d.Stats.Failed), of(outcomeKey.String("failed")))
	o.ObserveInt64(g.attemptsEnded, int64(d.Stats.Released), of(outcomeKey.String("released")))
}
