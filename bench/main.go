// Command bench measures mn on a backend, each figure beside a floor taken in the
// same run: the plainest way to do the same over the same medium. The ratio of the
// two carries from machine to machine, the figures themselves do not.
//
//	go run . -backend memory -only 'call|map'
//
// A backend adds itself with a file of its own, see [register].
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
	if backend := os.Getenv(twinEnv); backend != "" {
		os.Exit(runTwin(backend))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. It returns the exit status: 0 if everything was measured, 1 if
// not or, with -strict, if a target was missed, 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	missed, err := measureAll(ctx, o, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	if o.strict && missed > 0 {
		return 1
	}
	return 0
}

// measureAll takes every chosen measure and returns how many missed their target.
func measureAll(ctx context.Context, o *options, stdout, stderr io.Writer) (missed int, err error) {
	stop, err := startProfiles(o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b, err := openBench(o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	chosen := o.choose(b.measures())
	if len(chosen) == 0 {
		return 0, fmt.Errorf("-only %q chooses none of the measures", o.only)
	}
	r := newReport(o, chosen, stdout, stderr)
	r.begin()
	for i := range chosen {
		res, err := chosen[i].take(ctx, o.window())
		if err != nil {
			return 0, fmt.Errorf("%s: %w", chosen[i].name, err)
		}
		r.add(newRow(&chosen[i], b.driver.name, res))
	}
	return r.end(), nil
}
