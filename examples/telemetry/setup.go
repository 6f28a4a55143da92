package main

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/multinode/mn"
	"github.com/multinode/mn/telemetry"
)

// What follows is shown in docs/telemetry.md, and a test keeps the two the same.

// observedApp returns an app whose spans go to the exporters, and whose metrics and those of its
// namespace to the registry. stop ends both; call it after the app's Shutdown.
func observedApp(registry *prometheus.Registry, exporters []sdktrace.SpanExporter, cfg mn.Config) (
	app *mn.App, stop func(context.Context) error, err error,
) {
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	meters := metric.NewMeterProvider(metric.WithReader(exporter))
	var opts []sdktrace.TracerProviderOption
	for _, e := range exporters {
		opts = append(opts, sdktrace.WithBatcher(e))
	}
	tracers := sdktrace.NewTracerProvider(opts...)
	t, err := telemetry.New(telemetry.WithTracerProvider(tracers), telemetry.WithMeterProvider(meters))
	if err != nil {
		return nil, nil, err
	}
	cfg.Telemetry = t
	if app, err = mn.New(cfg); err != nil {
		return nil, nil, err
	}
	unobserve, err := t.Observe(app) // in one process of the namespace, or in several
	return app, func(ctx context.Context) error {
		return errors.Join(unobserve(), tracers.Shutdown(ctx), meters.Shutdown(ctx))
	}, err
}
