package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanEnv); dir != "" {
		os.Exit(runOrphan(dir))
	}
	goleak.VerifyTestMain(m)
}

func runPeers(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = run(t.Context(), args, &out, &log)
	return code, out.String(), log.String()
}

// needServers skips a test where a server is not installed.
func needServers(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	if _, err := postgresBin(); err != nil {
		t.Skip(err)
	}
}

func TestEveryRowIsMeasuredAndPrintedAsJSON(t *testing.T) {
	needServers(t)
	code, out, log := runPeers(t, "-json", "-rounds", "1", "-seconds", "0.02", "-batch", "20")
	require.Equal(t, 0, code, log)
	var names []string
	verdicts := 0
	for line := range strings.Lines(out) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		if _, ok := fields["goal"]; ok {
			verdicts++
			assert.Positive(t, fields["ratio"], line)
			continue
		}
		for _, figure := range []string{"p50_us", "p99_us", "calls_per_s", "batch_per_s"} {
			assert.Positive(t, fields[figure], line)
		}
		names = append(names, fields["row"].(string))
	}
	assert.Equal(t, []string{
		"floor", "mn", "mn, job", "asynq", "asynq, stored result", "go-workflows", "go-workflows, activity",
		"River", "River, own events", "DBOS, queue", "DBOS, direct",
	}, names)
	assert.Equal(t, 5, verdicts)
}

func TestTableNamesRatiosAndStrictFailsOnWhatWasNotMeasured(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	args := []string{"-only", "^mn$", "-rounds", "1", "-seconds", "0.02", "-batch", "20"}
	code, out, log := runPeers(t, args...)
	require.Equal(t, 0, code, log)
	assert.Contains(t, out, ": floor")
	assert.Contains(t, out, "MISS  mn ≥ 10 × asynq, 16 callers: not measured")
	assert.NotContains(t, out, "River v")
	code, _, log = runPeers(t, append(args, "-strict")...)
	assert.Equal(t, 1, code, log)
}

func TestRowsWithoutTheirServerAreLeftOutWithTheRemedy(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	old := pgGlob
	pgGlob = "/nowhere/*"
	t.Cleanup(func() { pgGlob = old })
	code, out, log := runPeers(t, "-seconds", "0.01")
	assert.Equal(t, 1, code)
	assert.Empty(t, out)
	assert.Contains(t, log, "asynq: left out: redis-server is missing; on Debian or Ubuntu: sudo apt-get install redis-server")
	assert.Contains(t, log, "River: left out: PostgreSQL is missing; on Debian or Ubuntu: sudo apt-get install postgresql")
	assert.Contains(t, log, "nothing was measured")
}

func TestWrongCommandLinesAreRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-only (", "missing closing"},
		{"-rounds 0", "-rounds 0 must be"},
		{"-seconds 0", "-seconds 0 must be"},
		{"-seconds NaN", "-seconds NaN must be"},
		{"-batch 0", "-batch 0 must be"},
		{"-limit 0s", "-limit 0s must be"},
		{"extra", `unknown argument "extra"`},
		{"-nosuch", "not defined"},
	} {
		code, out, log := runPeers(t, strings.Fields(c.args)...)
		assert.Equal(t, 2, code, c.args)
		assert.Empty(t, out, c.args)
		assert.Contains(t, log, c.want, c.args)
	}
	code, _, _ := runPeers(t, "-h")
	assert.Equal(t, 0, code)
}

func TestSettingsTellOfEachRowWithoutAServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	code, out, _ := runPeers(t, "-settings", "-only", "asynq")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "TaskCheckInterval 200µs")
	assert.Contains(t, out, "fencing")
	assert.NotContains(t, out, "River")
}

func TestTheLimitEndsARunAndIsNamed(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	code, _, log := runPeers(t, "-only", "^$", "-seconds", "60", "-limit", "300ms")
	assert.Equal(t, 1, code)
	assert.Contains(t, log, "not done after -limit 300ms")
}

func TestInterruptEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, log bytes.Buffer
	assert.Equal(t, 1, run(ctx, []string{"-only", "^$"}, &out, &log))
}

// liar gives back another number than it got, or an error.
type liar struct{ err error }

func (l liar) do(_ context.Context, n int) (int, error) { return n + 1, l.err }
func (l liar) batch(ctx context.Context, n int) error   { return fanDo(ctx, 4, n, l.do) }
func (liar) close(context.Context) error                { return nil }

func TestWrongAnswersAndErrorsEndAMeasure(t *testing.T) {
	broken := errors.New("broken")
	for want, p := range map[error]peer{errWrongAnswer: liar{}, broken: liar{broken}} {
		_, _, err := latency(t.Context(), p, 1)
		require.ErrorIs(t, err, want)
		_, err = throughput(t.Context(), p, 1)
		require.ErrorIs(t, err, want)
		_, err = batches(t.Context(), p, &options{batch: 3})
		require.ErrorIs(t, err, want)
	}
}
