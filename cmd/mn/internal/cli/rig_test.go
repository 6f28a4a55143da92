package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/cmd/mn/internal/cli"
	"github.com/multinode/mn/internal/redistest"
)

const (
	// bound is how long a test waits for what must come, and tick how often it looks.
	bound = 20 * time.Second
	tick  = 20 * time.Millisecond
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// programDir is where the real program was built, "" if no test needed it.
var programDir string

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if programDir != "" {
			_ = os.RemoveAll(programDir)
		}
		os.Exit(code)
	}))
}

// hostile is text that would take over a terminal: it sets the title, clears the screen,
// writes bold by a C1 control, reverses the direction of writing and is no UTF-8.
const hostile = "\x1b]0;owned\x07\x1b[2J\u009b1m\u202eevil\xff"

// step is what the job import yields.
type step struct {
	Rows mn.Progress `json:"rows"`
	Note string      `json:"note"`
}

// rig is an app with workers on a real server, and the command line beside it.
type rig struct {
	t       *testing.T
	url     string
	app     *mn.App
	environ []string

	imports *mn.Job[int, step]
	holds   *mn.Job[string, int]
	breaks  *mn.Job[string, int]
	parts   *mn.Job[int, int]
	gate    chan struct{} // each receive lets the job import make a step
}

var (
	double = mn.NewFunction("double", func(ctx context.Context, n int) (int, error) {
		mn.Logger(ctx).Info("doubling", "n", n)
		return 2 * n, nil
	})
	boom = mn.NewFunction("boom", func(_ context.Context, text string) (string, error) { panic(text) })
	odd  = mn.NewFunction("odd", func(_ context.Context, text string) (string, error) { return text + hostile, nil })
)

func newRig(t *testing.T, args ...string) *rig {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	r := &rig{t: t, url: redistest.Start(t, args...), gate: make(chan struct{})}
	r.define()
	r.environ = []string{"MN_REDIS=" + r.url, "TERM=xterm-256color"}
	r.app = r.open("shop", mn.JSON, r.imports, r.holds, r.breaks, r.parts, double, boom, odd)
	return r
}

// open starts an app with workers, which ends with the test.
func (r *rig) open(name string, codec mn.Codec, defs ...mn.Definition) *mn.App {
	r.t.Helper()
	b := r.backend()
	app, err := mn.New(mn.Config{Name: name, Definitions: defs, Backend: b, Codec: codec, Logger: quiet})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { require.NoError(r.t, app.Close()) })
	return app
}

// backend connects to the server until the test ends.
func (r *rig) backend() *redis.Backend {
	r.t.Helper()
	b, err := redis.Open(r.t.Context(), r.url, redis.Options{Logger: quiet})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { require.NoError(r.t, b.Close()) })
	return b
}

func (r *rig) define() {
	r.imports = mn.NewJob("import", func(ctx context.Context, n int, yield func(step) bool) error {
		mn.Logger(ctx).Info("begins", "rows", n)
		for i := range n {
			select {
			case <-r.gate:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !yield(step{Rows: mn.Progress{Done: int64(i + 1), Total: int64(n), Unit: "rows", Message: "reading"}, Note: "fine"}) {
				return nil
			}
		}
		mn.Logger(ctx).Warn("ends", "all", true)
		return nil
	}, mn.SyncYields())
	r.holds = mn.NewJob("hold", func(ctx context.Context, _ string, yield func(int) bool) error {
		yield(1)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	r.breaks = mn.NewJob("break", func(ctx context.Context, how string, _ func(int) bool) error {
		mn.Logger(ctx).Error("about to break "+hostile, "why"+hostile, hostile)
		if how == "panic" {
			panic("no way " + hostile)
		}
		return errors.New("as told: " + how + hostile + "\nsecond line")
	})
	r.parts = mn.NewJob("parts", func(ctx context.Context, n int, yield func(int) bool) error {
		sum := 0
		for v, err := range double.Map(ctx, func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}) {
			if err != nil {
				return err
			}
			sum += v
		}
		yield(sum)
		return nil
	})
}

// answer is how a command ended.
type answer struct {
	code     int
	out, err string
}

// run executes a command in this process.
func (r *rig) run(args ...string) answer { return r.runIn(r.t.Context(), "", args...) }

func (r *rig) runIn(ctx context.Context, in string, args ...string) answer {
	r.t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(ctx, args, cli.Streams{In: strings.NewReader(in), Out: &out, Err: &errs, Environ: r.environ})
	a := answer{code, out.String(), errs.String()}
	for _, text := range []string{a.out, a.err} {
		require.Empty(r.t, controls(text), "control characters in %q", text)
		require.True(r.t, utf8.ValidString(text), "%q", text)
	}
	return a
}

// controls are the characters of a text that could do something to a terminal.
func controls(text string) (found []rune) {
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			found = append(found, c)
		}
	}
	return found
}

// ok executes a command that succeeds, and returns its output.
func (r *rig) ok(args ...string) string {
	r.t.Helper()
	a := r.run(args...)
	require.Equal(r.t, 0, a.code, "mn %v: %s", args, a.err)
	return a.out
}

// lines executes a command with --json and returns the objects that it printed.
func (r *rig) lines(args ...string) (objects []map[string]any) {
	r.t.Helper()
	for line := range strings.Lines(r.ok(append(args, "--json")...)) {
		var o map[string]any
		require.NoError(r.t, json.Unmarshal([]byte(line), &o), "%q", line)
		objects = append(objects, o)
	}
	return objects
}

// start starts a run by the command line.
func (r *rig) start(args ...string) string {
	r.t.Helper()
	return strings.TrimSpace(r.ok(append([]string{"start"}, args...)...))
}

// until waits until a run has a status.
func (r *rig) until(id string, s mn.Status) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), bound)
	defer cancel()
	for run, err := range r.app.Inspect().Watch(ctx, mn.JobID(id)) {
		require.NoError(r.t, err)
		if run.Status == s {
			return
		}
	}
	r.t.Fatalf("run %s has never been %s", id, s)
}

// documentedRights reads the ACL rules of docs/operations.md.
func documentedRights(t *testing.T) (rules []string) {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/operations.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(text), "ACL SETUSER mn on >PASSWORD ")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	return strings.Fields(block)
}

// within waits until a state holds, and says whether it did in time.
func within(holds func() bool) bool {
	deadline, look := time.NewTimer(bound), time.NewTicker(tick)
	defer deadline.Stop()
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}
