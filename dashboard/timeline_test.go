package dashboard

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

func TestTheTimelineShowsAttemptsWaitsAndWorkers(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	run := &mn.Run{Definition: "job", Status: mn.Running, Created: at(0), Started: at(6), Attempt: 2}
	attempts := []mn.AttemptInfo{
		{Number: 1, Worker: "w1", Started: at(2), Ended: at(4), Error: &mn.RunError{Message: "no"}},
		{Number: 2, Worker: "w2", Started: at(6)},
	}
	calls := []mn.CallInfo{
		{ID: "a", Definition: "f", Worker: "x", Status: mn.Succeeded, Created: at(6), Started: at(7), Ended: at(8)},
		{ID: "b", Definition: "f", Worker: "x", Status: mn.Running, Created: at(8), Started: at(9)},
		{ID: "c", Definition: "e", Worker: "y", Status: mn.Failed, Created: at(-5), Started: at(-4), Ended: at(-3)},
	}
	tl := newTimeline(run, attempts, calls, at(10))
	require.Len(t, tl.Lanes, 3)
	var boxes []string
	for _, l := range tl.Lanes {
		for _, b := range l.Boxes {
			boxes = append(boxes, l.Label+" "+b.Status+" "+b.X+" "+b.Width)
		}
	}
	require.Equal(t, []string{
		"job waiting 0.000% 20.000%", "job failed 20.000% 20.000%", "job waiting 40.000% 20.000%", "job running 60.000% 40.000%",
		"e failed 0.000% 0.150%", // another machine's clock: kept inside
		"f succeeded 70.000% 10.000%", "f running 90.000% 10.000%",
	}, boxes)
	require.Equal(t, []tick{{"20.000%", "2 s"}, {"40.000%", "4 s"}, {"60.000%", "6 s"}, {"80.000%", "8 s"}}, tl.Ticks)
}

func TestTicksAreRoundAtEveryScale(t *testing.T) {
	for span := time.Microsecond * 10; span < 2*365*24*time.Hour; span = span * 3 / 2 {
		ticks := scale{time.Time{}, span}.ticks()
		require.NotEmpty(t, ticks, span)
		require.LessOrEqual(t, len(ticks), 12, span)
		seen := make(map[string]bool)
		for _, k := range ticks {
			require.False(t, seen[k.Label], "%s: %v", span, ticks)
			seen[k.Label] = true
		}
	}
}

func TestManyWorkersAreBounded(t *testing.T) {
	var calls []mn.CallInfo
	for i := range 500 {
		calls = append(calls, mn.CallInfo{ID: strings.Repeat("x", i), Worker: strings.Repeat("w", i), Started: time.Unix(int64(i), 0)})
	}
	tl := newTimeline(&mn.Run{Created: time.Unix(0, 0)}, nil, calls, time.Unix(600, 0))
	require.Len(t, tl.Lanes, maxLanes+1)
	require.Equal(t, 500-maxLanes, tl.More)
}

func TestTheTreeOfCallsIsFlatBoundedAndComplete(t *testing.T) {
	tree := mn.CallTree{Skipped: map[string]int{"quick": 7}}
	parent := "root"
	for i := range 200 { // a chain, deeper than any page could nest
		id := strings.Repeat("i", i+1)
		tree.Calls = append(tree.Calls, mn.CallInfo{ID: id, Parent: parent, Definition: "f"})
		parent = id
	}
	tree.Calls = append(tree.Calls,
		mn.CallInfo{ID: "self", Parent: "self"}, mn.CallInfo{ID: "lost", Parent: "unknown"},
		mn.CallInfo{ID: "i", Parent: "root", Attempt: 2})
	table := newCallTable("root", tree)
	require.Len(t, table.Rows, 203)
	require.Equal(t, 200, table.Rows[199].Level)
	require.Equal(t, maxIndentLevel, table.Rows[199].Indent)
	require.Equal(t, []skippedCalls{{"quick", 7}}, table.Skipped)
	orphans := 0
	for _, r := range table.Rows {
		if r.Orphan {
			orphans++
		}
	}
	require.Equal(t, 2, orphans)
	for range 300 {
		tree.Calls = append(tree.Calls, mn.CallInfo{ID: "more" + parent, Parent: "root"})
		parent += "x"
	}
	table = newCallTable("root", tree)
	require.Len(t, table.Rows, shownCalls)
	require.Equal(t, 203, table.Hidden())
}
