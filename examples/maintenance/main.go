// Command maintenance does upkeep of the tables of an SQLite database. It shows
//
//   - locks: a job holds the lock of its table, so that two never work on one table. A
//     start that finds it locked learns who holds it;
//   - long work in small transactions, each followed by a yield: progress for readers, and
//     the checkpoint from which another attempt resumes with mn.LastYield;
//   - cleaning up after a cancel, with mn.CleanupContext;
//   - mn.FencingToken in practice, see ledger.
//
// Run it from the repository's root:
//
//	go run ./examples/maintenance                      # a demo: two tables, and a conflict
//	go run ./examples/maintenance analyze:events copy:sessions
//	go run ./examples/maintenance -older-than 240h purge-older-than:events
//
// The tasks run in parallel. The database file is created, with rows to play with, if it
// is not there. Ctrl-C cancels what runs. The jobs live in this process's memory, and so do
// their locks; give mn.Config a shared Backend and they hold among all programs.
//
// It exits with 0, or 1 after a failure, 2 after a mistake in the arguments, 3 if a table
// was locked (in the demo that is expected), and 130 after a cancel.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/where"
)

const (
	exitFailed    = 1
	exitUsage     = 2
	exitLocked    = 3
	exitCancelled = 130 // 128 + SIGINT, as shells count
)

func main() {
	o, err := parseArgs(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(exitUsage)
	}
	cfg := mn.Config{Name: "maintenance", Definitions: []mn.Definition{Maintain}}
	var printed bool
	err = o.at.Run(context.Background(), cfg, func(ctx context.Context, _ *mn.App) error {
		printed = true
		return program(ctx, o, os.Stdout)
	})
	if err != nil && !printed {
		fmt.Fprintln(os.Stderr, "maintenance:", err)
	}
	os.Exit(exitCode(err, o.demo))
}

// program is what runs under app.Run. It has printed the errors that it returns.
func program(ctx context.Context, o *options, out io.Writer) error {
	created, err := makeDemo(ctx, o.db, o.rows, time.Now())
	if err != nil {
		fmt.Fprintln(out, "the demo database cannot be made:", err)
		return err
	}
	if created {
		fmt.Fprintf(out, "created %s with two tables of %d rows\n", o.db, o.rows)
	}
	return runTasks(ctx, o, out)
}

// exitCode picks the code of the worst error in err.
func exitCode(err error, demo bool) int {
	var failed *mn.RunError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return exitFailed
	case errors.Is(err, mn.ErrJobCancelled):
		return exitCancelled
	case errors.Is(err, mn.ErrLockAlreadyInUse) && demo:
		return 0
	case errors.Is(err, mn.ErrLockAlreadyInUse):
		return exitLocked
	}
	return exitFailed
}

// options are the arguments of the program.
type options struct {
	at        where.Flags
	db        string
	rows      int
	chunk     int
	pause     time.Duration
	olderThan time.Duration
	tasks     []task
	demo      bool
}

// parseArgs reports what is wrong to out, as package flag does.
func parseArgs(args []string, out io.Writer) (*options, error) {
	var o options
	flags := flag.NewFlagSet("maintenance", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.db, "db", filepath.Join(os.TempDir(), "mn-maintenance.db"), "the database's `file`; it is created if absent")
	flags.IntVar(&o.rows, "rows", 20_000, "how many rows the tables of a new database get")
	flags.IntVar(&o.chunk, "chunk", 500, "rows in one transaction")
	flags.DurationVar(&o.pause, "pause", 20*time.Millisecond, "wait between transactions, for other writers")
	flags.DurationVar(&o.olderThan, "older-than", 30*24*time.Hour, "what purge-older-than deletes")
	o.at.Register(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := errors.Join(o.complete(flags.Args()), o.at.Check())
	if err != nil {
		fmt.Fprintln(out, "maintenance:", err)
	}
	return &o, err
}

// complete adds the tasks and checks what the flags gave.
func (o *options) complete(args []string) error {
	if o.rows < 1 || o.chunk < 1 || o.pause < 0 || o.olderThan < 0 {
		return errors.New("-rows and -chunk must be at least 1, -pause and -older-than not negative")
	}
	if o.demo = len(args) == 0; o.demo {
		o.tasks = demoTasks
	}
	for _, arg := range args {
		action, table, ok := strings.Cut(arg, ":")
		if !ok || table == "" || !slices.Contains([]Action{Analyze, Reindex, Purge, Copy}, Action(action)) {
			return fmt.Errorf("%q is no task: use %s:TABLE, %s:TABLE, %s:TABLE or %s:TABLE", arg, Analyze, Reindex, Purge, Copy)
		}
		o.tasks = append(o.tasks, task{Action(action), table})
	}
	return nil
}
