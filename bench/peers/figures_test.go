package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuantilesInterpolateAndLeaveTheirInput(t *testing.T) {
	values := []float64{40, 10, 30, 20}
	for q, want := range map[float64]float64{0: 10, 0.5: 25, 1: 40, 1.0 / 3: 20, 0.99: 39.7} {
		assert.InDelta(t, want, quantile(values, q), 1e-9, "q=%v", q)
	}
	assert.Equal(t, []float64{40, 10, 30, 20}, values)
	assert.True(t, math.IsNaN(quantile(nil, 0.5)))
}

func TestMediansAreOfEachFigure(t *testing.T) {
	assert.Equal(t, sample{2, 20, 5, 50, 7}, medians([]sample{{1, 30, 5, 40, 7}, {3, 10, 4, 60, 8}, {2, 20, 6, 50, 6}}))
}

// madeRows are figures that meet all goals.
func madeRows() []row {
	return []row{
		{&floorDriver, sample{p50: 50, calls: 4000, batch: 4000}},
		{&mnDriver, sample{p50: 100, calls: 2000, batch: 3000}},
		{&mnJobDriver, sample{p50: 900, calls: 1, batch: 1}},
		{&asynqDriver, sample{p50: 1000, calls: 200, batch: 200}},
		{&asynqStoredDriver, sample{p50: 3000, calls: 20, batch: 300}},
		{&riverDriver, sample{p50: 2000, calls: 100, batch: 150}},
		{&dbosDirectDriver, sample{p50: 10, calls: 9e9, batch: 9e9}},
	}
}

func TestGoalsCompareWithTheBestRowOfAPeer(t *testing.T) {
	var out bytes.Buffer
	assert.Zero(t, judge(&out, madeRows()), out.String())
	assert.Equal(t, `PASS  mn ≥ 10 × asynq, 16 callers: 10.00 (the floor: 20.00)
PASS  mn ≥ 10 × asynq, batch: 10.00 (the floor: 13.33)
PASS  mn ≥ 20 × River, 16 callers: 20.00 (the floor: 40.00)
PASS  mn ≥ 20 × River, batch: 20.00 (the floor: 26.67)
PASS  mn ≤ 0.1 × the lowest idle p50 of a peer (asynq): 0.10 (the floor: 0.05)
`, out.String())
}

func TestEachGoalIsMissedByALittle(t *testing.T) {
	for i, spoil := range []func(rows []row){
		func(rows []row) { rows[3].calls = 201 },
		func(rows []row) { rows[4].batch = 301 },
		func(rows []row) { rows[5].calls = 101 },
		func(rows []row) { rows[5].batch = 151 },
		func(rows []row) { rows[3].p50 = 999 },
	} {
		rows := madeRows()
		spoil(rows)
		for j, g := range goals(rows) {
			assert.Equal(t, i != j, g.met(), g)
		}
	}
}

func TestGoalsThatWereNotMeasuredAreNotMet(t *testing.T) {
	var out bytes.Buffer
	assert.Equal(t, 5, judge(&out, madeRows()[:3]))
	assert.Contains(t, out.String(), "MISS  mn ≥ 20 × River, batch: not measured")
	assert.Contains(t, out.String(), "of a peer (none): not measured")
}

func TestTheTableHasRatiosToTheFloorAndToMN(t *testing.T) {
	var out bytes.Buffer
	table(&out, madeRows())
	assert.Regexp(t, `(?m)^ +asynq +1000 +0 +20 +10 +200 +0\.050 +0\.10 +200 +0\.050 +0\.067 +0$`, out.String())
	out.Reset()
	table(&out, madeRows()[3:4])
	assert.Regexp(t, `asynq +1000 +0 +– +–`, out.String())
}

func TestProcessorTimeIsThatOfAProcessAndItsDescendants(t *testing.T) {
	proc := t.TempDir()
	for pid, stat := range map[string]string{
		"10": "10 (sh) S 1 10 10 0 -1 0 0 0 0 0 1 2 3 4 20 0",
		"11": "11 (a) b) c) S 10 11 11 0 -1 0 0 0 0 0 100 0 0 0 20 0",
		"12": "12 (c) S 11 11 11 0 -1 0 0 0 0 0 0 200 0 0 20 0",
		"13": "13 (other) S 1 13 13 0 -1 0 0 0 0 0 5000 0 0 0 20 0",
	} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "stat"), []byte(stat), 0o600))
	}
	assert.InDelta(t, 3.10, treeTime(10, proc), 1e-9)
	assert.True(t, math.IsNaN(treeTime(99, proc)))
	assert.True(t, math.IsNaN(treeTime(10, t.TempDir())))
}

func TestTheNewestPostgreSQLIsTaken(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	root := t.TempDir()
	for _, version := range []string{"9.6", "15", "8"} {
		bin := filepath.Join(root, version, "bin")
		require.NoError(t, os.MkdirAll(bin, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(bin, "initdb"), nil, 0o700))
	}
	old := pgGlob
	pgGlob = filepath.Join(root, "*/bin/initdb")
	t.Cleanup(func() { pgGlob = old })
	bin, err := postgresBin()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "15", "bin"), bin)
}
