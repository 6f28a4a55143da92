package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/multinode/mn"
)

// maxLanes bounds how many workers a timeline shows one by one.
const maxLanes = 40

// The timeline's measures, in pixels; widths are in percent of the page's.
const (
	laneHeight = 34
	axisHeight = 22
)

// timeline is the drawing of a run: a lane for the run itself and one for each worker that
// executed calls for it.
type timeline struct {
	Lanes  []lane
	Ticks  []tick
	Height int
	More   int // workers that have no lane
	Words  string
}

type lane struct {
	Y      int // of its upper edge
	Label  string
	Worker string
	Boxes  []box
	first  time.Time
}

// box is an attempt, a call or a wait.
type box struct {
	X, Width string // percent
	Status   string // lower case; "waiting" for a wait
	Title    string
	Row      string // the call's place in the table of calls, "" if it has none
}

type tick struct {
	X     string
	Label string
}

// newTimeline draws a run as it is at now.
func newTimeline(r *mn.Run, attempts []mn.AttemptInfo, calls []mn.CallInfo, now time.Time) timeline {
	end := r.Ended
	if end.IsZero() {
		end = now
	}
	s := scale{r.Created, max(end.Sub(r.Created), time.Millisecond)}
	t := timeline{Lanes: []lane{s.runLane(r, attempts, end)}, Ticks: s.ticks()}
	byWorker := make(map[string]*lane)
	var workers []*lane
	for i := range calls {
		c := &calls[i]
		l := byWorker[c.Worker]
		if l == nil {
			l = &lane{Label: c.Definition, Worker: c.Worker, first: c.Started}
			byWorker[c.Worker], workers = l, append(workers, l)
		}
		if c.Started.Before(l.first) {
			l.first = c.Started
		}
		l.Boxes = append(l.Boxes, s.callBox(c, end))
	}
	slices.SortStableFunc(workers, func(a, b *lane) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), a.first.Compare(b.first))
	})
	for _, l := range workers[:min(len(workers), maxLanes)] {
		t.Lanes = append(t.Lanes, *l)
	}
	t.More = len(workers) - (len(t.Lanes) - 1)
	for i := range t.Lanes {
		t.Lanes[i].Y = axisHeight + i*laneHeight
	}
	t.Height = axisHeight + len(t.Lanes)*laneHeight + 4
	t.Words = fmt.Sprintf("Timeline of %s: %d attempts, %d calls on %d workers.", span(s.span), len(attempts), len(calls), len(workers))
	return t
}

// scale turns times into percent of the drawing's width.
type scale struct {
	start time.Time
	span  time.Duration
}

func (s scale) at(t time.Time) float64 {
	return min(100, max(0, float64(t.Sub(s.start))/float64(s.span)*100))
}

func (s scale) box(from, to time.Time, status, title string) box {
	x, end := s.at(from), s.at(to)
	return box{X: percentage(x), Width: percentage(max(end-x, 0.15)), Status: status, Title: title}
}

func percentage(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) + "%" }

// runLane shows the attempts and the waits before them.
func (s scale) runLane(r *mn.Run, attempts []mn.AttemptInfo, end time.Time) lane {
	l := lane{Label: r.Definition, Worker: r.Worker}
	free := r.Created
	for i := range attempts {
		a := &attempts[i]
		if a.Started.Sub(free) > 0 {
			l.Boxes = append(l.Boxes, s.box(free, a.Started, "waiting", "waiting, "+span(a.Started.Sub(free))))
		}
		to, status := a.Ended, "succeeded"
		switch {
		case a.Error != nil:
			status = "failed"
		case i == len(attempts)-1 && r.Status != mn.Pending:
			status = lowerStatus(r.Status)
		}
		if to.IsZero() {
			to = end
		}
		title := fmt.Sprintf("attempt %d on %s, %s, %s", a.Number, a.Worker, status, span(to.Sub(a.Started)))
		l.Boxes = append(l.Boxes, s.box(a.Started, to, status, title))
		free = to
	}
	if r.Status == mn.Pending {
		l.Boxes = append(l.Boxes, s.box(free, end, "waiting", "waiting, "+span(end.Sub(free))))
	}
	return l
}

func (s scale) callBox(c *mn.CallInfo, end time.Time) box {
	to := c.Ended
	if to.IsZero() {
		to = end
	}
	b := s.box(c.Started, to, lowerStatus(c.Status), fmt.Sprintf("%s on %s, %s, %s", c.Definition, c.Worker, lowerStatus(c.Status), span(to.Sub(c.Started))))
	b.Row = callRow(c)
	return b
}

// ticks are at round times, about five of them.
func (s scale) ticks() []tick {
	step := time.Duration(1)
	for _, unit := range []time.Duration{1, 2, 5} {
		for u := unit; u <= s.span/4 && u < time.Second; u *= 10 {
			step = max(step, u)
		}
	}
	for _, u := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour,
	} {
		if u <= s.span/4 {
			step = u
		}
	}
	var ticks []tick
	for at := step; at < s.span && len(ticks) < 12; at += step {
		ticks = append(ticks, tick{percentage(s.at(s.start.Add(at))), brief(at)})
	}
	return ticks
}

// brief words a round duration.
func brief(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Microsecond, "µs"}, {time.Millisecond, "ms"}, {time.Second, "s"}, {time.Minute, "min"}} {
		if d < 1000*unit.size && unit.size < time.Second || d < 60*unit.size {
			return strconv.FormatFloat(float64(d)/float64(unit.size), 'g', 3, 64) + " " + unit.name
		}
	}
	return span(d)
}
