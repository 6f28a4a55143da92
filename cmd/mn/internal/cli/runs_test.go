package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/cli"
)

func TestPsListsAndFilters(t *testing.T) {
	r := newRig(t)
	require.Empty(t, r.ok("ps"))
	good, bad := r.start("parts", "2"), r.start("break", `"x"`)
	r.until(good, mn.Succeeded)
	r.until(bad, mn.Failed)
	held := r.start("hold", `"x"`, "--lock", "a")
	r.until(held, mn.Running)
	ids := func(args ...string) (got []string) {
		for _, o := range r.lines(append([]string{"ps"}, args...)...) {
			got = append(got, o["id"].(string))
		}
		return got
	}
	require.Equal(t, []string{held, bad, good}, ids())
	require.Equal(t, []string{bad}, ids("-s", "failed"))
	require.Equal(t, []string{held, bad}, ids("--status", "FAILED,running"))
	require.Equal(t, []string{good}, ids("-d", "parts"))
	require.Equal(t, []string{good}, ids("--text", good[24:]))
	require.Equal(t, []string{held}, ids("-n", "1"))
	require.Equal(t, []string{bad, good}, ids("--before", held))
	require.Empty(t, ids("--older-than", "1h"))
	require.Len(t, ids("--newer-than", "2w"), 3)

	table := strings.Split(r.ok("ps"), "\n")
	require.Regexp(t, `^ID +JOB +STATUS +CREATED +TOOK +TRY +PROGRESS +NOTE$`, table[0])
	require.Regexp(t, "^"+held+`  hold   RUNNING    `, table[1])
	require.Regexp(t, "^"+bad+`  break  FAILED     .* 1 +as told: x`, table[2])
	require.NotContains(t, r.ok("ps"), "second line")
	require.Contains(t, r.run("ps", "-n", "2").err, "older ones: --before "+bad)
}

func TestPsPagesThroughMany(t *testing.T) {
	r := newRig(t)
	for range 230 {
		_, err := r.parts.On(r.app).Start(t.Context(), 0)
		require.NoError(t, err)
	}
	require.Len(t, r.lines("ps", "--limit", "0"), 230)
	require.Len(t, r.lines("ps", "--limit", "150"), 150)
	require.Len(t, r.lines("ps"), 20)
}

func TestShowTellsAllOfARun(t *testing.T) {
	r := newRig(t)
	id := r.start("parts", "3")
	r.until(id, mn.Succeeded)
	require.Eventually(t, func() bool { return strings.Count(r.run("show", id).out, "├ double") == 2 }, bound, tick)
	text := r.ok("show", id)
	for _, want := range []string{"Run       " + id, "Job       parts", "Status    SUCCEEDED", "Input\n  3", "Newest result (yield 1)\n  6", "└ double", "doubling n=2"} {
		require.Contains(t, text, want)
	}

	bad := r.start("break", `"panic"`)
	r.until(bad, mn.Failed)
	text = r.ok("show", bad)
	require.Contains(t, text, `panic: no way \x1b]0;owned\x07`)
	require.Contains(t, text, "runtime/debug.Stack()")

	held := r.start("hold", `"x"`, "--lock", "table/a", "--lock", "b"+hostile)
	r.until(held, mn.Running)
	require.Contains(t, r.ok("show", held), `Locks     b\x1b]0;owned\x07`)
	locks := r.lines("locks")
	require.Len(t, locks, 2)
	require.Equal(t, map[string]any{"key": "table/a", "holder": held, "definition": "hold", "status": "RUNNING"}, locks[1])
	require.Contains(t, r.ok("locks"), "table/a")
	require.Contains(t, r.ok("workers"), held)
	require.Len(t, r.lines("workers", "-d", "hold"), 1)
}

func TestRunsAreFoundByAnyPartThatIsTheirsAlone(t *testing.T) {
	r := newRig(t)
	a := string(mustStart(r, mn.WithID("0194a7d0-0000-7000-8000-00000000abcd")))
	b := string(mustStart(r, mn.WithID("0194a7d0-0001-7000-8000-00000001abcd")))
	for _, part := range []string{a, strings.ToUpper(a), "0000abcd", "…00000000abcd", "d0-0000", "{" + a + "}"} {
		require.Contains(t, r.ok("show", part), "Run       "+a, part)
	}
	for _, bad := range []struct {
		part string
		code int
		says string
	}{
		{"abcd", cli.ExitUsage, "is ambiguous:\n  " + b + "  parts  "},
		{"abc", cli.ExitUsage, "too short"},
		{"ffff", cli.ExitNotFound, `no run of app "shop" has "ffff"`},
		{"01941111-0000-7000-8000-000000000000", cli.ExitNotFound, "does not exist"},
	} {
		answer := r.run("show", bad.part)
		require.Equal(t, bad.code, answer.code, answer.err)
		require.Contains(t, answer.err, bad.says)
	}
}

func mustStart(r *rig, options ...mn.StartOption) mn.JobID {
	r.t.Helper()
	id, err := r.parts.On(r.app).Start(context.Background(), 0, options...)
	require.NoError(r.t, err)
	return id
}

func TestInputComesFromArgumentFileAndStandardInput(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "in.json")
	require.NoError(t, os.WriteFile(file, []byte(" 21 \n"), 0o600))
	require.Equal(t, "42\n", r.ok("call", "double", "21"))
	require.Equal(t, "42\n", r.ok("call", "double", "@"+file))
	require.Equal(t, "42\n", r.runIn(t.Context(), "21", "call", "double", "-").out)
	require.Equal(t, "0\n", r.ok("call", "double"), "without an input it is null")
	var text string
	require.NoError(t, json.Unmarshal([]byte(r.ok("call", "odd", `"x"`)), &text))
	require.Equal(t, "x"+strings.ToValidUTF8(hostile, "\ufffd"), text, "what is escaped means the same")

	for _, bad := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"call", "double", "{"}, cli.ExitUsage, "the argument is not JSON: unexpected end of JSON input, at byte 1"},
		{[]string{"call", "double", "@/none"}, cli.ExitUsage, "no such file"},
		{[]string{"call", "double", "text"}, cli.ExitUsage, `a string needs its quotes: '"text"'`},
		{[]string{"call"}, cli.ExitUsage, "NAME is missing"},
		{[]string{"call", "nothing", "1"}, cli.ExitNotFound, `"nothing"`},
		{[]string{"call", "parts", "1"}, cli.ExitFailed, "is a job, not a function"},
		{[]string{"start", "nothing"}, cli.ExitNotFound, `"nothing"`},
		{[]string{"call", "double", `"x"`}, cli.ExitFailed, "cannot unmarshal"},
		{[]string{"call", "boom", `"x"`}, cli.ExitFailed, "panic: x"},
		{[]string{"start", "parts", "1", "--id", "nonsense"}, cli.ExitFailed, "UUID"},
	} {
		a := r.run(bad.args...)
		require.Equal(t, bad.code, a.code, "%v: %s", bad.args, a.err)
		require.Contains(t, a.err, bad.says)
		require.Empty(t, a.out)
	}
	a := r.run("call", "double", `"x"`, "--json")
	var told struct {
		Error string
		Exit  int
	}
	require.NoError(t, json.Unmarshal([]byte(a.err), &told))
	require.Equal(t, cli.ExitFailed, told.Exit)
}

func TestLocksRefuseAStart(t *testing.T) {
	r := newRig(t)
	held := r.start("hold", `"x"`, "--lock", "a")
	a := r.run("start", "hold", `"y"`, "--lock", "a")
	require.Equal(t, cli.ExitRefused, a.code)
	require.Contains(t, a.err, held)
	require.Equal(t, cli.ExitRefused, r.run("retry", held).code, "it has not ended")
	r.ok("cancel", held)
	r.until(held, mn.Cancelled)
	again := r.lines("retry", held, "--lock", "b")
	require.Len(t, again, 1)
	require.NotEqual(t, held, again[0]["new"])
	require.Equal(t, "b", r.lines("locks")[0]["key"])
	require.Equal(t, cli.ExitUsage, r.run("retry", "--all", "--yes", "--lock", "b").code)
}

func TestWatchFollowsToTheEnd(t *testing.T) {
	r := newRig(t)
	id := r.start("import", "3")
	go func() {
		for range 3 {
			r.gate <- struct{}{}
		}
	}()
	out := r.ok("watch", id)
	require.Contains(t, out, "SUCCEEDED  100%  3/3 rows")
	objects := r.lines("watch", id)
	require.Equal(t, "SUCCEEDED", objects[len(objects)-1]["status"])

	bad := r.start("break", `"panic"`)
	a := r.run("watch", bad)
	require.Equal(t, cli.ExitFailed, a.code)
	require.Contains(t, a.err, "panic: no way")
	a = r.run("start", "parts", "2", "--watch")
	require.Zero(t, a.code)
	require.Contains(t, a.out, "SUCCEEDED  2\n")
}

func TestLogsAreReadAndFollowed(t *testing.T) {
	r := newRig(t)
	id := r.start("import", "1")
	got := make(chan answer)
	go func() { got <- r.run("logs", "-f", id) }()
	r.gate <- struct{}{}
	a := <-got
	require.Zero(t, a.code, a.err)
	require.Regexp(t, `^[0-9:.]{12} INFO  begins rows=1\n[0-9:.]{12} WARN  ends all=true\n$`, a.out)
	require.Equal(t, a.out, r.ok("logs", id))
	require.Regexp(t, `^\S+ WARN  ends all=true\n$`, r.ok("logs", "-n", "1", id))
	require.Equal(t, float64(2), r.lines("logs", "--after", "1", id)[0]["number"])

	bad := r.start("break", `"x"`)
	r.until(bad, mn.Failed)
	require.Contains(t, r.ok("logs", "-f", bad), `about to break \x1b]0;owned\x07\x1b[2J\u009b1m\u202eevil`)
}

func TestInterruptsEndWhatFollows(t *testing.T) {
	r := newRig(t)
	id := r.start("hold", `"x"`)
	r.until(id, mn.Running)
	for _, args := range [][]string{{"watch", id}, {"logs", "-f", id}, {"top", "--json", "-i", "100ms"}, {"call", "slow", "1"}} {
		if args[0] == "call" {
			r.open("shop", mn.JSON, slow)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		begun := time.Now()
		a := r.runIn(ctx, "", args...)
		require.Equal(t, cli.ExitInterrupted, a.code, "%v: %s", args, a.err)
		require.Empty(t, a.err)
		require.Less(t, time.Since(begun), 10*time.Second)
	}
	require.Equal(t, "RUNNING", r.lines("ps", "-d", "hold")[0]["status"], "an interrupt ends the watching, not the run")
}

var slow = mn.NewFunction("slow", func(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
})
