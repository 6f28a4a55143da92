// Package cli is the command line: its commands, what they print and how they exit.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn/cmd/mn/internal/server"
	"github.com/multinode/mn/cmd/mn/internal/settings"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string // KEY=VALUE
}

// System returns the process's own streams.
func System() Streams { return Streams{os.Stdin, os.Stdout, os.Stderr, os.Environ()} }

// tool is one execution of the program.
type tool struct {
	Streams
	out  io.Writer // Out, with colours as wanted
	errs io.Writer // likewise Err

	flags   settings.Flags
	json    bool
	verbose bool
	colour  string
	timeout time.Duration
}

// Main executes one command and returns the exit code. When ctx ends the command ends.
func Main(ctx context.Context, args []string, s Streams) int {
	server.Silence()
	t := &tool{Streams: s}
	t.output(term.Auto)
	root := t.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	return t.report(ctx, root.ExecuteContext(ctx))
}

func (t *tool) output(c term.Colour) {
	t.out, t.errs = term.Output(t.Out, t.Environ, c), term.Output(t.Err, t.Environ, c)
}

func (t *tool) getenv(name string) string {
	for i := len(t.Environ) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(t.Environ[i], "="); ok && key == name {
			return value
		}
	}
	return ""
}

const about = `mn shows and operates the jobs and functions of an app whose state is in Redis.

Runs are named by their ID, by its end or by any part of it that no other run has.
Addresses come from flags, from the environment (MN_REDIS, MN_APP, MN_PREFIX, MN_CONTEXT,
MN_CONFIG, MN_REDIS_PASSWORD, MN_KEYS, NOMAD_ADDR, NOMAD_NAMESPACE, NOMAD_TOKEN) or from a
context in the configuration file; without any, from redis://127.0.0.1:6379 and the only
app that is there.

Exit codes: 0 done; 1 the run, the call or the command failed; 2 wrong usage; 3 not found;
4 Redis does not answer; 5 refused for now (lock in use, too much waits, not ended);
130 interrupted.`

func (t *tool) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "mn", Short: "Show and operate jobs and functions", Long: about, Version: version(),
		SilenceErrors: true, SilenceUsage: true,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			switch c := term.Colour(t.colour); c {
			case term.Auto, term.Always, term.Never:
				t.output(c)
				return nil
			}
			return usage("--color %q: use auto, always or never", t.colour)
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&t.flags.Redis, "redis", "", "`URL` of Redis: redis://user@host:6379/0, rediss:// for TLS, redis+cluster://, redis+sentinel://…?master_name=")
	f.StringVarP(&t.flags.App, "app", "a", "", "`NAME` of the app")
	f.StringVar(&t.flags.Prefix, "prefix", "", "prefix of the keys in Redis (default mn)")
	f.StringVar(&t.flags.Context, "context", "", "`NAME` of a context in the configuration file")
	f.StringVar(&t.flags.Config, "config", "", "configuration `FILE`")
	f.BoolVar(&t.json, "json", false, "print JSON: a line for each element of a list")
	f.StringVar(&t.colour, "color", string(term.Auto), "auto, always or never")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "print warnings of the library")
	f.DurationVar(&t.timeout, "timeout", 5*time.Second, "how long to wait for Redis to answer at first")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &codedError{ExitUsage, err} })
	root.AddCommand(t.psCommand(), t.showCommand(), t.watchCommand(), t.logsCommand(), t.startCommand(), t.callCommand(),
		t.cancelCommand(), t.retryCommand(), t.removeCommand(), t.poolsCommand(), t.workersCommand(), t.locksCommand(), t.topCommand(), t.doctorCommand(), t.uiCommand(),
		t.contextsCommand())
	t.completeFlags(root)
	return root
}

// unknownCommand refuses arguments of the root, which are mistyped commands.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "mn help lists the commands"
	if c.SuggestionsMinimumDistance = 2; len(c.SuggestionsFor(args[0])) > 0 {
		hint = "did you mean " + strings.Join(c.SuggestionsFor(args[0]), " or ") + "?"
	}
	return usage("there is no command %q: %s", args[0], hint)
}

// exactly wants the arguments that names names, and says which is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("%s is missing: mn %s", names[len(args)], c.Use)
		case len(args) > len(names):
			return usage("%q is one argument too many: mn %s", args[len(names)], c.Use)
		}
		return nil
	}
}

// version is that of the module, as go install knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return fmt.Sprintf("%s (%s)", info.Main.Version, info.GoVersion)
}
