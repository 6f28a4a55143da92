// Command telemetry shows traces and metrics of an app: it starts jobs that call functions, some
// of which fail, and serves Prometheus metrics for as long as it runs.
//
//	go run ./telemetry                     # then: curl localhost:9464/metrics
//	go run ./telemetry -spans              # prints each span as it ends
//	go run ./telemetry -addr :9464 -for 1m
//
// dashboard.json is a Grafana dashboard for these metrics: import it and choose the Prometheus
// that scrapes the address.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/multinode/mn"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "telemetry:", err)
		os.Exit(1)
	}
}

// run is the program. It ends after -for, or when it is interrupted.
func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("telemetry", flag.ContinueOnError)
	addr := f.String("addr", "localhost:9464", "where /metrics is served")
	spans := f.Bool("spans", false, "print each span as it ends, as JSON")
	duration := f.Duration("for", 0, "how long to run; 0 is until interrupted")
	every := f.Duration("every", 500*time.Millisecond, "how often a job is started")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *every <= 0 {
		return fmt.Errorf("-every %s must be above 0", *every)
	}
	var exporters []sdktrace.SpanExporter
	if *spans {
		e, err := stdouttrace.New(stdouttrace.WithWriter(out), stdouttrace.WithPrettyPrint())
		if err != nil {
			return err
		}
		exporters = append(exporters, e)
	}
	registry := prometheus.NewRegistry()
	app, stop, err := observedApp(registry, exporters, mn.Config{
		Name: "reports", Definitions: definitions(), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	err = app.Run(ctx, func(ctx context.Context) error { return serve(ctx, *addr, registry, *every, out) })
	return errors.Join(err, stop(context.WithoutCancel(ctx)))
}

// serve serves metrics and starts jobs until ctx is done.
func serve(ctx context.Context, addr string, registry *prometheus.Registry, every time.Duration, out io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintf(out, "metrics: http://%s/metrics\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	err = work(ctx, every)
	if closed := server.Close(); err == nil {
		err = closed
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
