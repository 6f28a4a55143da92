package pictures

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// attempt is one attempt as its handler saw it.
type attempt struct {
	from, to time.Duration
	resumed  int // the LastYield that it began with
	yields   []yield
}

type yield struct {
	at    time.Duration
	value int
}

// runRetries runs a job of eight steps whose first attempt loses its worker and whose second
// fails.
func runRetries(t *testing.T) (attempts []*attempt) {
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		job := mn.NewJob("import", func(ctx context.Context, steps int, emit func(int) bool) error {
			done, _ := mn.LastYield[int](ctx)
			a := &attempt{from: begun.now(), resumed: done}
			attempts = append(attempts, a)
			defer func() { a.to = begun.now() }()
			for done < steps {
				if !spend(ctx, time.Second) {
					return context.Cause(ctx)
				}
				done++
				a.yields = append(a.yields, yield{begun.now(), done})
				if !emit(done) {
					return nil
				}
				if done == 5 && mn.Attempt(ctx) == 2 {
					return errors.New("connection lost")
				}
			}
			return nil
		}, mn.Retries(3), mn.SyncYields())
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.KillAfterYield("import", 3))
		id, err := job.On(app).Start(bounded(t), 8)
		require.NoError(t, err)
		_, err = job.On(app).Wait(bounded(t), id)
		require.NoError(t, err)
	})
	require.Len(t, attempts, 3)
	wait := attempts[2].from - attempts[1].to // half of it is random: the picture shows its middle
	require.GreaterOrEqual(t, wait, time.Second)
	require.Less(t, wait, 2*time.Second)
	attempts[2].shift(1500*time.Millisecond - wait)
	return attempts
}

func (a *attempt) shift(d time.Duration) {
	a.from += d
	a.to += d
	for i := range a.yields {
		a.yields[i].at += d
	}
}

func drawRetries(attempts []*attempt) string {
	c := newCanvas("Retries resume from the last yield", "Three attempts of one job. The first loses its worker after yield 3, the second begins at "+
		"once with LastYield 3 and fails after yield 5, the third begins after a wait of 1 to 2 seconds with LastYield 5 and succeeds.")
	s := scale{c, 100, 720, attempts[2].to + 400*time.Millisecond}
	ends := []string{"worker lost", "error", "returned nil"}
	classes := []string{"red", "red", "green"}
	c.text(20, 30, "head", "One job, three attempts")
	s.axis(240, 50, time.Second, seconds)
	for i, a := range attempts {
		y := 62 + float64(i)*58
		c.text(20, y+20, "strong", fmt.Sprintf("attempt %d", i+1))
		s.bar(a.from, a.to, y, 30, "blue", "")
		for _, v := range a.yields {
			c.dot(s.x(v.at)-9, y+15, 8.5, "plain")
			c.middle(s.x(v.at)-9, y+19, "small", fmt.Sprint(v.value))
		}
		c.rect(s.x(a.to)-1.5, y-4, 4, 38, 2, classes[i])
		if i < 2 {
			c.text(s.x(a.to)+12, y+19, "small c-red", ends[i])
			next := attempts[i+1]
			if i == 1 {
				c.rect(s.x(a.to)+3, y+58, s.x(next.from)-s.x(a.to)-3, 30, 4, "grey dash")
			}
			c.curve(s.x(a.to)-9, y+25, s.x(a.to)-9, y+50, s.x(next.from)-40, y+72, s.x(next.from)-3, y+73, "violet")
			c.right(s.x(a.to)-26, y+54, "small c-violet", fmt.Sprintf("LastYield = %d", next.resumed))
		} else {
			c.right(s.x(a.to), y+48, "small c-green", "SUCCEEDED")
		}
	}
	to := s.x(attempts[2].from)
	c.right(to-4, 226, "small dim", "wait: 1 to 2 s, half of it random")
	c.text(s.x(attempts[0].to)+86, 81, "small dim", "no wait after the first loss")
	return c.svg(274)
}
