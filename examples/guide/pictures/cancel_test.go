package pictures

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// cancelRun is two jobs that are cancelled at the same moment.
type cancelRun struct {
	obeys, ignores   []change
	told, cleaned    time.Duration // of the one that obeys
	ignoredUntil     time.Duration
	cancelled, grace time.Duration
}

func runCancel(t *testing.T) (r cancelRun) {
	r.cancelled, r.grace = 10*time.Second, 30*time.Second
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		obeys := mn.NewJob("obeys", func(ctx context.Context, _ int, yield func(int) bool) error {
			spend(ctx, time.Hour)
			r.told = begun.now()
			spend(mn.CleanupContext(ctx), 12*time.Second)
			r.cleaned = begun.now()
			return nil
		}, mn.CancellationGrace(r.grace))
		left := make(chan struct{})
		ignores := mn.NewJob("ignores", func(context.Context, int, func(int) bool) error {
			defer close(left)
			spend(context.Background(), time.Minute)
			r.ignoredUntil = begun.now()
			return nil
		}, mn.CancellationGrace(r.grace))
		app := mntest.New(t, obeys, ignores)
		first, err := obeys.On(app).Start(bounded(t), 0)
		require.NoError(t, err)
		second, err := ignores.On(app).Start(bounded(t), 0)
		require.NoError(t, err)
		time.AfterFunc(r.cancelled, func() {
			_ = obeys.On(app).Cancel(bounded(t), first)
			_ = ignores.On(app).Cancel(bounded(t), second)
		})
		var watches sync.WaitGroup
		watches.Go(func() { r.obeys = follow(t, begun, obeys.On(app), first) })
		watches.Go(func() { r.ignores = follow(t, begun, ignores.On(app), second) })
		watches.Wait()
		<-left
	})
	require.Equal(t, r.cancelled, r.told, "the handler hears of it at once")
	return r
}

func drawCancel(r cancelRun) string {
	c := newCanvas("Cancel, and a grace of 30 seconds", "Two jobs are cancelled after 10 seconds. One cleans up for 12 seconds and returns: it is "+
		"CANCELLED then. The other ignores its context: it is CANCELLED when its grace of 30 seconds ends, and nothing it does after that counts.")
	s := scale{c, 120, 730, time.Minute}
	c.text(20, 30, "head", "Two handlers are cancelled, with CancellationGrace(30 s)")
	s.axis(226, 62, 10*time.Second, seconds)
	s.statuses(r.obeys, r.cleaned+25*time.Second, 76)
	s.statuses(r.ignores, r.ignoredUntil, 152)
	c.text(20, 95, "strong", "one that")
	c.text(20, 111, "strong", "cleans up")
	c.text(20, 171, "strong", "one that")
	c.text(20, 187, "strong", "ignores ctx")
	x := s.x(r.cancelled)
	c.line(x, 56, x, 226, "s-red dash")
	c.middle(x, 51, "small c-red", "Cancel")
	c.text(x+6, 136, "small", "ctx ends, yield returns false")
	c.text(s.x(r.cleaned)+6, 120, "small", "the handler returns")
	end := s.x(r.cancelled + r.grace)
	c.line(end, 56, end, 226, "s-amber dash")
	c.middle(end, 51, "small c-amber", "the grace is over")
	c.text(x+6, 196, "small", "CleanupContext would live until here →")
	c.rect(end+1, 190, s.x(r.ignoredUntil)-end, 16, 3, "grey dash")
	c.middle((end+s.x(r.ignoredUntil))/2, 202, "small dim", "fenced off: nothing is stored")
	return c.svg(258)
}

// classes are the colours of the statuses.
var classes = map[mn.Status]string{
	mn.Pending: "grey", mn.Running: "blue", mn.Cancelling: "amber", mn.Cancelled: "grey", mn.Failed: "red", mn.Succeeded: "green",
}

// statuses draws a job's life at y.
func (s scale) statuses(changes []change, end time.Duration, y float64) {
	for i, ch := range changes {
		to := end
		if i+1 < len(changes) {
			to = changes[i+1].at
		}
		if to > ch.at {
			s.bar(ch.at, to, y, 28, classes[ch.status], string(ch.status))
		}
	}
}
