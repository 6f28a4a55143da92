// Command peers measures mn on Redis and the task queues and workflow engines that are
// nearest to it, side by side in one run: each does the same work, a number there and
// back, at the best settings that its documentation and its source allow.
//
//	make bench-peers ARGS='-only asynq'
//
// A module of its own, outside go.work, because what the peers need is of no use to
// anyone else: neither the library's nor the benchmarks' go.mod grow by it, and no
// clone has to read it to run an example.
//
// The servers are started here, on free ports of the loopback interface, and end with
// this program whatever happens to it. A peer whose server is not installed is left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. It returns the exit status: 0 if everything that can be measured
// was, 1 if not or, with -strict, if a goal was missed, 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "peers:", err)
		return 2
	}
	if o.settings {
		describe(stdout, o.choose(drivers))
		return 0
	}
	missed, err := measureAll(ctx, o, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 1
	}
	if o.strict && missed > 0 {
		return 1
	}
	return 0
}

// measureAll measures the chosen drivers, prints the report and returns how many goals
// were missed.
func measureAll(ctx context.Context, o *options, stdout, stderr io.Writer) (missed int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done after -limit %s", o.limit))
	defer cancel()
	chosen := o.choose(drivers)
	if len(chosen) == 0 {
		return 0, fmt.Errorf("-only %q chooses none of the rows", o.only)
	}
	s := newServers(o.durable)
	defer func() { err = errors.Join(err, s.close()) }()
	if chosen, err = s.start(ctx, chosen, stderr); err != nil {
		return 0, err
	}
	if len(chosen) == 0 {
		return 0, errors.New("no server is there, nothing was measured")
	}
	rows, err := takeRounds(ctx, o, s, chosen, stderr)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return 0, err
	}
	return report(stdout, o, s, rows), nil
}
