package pictures

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

// events are those of the transition table, with what they are called in the picture.
var events = map[backend.Event]string{
	backend.EventClaim: "a worker takes it", backend.EventSucceed: "returned nil", backend.EventFail: "failed",
	backend.EventRetry: "retry", backend.EventRelease: "handed back", backend.EventCancel: "Cancel",
}

type step struct{ from, to backend.Status }

// steps reads the transition table: what leads from one status to another.
func steps() map[step][]backend.Event {
	all := make(map[step][]backend.Event)
	for _, from := range backend.Statuses {
		for e := backend.EventClaim; e <= backend.EventCancel; e++ {
			if to, ok := backend.Next(from, e); ok && to != from {
				all[step{from, to}] = append(all[step{from, to}], e)
			}
		}
	}
	return all
}

// route is how the arrow of a step is drawn.
type route struct {
	draw   func(c *canvas)
	events []backend.Event // that its label tells of
}

func routes() map[step]route {
	const p, r, s, f, g, k = backend.StatusPending, backend.StatusRunning, backend.StatusSucceeded, backend.StatusFailed,
		backend.StatusCancelling, backend.StatusCancelled
	return map[step]route{
		{p, r}: {func(c *canvas) {
			c.arrow(160, 128, 296, 128, "blue", "")
			c.middle(228, 146, "small dim", events[backend.EventClaim])
		}, []backend.Event{backend.EventClaim}},
		{r, p}: {func(c *canvas) {
			c.curve(340, 105, 310, 55, 145, 55, 115, 105, "amber")
			c.middle(228, 48, "small", events[backend.EventRetry]+", after a wait · "+events[backend.EventRelease])
			c.middle(228, 86, "small dim", "resumes from LastYield")
		}, []backend.Event{backend.EventRetry, backend.EventRelease}},
		{r, s}: {func(c *canvas) {
			c.curve(424, 116, 490, 106, 500, 62, 580, 58, "green")
			c.middle(487, 66, "small dim", events[backend.EventSucceed])
		}, []backend.Event{backend.EventSucceed}},
		{r, f}: {func(c *canvas) {
			c.arrow(424, 128, 580, 128, "red", "")
			c.middle(502, 122, "small dim", "error · panic")
			c.middle(502, 144, "small dim", "timeout · worker lost")
		}, []backend.Event{backend.EventFail}},
		{r, g}: {func(c *canvas) {
			c.arrow(360, 151, 360, 210, "amber", "")
			c.text(370, 184, "small dim", events[backend.EventCancel])
		}, []backend.Event{backend.EventCancel}},
		{g, k}: {func(c *canvas) {
			c.arrow(430, 233, 580, 233, "amber", "")
			c.middle(505, 227, "small dim", "handler returned,")
			c.middle(505, 249, "small dim", "or its grace is over")
		}, []backend.Event{backend.EventSucceed, backend.EventFail, backend.EventRetry, backend.EventRelease}},
		{p, k}: {func(c *canvas) {
			c.curve(100, 151, 110, 320, 480, 330, 640, 256, "amber")
			c.text(148, 218, "small dim", events[backend.EventCancel]+", at once")
		}, []backend.Event{backend.EventCancel}},
	}
}

func drawStates(t *testing.T) string {
	c := newCanvas("The statuses of a job", "PENDING becomes RUNNING when a worker takes the job. RUNNING ends SUCCEEDED or FAILED, goes back to "+
		"PENDING for a retry, or becomes CANCELLING and then CANCELLED. A cancelled PENDING job is CANCELLED at once.")
	c.box(40, 105, 120, 46, "grey", "PENDING")
	c.box(296, 105, 128, 46, "blue", "RUNNING")
	c.box(580, 35, 130, 46, "green", "SUCCEEDED")
	c.box(580, 105, 130, 46, "red", "FAILED")
	c.box(290, 210, 140, 46, "amber", "CANCELLING")
	c.box(580, 210, 130, 46, "amber", "CANCELLED")
	c.arrow(14, 128, 40, 128, "line", "")
	c.text(14, 100, "small dim", "Start")
	c.rect(566, 20, 158, 252, 10, "line dash")
	c.middle(645, 186, "small dim", "terminal: final")
	drawn := routes()
	for s, happens := range steps() {
		require.Contains(t, drawn, s, "the picture has no arrow from %s to %s", s.from, s.to)
		require.ElementsMatch(t, happens, drawn[s].events, "from %s to %s", s.from, s.to)
	}
	require.Len(t, drawn, len(steps()), "the picture has an arrow for what cannot happen")
	for _, from := range backend.Statuses { // in a fixed order
		for _, to := range backend.Statuses {
			if r, ok := drawn[step{from, to}]; ok {
				r.draw(c)
			}
		}
	}
	return c.svg(310)
}
