package pictures

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/guide"
	"github.com/multinode/mn/mntest"
)

// bubbleRun is what the tests of docs/testing.md see of its job.
type bubbleRun struct {
	timeout []change
	ticks   []time.Duration // yields before the timeout
	killed  []change
	kills   []yield
}

func runBubble(t *testing.T) (r bubbleRun) {
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		app := mntest.New(t, guide.Nightly)
		id, err := guide.Nightly.On(app).Start(bounded(t), 120)
		require.NoError(t, err)
		var seen []yield
		r.timeout, seen = watchYields(t, begun, guide.Nightly.On(app), id)
		for _, y := range seen {
			r.ticks = append(r.ticks, y.at)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{guide.Nightly}}, mntest.KillAfterYield("nightly", 3))
		id, err := guide.Nightly.On(app).Start(bounded(t), 5)
		require.NoError(t, err)
		r.killed, r.kills = watchYields(t, begun, guide.Nightly.On(app), id)
	})
	return r
}

// watchYields is follow that also tells of the yields.
func watchYields(t *testing.T, c clock, j *mn.Job[int, int], id mn.JobID) (changes []change, yields []yield) {
	shown := uint64(0)
	for info, err := range j.Watch(bounded(t), id) {
		require.NoError(t, err)
		if n := len(changes); n == 0 || changes[n-1].status != info.Status {
			changes = append(changes, change{c.now(), info.Status})
		}
		if info.Yields > shown {
			shown = info.Yields
			yields = append(yields, yield{c.now(), info.Result})
		}
	}
	return changes, yields
}

func drawBubble(r bubbleRun) string {
	c := newCanvas("Two tests in a bubble", "In the first test a job of 120 minutes is ended by its timeout after an hour. In the second its worker is "+
		"killed after the third yield, and the next attempt goes on with the fourth. Both take milliseconds.")
	c.text(20, 30, "head", "The bubble's clock in the two tests of this page; each takes milliseconds")
	s := scale{c, 120, 700, time.Hour}
	c.text(20, 80, "strong", "Timeout(1 h)")
	s.axis(108, 54, 10*time.Minute, minutes)
	s.bar(0, r.timeout[len(r.timeout)-1].at, 60, 30, "blue", "")
	for _, at := range r.ticks {
		c.line(s.x(at), 82, s.x(at), 90, "s-blue")
	}
	c.middle(s.x(30*time.Minute), 77, "", "a yield each minute")
	end := r.timeout[len(r.timeout)-1]
	c.rect(s.x(end.at)-2, 56, 4, 38, 2, classes[end.status])
	c.right(s.x(end.at)-8, 50, "small c-red", string(end.status)+": timed out after 1h0m0s")
	s = scale{c, 120, 700, 6 * time.Minute}
	c.text(20, 172, "strong", "KillAfter-")
	c.text(20, 188, "strong", "Yield(3)")
	s.axis(208, 154, time.Minute, minutes)
	killed := r.kills[2].at
	last := r.killed[len(r.killed)-1]
	s.bar(0, killed, 160, 30, "blue", "")
	s.bar(killed+time.Second, last.at, 160, 30, "blue", "")
	for _, y := range r.kills {
		c.dot(s.x(y.at)-11, 175, 8.5, "plain")
		c.middle(s.x(y.at)-11, 179, "small", strconv.Itoa(y.value))
	}
	c.rect(s.x(killed)-1.5, 156, 4, 38, 2, "red")
	c.middle(s.x(killed), 150, "small c-red", "the worker dies: attempt 2 begins with LastYield = 3")
	c.rect(s.x(last.at)-1.5, 156, 4, 38, 2, classes[last.status])
	c.text(s.x(last.at)+10, 179, "small c-green", string(last.status))
	return c.svg(240)
}
