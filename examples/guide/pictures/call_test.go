package pictures

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// message is one of an exchange: who sends what.
type message struct{ from, what string }

// callRun is the messages of a first call, which finds no worker, and of a second.
type callRun struct{ cold, warm []message }

func runCall(t *testing.T) (r callRun) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []message
		take := func() []message {
			mu.Lock()
			defer mu.Unlock()
			s := seen
			seen = nil
			return s
		}
		note := func(from, what string) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, message{from, what})
		}
		double := mn.NewFunction("double", func(ctx context.Context, n int) (int, error) {
			spend(ctx, 5*time.Millisecond) // until the caller waits
			note("worker", "handler")
			spend(ctx, 5*time.Millisecond)
			return 2 * n, nil
		})
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{double}, Backend: &tap{Backend: memory.New(), exchanged: note}})
		for _, to := range []*[]message{&r.cold, &r.warm} {
			v, err := double.On(app).Call(bounded(t), 21)
			require.NoError(t, err)
			require.Equal(t, 42, v)
			spend(bounded(t), time.Second) // what belongs to the call is over
			*to = take()
		}
	})
	return r
}

func drawCall(r callRun) string {
	c := newCanvas("The way of a call", "A first call: Submit reserves a slot in the same step, the provisioner launches a worker, which claims the "+
		"task, runs the handler and ends it; the result comes to the caller's inbox. A second call goes at once to the worker that waits: two exchanges.")
	columns := map[string]float64{"caller": 110, "backend": 380, "worker": 650}
	c.text(20, 30, "head", "The exchanges of a first call, and of a second while the worker is warm")
	for _, name := range []string{"caller", "backend", "worker"} {
		c.box(columns[name]-62, 46, 124, 32, "panel", name)
	}
	rows := newCanvas("", "") // on top of the columns' lines
	y := 98.0
	for i, phase := range [][]message{r.cold, r.warm} {
		top := y
		rows.text(20, y+4, "small dim", []string{"first call", "second call"}[i])
		y += 12
		for _, m := range phase {
			y += rows.message(columns, m, y)
		}
		for _, name := range []string{"caller", "backend", "worker"} {
			c.line(columns[name], top+8, columns[name], y, "thin")
		}
		y += 14
	}
	c.body.WriteString(rows.body.String())
	return c.svg(y + 6)
}

// message draws one message and returns how much room it takes.
func (c *canvas) message(columns map[string]float64, m message, y float64) float64 {
	label := map[string]string{
		"Submit": "Submit: input, and its place in the queue", "a slot": "no worker is idle: a slot is reserved",
		"Claim": "Claim", "the task": "the task, under a lease", "Exchange": "Settle: the result, and Claim the next",
		"Results": "the result, to the caller's inbox", "handler": "handler(ctx, in)",
	}[m.what]
	if label == "" {
		label = strings.TrimSpace(fmt.Sprintf("%s %s", m.from, m.what))
	}
	from, to := columns[m.from], columns["backend"]
	colour := "blue"
	switch m.what {
	case "handler":
		c.box(columns["worker"]-62, y, 124, 26, "blue", "")
		c.middle(columns["worker"], y+17, "small code", label)
		return 38
	case "a slot":
		to, colour = columns["caller"], "violet"
	case "the task":
		to = columns["worker"]
	case "Results":
		to, colour = columns["caller"], "green"
	}
	sign := 1.0
	if to < from {
		sign = -1
	}
	c.middle((from+to)/2, y+9, "small", label)
	c.arrow(from+sign*5, y+16, to-sign*5, y+16, colour, "")
	if m.what != "a slot" {
		return 28
	}
	c.curve(columns["caller"], y+22, columns["caller"]+140, y+52, columns["worker"]-160, y+52, columns["worker"]-8, y+30, "violet")
	c.middle((columns["caller"]+columns["worker"])/2, y+60, "small", "the provisioner launches a worker for the slot")
	return 72
}
