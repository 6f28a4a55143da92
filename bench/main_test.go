package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if backend := os.Getenv(twinEnv); backend != "" {
		os.Exit(runTwin(backend)) // the twin of a test is the test's binary
	}
	goleak.VerifyTestMain(m)
}

// bench runs the program and returns what it printed.
func runBench(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = run(t.Context(), args, &out, &log)
	return code, out.String(), log.String()
}

func TestAllMeasuresAreTakenAndPrintedAsJSON(t *testing.T) {
	code, out, log := runBench(t, "-json", "-seconds", "0.01", "-stored", "1000")
	require.Equal(t, 0, code, log)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var names []string
	for _, line := range lines {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		assert.Len(t, fields, 8)
		for _, key := range titles {
			assert.Contains(t, fields, key)
		}
		assert.Equal(t, "memory", fields["backend"])
		assert.Positive(t, fields["value"], line)
		if fields["floor"] != nil {
			assert.Positive(t, fields["ratio"], line)
		}
		if fields["target"] != nil {
			assert.IsType(t, false, fields["met"], line)
		}
		names = append(names, fmt.Sprint(fields["measure"]))
	}
	assert.Equal(t, []string{
		"cache line to another core and back", "size of a pending call",
		"call, idle, p50", "calls, 16 goroutines, each awaited", "map of 10000 inputs", "job, start to wait, p50",
		"yield in a tight loop", "yield to watcher, p50",
		"call, idle, p50, metrics", "calls, 16 goroutines, metrics",
		"call, idle, p50, metrics and spans", "calls, 16 goroutines, metrics and spans",
		"call, p50, 1000 jobs stored", "get, p50, 1000 jobs stored", "start, p50, 1000 jobs stored",
		"page of 100 IDs, p50, 1000 jobs stored", "get of any, p50, 1000 jobs stored",
		"memory per finished job, 1000 jobs stored", "garbage collection, 1000 jobs stored",
	}, names)
	assert.Contains(t, log, "of 8 targets met")
}

func TestTableHoldsTheChosenMeasuresAndProfilesAreWritten(t *testing.T) {
	cpu, mem := filepath.Join(t.TempDir(), "cpu"), filepath.Join(t.TempDir(), "mem")
	code, out, log := runBench(t, "-only", "^yield in", "-seconds", "0.01", "-cpuprofile", cpu, "-memprofile", mem)
	require.Equal(t, 0, code, log)
	assert.Contains(t, out, "yield in a tight loop")
	assert.NotContains(t, out, "call, idle")
	assert.Contains(t, out, "0 of 0 targets met")
	for _, file := range []string{cpu, mem} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Positive(t, info.Size())
	}
}

func TestStrictFailsWhenATargetIsMissed(t *testing.T) {
	d := drivers["memory"]
	d.name, d.targets = "hopeless", targets{idle: 1e-9}
	register(d)
	t.Cleanup(func() { delete(drivers, "hopeless") })
	args := []string{"-backend", "hopeless", "-only", "call, idle", "-seconds", "0.01"}
	code, out, log := runBench(t, args...)
	assert.Equal(t, 0, code, log)
	assert.Contains(t, out, "missed: call, idle, p50")
	code, _, log = runBench(t, append(args, "-strict")...)
	assert.Equal(t, 1, code, log)
}

func TestWrongCommandLinesAreRefused(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"-backend nosuch", "there are memory"},
		{"-only (", "missing closing"},
		{"-seconds 0", "-seconds"},
		{"-seconds NaN", "-seconds"},
		{"-stored 99", "-stored"},
		{"extra", "unknown argument"},
		{"-nosuch", "not defined"},
	} {
		code, out, log := runBench(t, strings.Fields(c.args)...)
		assert.Equal(t, 2, code, c.args)
		assert.Empty(t, out, c.args)
		assert.Contains(t, log, c.want, c.args)
	}
	code, _, log := runBench(t, "-only", "nosuch")
	assert.Equal(t, 1, code)
	assert.Contains(t, log, "chooses none")
	code, _, _ = runBench(t, "-h")
	assert.Equal(t, 0, code)
}

func TestInterruptEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, log bytes.Buffer
	assert.Equal(t, 1, run(ctx, []string{"-only", "call, idle"}, &out, &log))
	assert.Contains(t, log.String(), context.Canceled.Error())
}
