package cli

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// snapshot is what mn top shows of one moment, and a line of mn top --json.
type snapshot struct {
	Time  time.Time  `json:"time"`
	Pools []poolLine `json:"pools"`
	Runs  []mn.Run   `json:"runs"` // the newest of those that have not ended

	infos []mn.DefinitionInfo
}

// liveRuns is how many runs a snapshot holds.
const liveRuns = 100

func (t *tool) topCommand() *cobra.Command {
	var interval time.Duration
	var count int
	c := &cobra.Command{
		Use: "top", Short: "Show pools and runs live", Args: exactly(),
		Long: `Show pools and runs live, on a screen of its own: arrows choose a run, c cancels it after a question,
q ends it. Rates and times are those of the last half minute; workers report them every few
seconds. With --json there is a line for each moment instead.`,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case interval < 100*time.Millisecond:
				return usage("--interval %s must be at least 100ms", interval)
			case !t.json && (!term.IsTerminal(t.Out) || !term.IsTerminal(t.In)):
				return usage("mn top needs a terminal; elsewhere use --json")
			}
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				if t.json {
					return t.topLines(ctx, l, interval, count)
				}
				return t.topScreen(ctx, l, interval)
			})
		},
	}
	c.Flags().DurationVarP(&interval, "interval", "i", time.Second, "time between two looks")
	c.Flags().IntVar(&count, "count", 0, "end after `N` lines of --json; 0 is never")
	return c
}

// look reads a snapshot: two or three exchanges with Redis.
func (l *link) look(ctx context.Context) (*snapshot, error) {
	s := &snapshot{Time: time.Now(), Pools: []poolLine{}, Runs: []mn.Run{}}
	var err error
	if s.infos, err = l.Definitions(ctx); err != nil {
		return nil, err
	}
	for i := range s.infos {
		s.Pools = append(s.Pools, newPoolLine(&s.infos[i]))
	}
	page, err := l.Runs(ctx, mn.RunFilter{Statuses: []mn.Status{mn.Pending, mn.Running, mn.Cancelling}, Limit: liveRuns})
	s.Runs = append(s.Runs, page.Runs...)
	return s, err
}

func (t *tool) topLines(ctx context.Context, l *link, interval time.Duration, count int) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		s, err := l.look(ctx)
		if err != nil {
			return err
		}
		if err := t.line(s); err != nil || n == count {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *tool) topScreen(ctx context.Context, l *link, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	m := &topModel{ctx: ctx, link: l, interval: interval}
	defer m.end(cancel)
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(t.In), tea.WithOutput(t.Out), tea.WithEnvironment(t.Environ),
		tea.WithoutSignalHandler(), tea.WithColorProfile(term.Output(t.Out, t.Environ, term.Colour(t.colour)).Profile)).Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, tea.ErrInterrupted):
		return nil
	}
	return err
}
