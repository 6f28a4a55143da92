// Command chess finds the best next moves from a chess position, as five strategies see
// them: at every step they search in parallel, and the proposal with the best score is
// played. It shows
//
//   - a job, NextMoves, that yields after each answer and each move, and resumes from its
//     last yield after a crash;
//   - functions, Preprocess and Suggest, with hardware of their own, called singly and
//     mapped over the strategies;
//   - watching a job while it runs elsewhere, here in goroutines of the same process;
//   - a graceful Ctrl-C: the job is cancelled, its searches stop, and the moves found so
//     far stay. A second Ctrl-C ends the program at once.
//
// Run it from the repository's root:
//
//	go run ./examples/chess
//	go run ./examples/chess -moves 2 -strategies material,attack
//	go run ./examples/chess -fen '6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1'
//	go run ./examples/chess | cat   # no terminal: plain lines
//	go run ./examples/chess -ui :8080   # and live in the browser
//
// The same on a Nomad cluster of this machine, each worker an allocation, and on more machines as
// examples/deploy shows:
//
//	go run ./examples/chess -redis redis://localhost:6379 -nomad http://localhost:4646 -cooldown 30s
//
// What runs on a cluster is in definitions.go; engine plays the chess.
//
// It exits with 0, or 1 after a failure, 2 after a mistake in the flags, and 130 when it
// was cancelled.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/multinode/mn"
)

const (
	exitFailed    = 1
	exitUsage     = 2
	exitCancelled = 130 // 128 + SIGINT, as shells count
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = program(ctx, opts, stdout)
	} else {
		err = &usageError{err}
	}
	if err != nil && !errors.Is(err, mn.ErrJobCancelled) { // that the display has told
		fmt.Fprintln(stderr, "chess:", err)
	}
	return exitCode(err)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, mn.ErrJobCancelled), errors.Is(err, context.Canceled): // the latter before the job began
		return exitCancelled
	}
	return exitFailed
}

// program makes the app and finds the moves. app.Run ends the context at the first Ctrl-C
// and the process at the second.
func program(ctx context.Context, opts options, stdout io.Writer) error {
	cfg := mn.Config{Name: "chess", Definitions: definitions(opts.cooldown)}
	return opts.at.Run(ctx, cfg, func(ctx context.Context, app *mn.App) error {
		return withUI(ctx, opts.ui, app, stdout, func() error {
			d := newDisplay(opts, stdout)
			defer d.close()
			return find(ctx, opts.Request, d)
		})
	})
}

// find starts the job and shows it to its end. When ctx ends the job is cancelled, and is
// shown to its end all the same: its last yield is the moves found so far.
func find(ctx context.Context, req Request, d display) error {
	id, err := NextMoves.Start(ctx, req)
	if err != nil {
		return err
	}
	detached := context.WithoutCancel(ctx)
	cancelled := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { cancelled <- NextMoves.Cancel(detached, id) })
	for info, err := range NextMoves.Watch(detached, id) {
		if err != nil {
			return err
		}
		d.show(info)
	}
	if !stop() { // it was cancelled, perhaps too late to matter
		if err := <-cancelled; err != nil {
			return err
		}
	}
	_, err = NextMoves.Wait(detached, id) // it has ended: this asks how
	return err
}
