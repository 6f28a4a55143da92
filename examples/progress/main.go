// Command progress runs a long import with a progress bar. It shows
//
//   - a yield as progress and as checkpoint: a retried attempt resumes with mn.LastYield
//     and every row is imported exactly once;
//   - a mn.Progress in what is yielded, which this program draws as others would: with rate and
//     remaining time;
//   - watching a job that runs elsewhere, here in a goroutine of the same process;
//   - a graceful Ctrl-C: the job is told, removes its unfinished file, and the bar ends
//     with CANCELLED. A second Ctrl-C ends the program at once.
//
// Run it from the repository's root:
//
//	go run ./examples/progress
//	go run ./examples/progress -crash-at 20   # the first attempt dies, the second resumes
//	go run ./examples/progress | cat          # no terminal: plain lines
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
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/where"
)

const (
	exitFailed    = 1
	exitUsage     = 2
	exitCancelled = 130 // 128 + SIGINT, as shells count
)

func main() {
	req, at, err := parseFlags(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(exitUsage)
	}
	err = program(req, at)
	if err != nil && !errors.Is(err, mn.ErrJobCancelled) { // that the display has told
		fmt.Fprintln(os.Stderr, "progress:", err)
	}
	os.Exit(exitCode(err))
}

// program is main without the process around it. app.Run ends the context at the first
// Ctrl-C and the process at the second.
func program(req Request, at where.Flags) error {
	cfg := mn.Config{Name: "progress", Definitions: []mn.Definition{Import}}
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	return at.Run(context.Background(), cfg, func(ctx context.Context, _ *mn.App) error {
		fmt.Printf("importing %d rows to %s\n", req.Rows, req.File)
		return run(ctx, req, newDisplay(os.Stdout, req.Rows, terminal))
	})
}

// run starts an import and shows it to its end. When ctx ends the import is cancelled,
// and is shown to its end all the same: it takes a moment to clean up.
func run(ctx context.Context, req Request, d display) error {
	id, err := Import.Start(ctx, req)
	if err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	stop := context.AfterFunc(ctx, func() {
		if err := Import.Cancel(lasting, id); err != nil {
			slog.Error("the import could not be cancelled; a second Ctrl-C ends the program", "error", err)
		}
	})
	defer stop()
	for info, err := range Import.Watch(lasting, id) {
		if err != nil {
			return err
		}
		d.show(info)
	}
	_, err = Import.Wait(lasting, id) // it has ended: this asks how
	return err
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, mn.ErrJobCancelled):
		return exitCancelled
	}
	return exitFailed
}

// parseFlags reports what is wrong to out, as package flag does.
func parseFlags(args []string, out io.Writer) (req Request, at where.Flags, err error) {
	flags := flag.NewFlagSet("progress", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&req.File, "out", filepath.Join(os.TempDir(), "mn-progress.csv"), "the `file` to import to; it is replaced")
	flags.IntVar(&req.Rows, "rows", 100_000, "how many rows to import")
	flags.IntVar(&req.Chunk, "chunk", 1_000, "how many rows to write between two checkpoints")
	flags.IntVar(&req.Rate, "rate", 20_000, "rows a second at the most; 0 is no limit")
	flags.IntVar(&req.CrashAt, "crash-at", 0, "let the first attempt die in this chunk; 0 is none")
	at.Register(flags)
	if err := flags.Parse(args); err != nil {
		return req, at, err
	}
	err = errors.Join(req.check(), at.Check())
	if flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(out, "progress:", err)
	}
	return req, at, err
}

func (r *Request) check() error {
	switch {
	case r.File == "":
		return errors.New("-out must name a file")
	case r.Rows < 1 || r.Chunk < 1:
		return errors.New("-rows and -chunk must be at least 1")
	case r.Rate < 0 || r.CrashAt < 0:
		return errors.New("-rate and -crash-at must not be negative")
	}
	return nil
}
