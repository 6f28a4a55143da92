package pictures

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// mapRun is a Map as it went: the calls by worker, and when each result was handed out.
type mapRun struct {
	lanes   [][]mapCall
	results []time.Duration // by input
}

type mapCall struct {
	input    int
	from, to time.Duration
}

// durations are how long the twelve inputs take, in seconds. No two end at the same time, where
// chance would say which worker comes first.
var durations = []float64{2.5, 4, 5.5, 1.5, 1.5, 2.5, 4, 2.5, 3.5, 2, 3, 1}

// runMap maps over twelve inputs with four workers. Which call ran where is what the Inspector
// tells.
func runMap(t *testing.T) (m mapRun) {
	synctest.Test(t, func(t *testing.T) {
		begun := clock(time.Now())
		var mu sync.Mutex
		numbers := make(map[string]int) // of the inputs, by the calls' IDs
		work := mn.NewFunction("work", func(ctx context.Context, n int) (int, error) {
			mu.Lock()
			numbers[mn.TaskID(ctx)] = n
			mu.Unlock()
			spend(ctx, time.Duration(durations[n]*float64(time.Second)))
			return n, nil
		}, mn.MaxWorkers(4))
		all := mn.NewJob("all", func(ctx context.Context, count int, yield func(int) bool) error {
			for n, err := range work.Map(ctx, slices.Values([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})) {
				if err != nil {
					return err
				}
				m.results = append(m.results, begun.now())
				yield(n)
			}
			return nil
		})
		app := mntest.New(t, all, work)
		id, err := all.On(app).Start(bounded(t), len(durations))
		require.NoError(t, err)
		_, err = all.On(app).Wait(bounded(t), id)
		require.NoError(t, err)
		spend(bounded(t), 2*time.Second) // what is kept of calls is written within a second
		tree, err := app.Inspect().Calls(bounded(t), id)
		require.NoError(t, err)
		require.Len(t, tree.Calls, len(durations))
		lanes := make(map[string][]mapCall)
		for _, call := range tree.Calls {
			lanes[call.Worker] = append(lanes[call.Worker], mapCall{
				numbers[call.ID], call.Started.Sub(time.Time(begun)), call.Ended.Sub(time.Time(begun)),
			})
		}
		for _, lane := range lanes {
			slices.SortFunc(lane, func(a, b mapCall) int { return int(a.from - b.from) })
			m.lanes = append(m.lanes, lane)
		}
	})
	slices.SortFunc(m.lanes, func(a, b []mapCall) int { return a[0].input - b[0].input })
	require.Len(t, m.lanes, 4)
	require.Len(t, m.results, len(durations))
	return m
}

func drawMap(m mapRun) string {
	c := newCanvas("A Map over twelve inputs with MaxWorkers(4)", "Four workers execute twelve calls of different length side by side; a worker "+
		"takes the next input as soon as it is free. Results are handed out in the order of the inputs.")
	s := scale{c, 100, 730, 10 * time.Second}
	c.text(20, 30, "head", "Map over 12 inputs, MaxWorkers(4)")
	s.axis(272, 48, time.Second, seconds)
	for i, lane := range m.lanes {
		y := 58 + float64(i)*38
		c.text(20, y+20, "strong", fmt.Sprintf("worker %d", i+1))
		for _, call := range lane {
			s.bar(call.from, call.to, y, 30, "blue", fmt.Sprint(call.input+1))
		}
	}
	c.text(20, 241, "strong", "results")
	at := make(map[time.Duration][]int)
	for input, when := range m.results {
		when = when.Round(100 * time.Millisecond)
		at[when] = append(at[when], input)
	}
	for when, inputs := range at {
		slices.Sort(inputs)
		at[when] = inputs
	}
	for _, when := range slices.Sorted(maps.Keys(at)) {
		label := fmt.Sprint(at[when][0] + 1)
		if n := len(at[when]); n > 1 {
			label += fmt.Sprintf("–%d", at[when][n-1]+1)
		}
		w := 14 + 7*float64(len([]rune(label)))
		c.rect(s.x(when)-w/2, 222, w, 28, 14, "green")
		c.middle(s.x(when), 240.5, "", label)
	}
	c.text(20, 257, "small dim", "in order")
	return c.svg(304)
}
