package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/chess/engine"
)

// This test binary is also the chess program, with each attempt written to a file and slowed down, if
// its first arguments, or a worker's last, are -trace and the flags below.
const traceFlag = "-trace"

// shortLeases lets a cut-off worker's work go on within eight seconds.
var shortLeases = mn.Timing{
	Lease: 6 * time.Second, Heartbeat: time.Second, Margin: 2 * time.Second,
	Sweep: 200 * time.Millisecond, Start: time.Minute, Drain: 5 * time.Second,
}

// trace is where attempts leave their marks. All hosts of a test share the directory.
type trace struct {
	dir   string
	pause time.Duration // before each search
}

// mark is one line of a trace.
type mark struct {
	Task    string
	Pool    string
	Epoch   uint64 // of the attempt's lease: the fencing token
	Attempt int
	Alloc   string // Nomad's ID of the worker
	What    string
	At      int64 // ns since 1970, of the one clock that all hosts of a test have
}

// What marks say.
const (
	began = "began"
	told  = "told" // to stop: its context has ended
	ended = "ended"
)

func (t trace) file() string { return filepath.Join(t.dir, "trace") }

// begin marks the attempt that ctx is of as begun; the returned function, as ended.
func (t trace) begin(ctx context.Context, pool string) (end func()) {
	m := mark{Task: mn.TaskID(ctx), Pool: pool, Epoch: mn.FencingToken(ctx), Attempt: mn.Attempt(ctx), Alloc: os.Getenv("NOMAD_ALLOC_ID")}
	write := func(what string) {
		m := m
		m.What, m.At = what, time.Now().UnixNano()
		line, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		f, err := os.OpenFile(t.file(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		if _, err := f.Write(append(line, '\n')); err != nil {
			panic(err)
		}
	}
	write(began)
	stop := context.AfterFunc(ctx, func() { write(told) })
	return func() {
		stop()
		write(ended)
	}
}

// definitions are the program's, marked.
func (t trace) definitions(idle time.Duration) []mn.Definition {
	return []mn.Definition{
		mn.NewJob("next-moves", func(ctx context.Context, in Request, yield func(Progress) bool) error {
			defer t.begin(ctx, "next-moves")()
			return nextMoves(ctx, in, yield)
		}, mn.Retries(3), mn.CancellationGrace(10*time.Second)),
		mn.NewFunction("preprocess", func(ctx context.Context, fen string) (engine.Position, error) {
			defer t.begin(ctx, "preprocess")()
			return preprocess(ctx, fen)
		}, mn.Cooldown(idle)),
		mn.NewFunction("suggest-move", func(ctx context.Context, in engine.Request) (s engine.Suggestion, err error) {
			defer t.begin(ctx, "suggest-move")()
			select {
			case <-time.After(t.pause):
			case <-ctx.Done():
				return s, context.Cause(ctx)
			}
			return engine.Search(ctx, in)
		}, mn.MaxWorkers(6), mn.SpareWorkers(1), mn.Cooldown(idle)),
	}
}

// args are the command line of the traced program.
func (t trace) args(flags ...string) []string {
	return append([]string{traceFlag, t.dir, t.pause.String()}, flags...)
}

// runTraced is the traced program; from is where its own arguments begin.
func runTraced(args []string, from int) int {
	pause, err := time.ParseDuration(args[from+2])
	t := trace{dir: args[from+1], pause: pause}
	if err == nil {
		err = t.program(slices.Delete(slices.Clone(args), from, from+3))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chess:", err)
		return exitFailed
	}
	return 0
}

func (t trace) program(args []string) error {
	opts, err := parseFlags(args, os.Stderr)
	if err != nil {
		return err
	}
	opts.at.Args = append(opts.at.Args, t.args()...)
	cfg := mn.Config{Name: "chess", Definitions: t.definitions(opts.cooldown), Timing: shortLeases}
	return opts.at.Run(context.Background(), cfg, func(ctx context.Context, _ *mn.App) error {
		return find(ctx, opts.Request, newDisplay(opts, os.Stdout))
	})
}

// marks reads the trace.
func (t trace) marks(tb testing.TB) (all []mark) {
	tb.Helper()
	f, err := os.Open(t.file())
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var m mark
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			tb.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// attempt is what a trace says of one.
type attempt struct {
	mark
	until int64 // when it was told to stop, or ended; 0: neither, its process was killed
}

// attempts are those of each task, in the order of their leases.
func attempts(marks []mark) map[string][]*attempt {
	all := make(map[string][]*attempt)
	for _, m := range marks {
		i := slices.IndexFunc(all[m.Task], func(a *attempt) bool { return a.Epoch == m.Epoch })
		switch {
		case m.What == began:
			all[m.Task] = append(all[m.Task], &attempt{mark: m})
		case i >= 0 && all[m.Task][i].until == 0:
			all[m.Task][i].until = m.At
		}
	}
	for _, as := range all {
		slices.SortFunc(as, func(a, b *attempt) int { return cmp.Compare(a.Epoch, b.Epoch) })
	}
	return all
}

// checkAlone fails if an attempt began while another one of its task was still at work and not told to
// stop. killed are the workers whose process was killed, and when: they tell nothing.
func checkAlone(tb testing.TB, all map[string][]*attempt, killed map[string]time.Time) (again int) {
	tb.Helper()
	for task, as := range all {
		again += len(as) - 1
		for i, a := range as[:len(as)-1] {
			until, next := a.until, as[i+1]
			if until == 0 {
				until = killed[a.Alloc].UnixNano()
				if _, ok := killed[a.Alloc]; !ok {
					tb.Errorf("%s %s: the attempt with token %d, in %s, has no end", a.Pool, task, a.Epoch, a.Alloc)
					continue
				}
			}
			if next.At < until {
				tb.Errorf("%s %s: the attempt with token %d, in %s, began %s before that with token %d, in %s, was over",
					a.Pool, task, next.Epoch, next.Alloc, time.Duration(until-next.At), a.Epoch, a.Alloc)
			}
		}
	}
	return again
}

func TestATraceWithTwoLiveAttemptsIsFound(t *testing.T) {
	second := time.Unix(0, 0).Add(time.Second)
	at := func(epoch uint64, what string, ms int64) mark {
		return mark{Task: "t", Epoch: epoch, Alloc: fmt.Sprint("alloc", epoch), What: what, At: ms * 1e6}
	}
	for name, c := range map[string]struct {
		marks []mark
		bad   bool
	}{
		"one after the other":  {[]mark{at(1, began, 0), at(1, ended, 10), at(2, began, 11)}, false},
		"both at a time":       {[]mark{at(1, began, 0), at(2, began, 9), at(1, ended, 10)}, true},
		"told and not ended":   {[]mark{at(1, began, 0), at(1, told, 8), at(2, began, 9), at(1, ended, 10)}, false},
		"killed before":        {[]mark{at(4, began, 0), at(5, began, 1001)}, false},
		"killed after":         {[]mark{at(4, began, 0), at(5, began, 999)}, true},
		"never ended":          {[]mark{at(1, began, 0), at(2, began, 11)}, true},
		"written out of order": {[]mark{at(2, began, 20), at(2, ended, 30), at(1, began, 0), at(1, ended, 10)}, false},
	} {
		var found recorder
		checkAlone(&found, attempts(c.marks), map[string]time.Time{"alloc4": second})
		if found.failed != c.bad {
			t.Errorf("%s: found %v, want %v", name, found.failed, c.bad)
		}
	}
}

// recorder notes whether a check fails.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Helper()               {}
