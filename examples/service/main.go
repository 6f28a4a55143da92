// Command service is an HTTP service in front of a job: it counts the words of the
// documents that are posted to it. It shows
//
//   - a job's life over HTTP: start, list, look, watch, cancel, remove;
//   - which error of the library is which status: see writeError;
//   - live progress as server-sent events: see events;
//   - locks ("lock" in a start) and backpressure;
//   - a function that a job maps over its input, in parallel: see countAll;
//   - a shutdown that leaves nothing half done.
//
// Run it from the repository's root, and talk to it:
//
//	go run ./examples/service
//	curl -i localhost:8080/jobs -d '{"documents": [{"name": "a", "text": "to be or not to be"}]}'
//	curl localhost:8080/jobs/ID
//	curl -N localhost:8080/jobs/ID/events
//	curl -X POST localhost:8080/jobs/ID/cancel
//	curl -X DELETE localhost:8080/jobs/ID
//	curl 'localhost:8080/jobs?status=SUCCEEDED&limit=10'
//
// Jobs live in this process's memory. With a shared Backend in mn.Config they outlive it,
// and several such services see the same ones.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/where"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "the `address` to listen on")
	var at where.Flags
	at.Register(flag.CommandLine)
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "service: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := program(*addr, at); err != nil {
		slog.Error("service ended", "error", err)
		os.Exit(1)
	}
}

// program serves until SIGINT or SIGTERM, of which app.Run tells by the end of ctx. Once
// serve has returned app.Run shuts the app down, and gives running jobs some time for it.
func program(addr string, at where.Flags) error {
	cfg := mn.Config{Name: "word-count", Definitions: []mn.Definition{CountAll, CountWords}}
	return at.Run(context.Background(), cfg, func(ctx context.Context, app *mn.App) error {
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		slog.Info("listening", "address", "http://"+listener.Addr().String())
		return serve(ctx, listener, CountAll.On(app))
	})
}

// shutdownBound is how long requests that are under way may take when the service stops.
const shutdownBound = 5 * time.Second

// serve serves until ctx is done: then it accepts nothing more, ends the event streams and
// waits for the other requests.
func serve(ctx context.Context, listener net.Listener, jobs *mn.Job[Request, Progress]) error {
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	srv := &http.Server{
		Handler:           newServer(streams, jobs),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	srv.RegisterOnShutdown(endStreams)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownBound)
	defer cancel()
	err := srv.Shutdown(bounded)
	if err != nil {
		err = errors.Join(err, srv.Close())
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
