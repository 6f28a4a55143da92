package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

func (t *tool) watchCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "watch ID", Short: "Follow a run until it has ended", Args: exactly("ID"),
		Long: `Follow a run until it has ended: its status, its progress if its yields hold a mn.Progress, else
its newest result. On a terminal that is drawn in place; elsewhere, and with --json, there is a
line for each change. The exit code is 0 if the run SUCCEEDED and 1 if it FAILED or was
CANCELLED. Ctrl-C ends the watching, not the run.`,
		RunE: func(c *cobra.Command, args []string) error {
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				id, err := l.find(ctx, args[0])
				if err != nil {
					return err
				}
				return t.watch(ctx, l, id)
			})
		},
	}
	c.ValidArgsFunction = t.completeIDs
	return c
}

// change is one step of a watch.
type change struct {
	run mn.Run
	err error
}

// watch follows a run and returns how it ended.
func (t *tool) watch(ctx context.Context, l *link, id mn.JobID) error {
	ctx, cancel := context.WithCancel(ctx)
	changes := make(chan change)
	go func() {
		defer close(changes)
		for r, err := range l.Watch(ctx, id) {
			select {
			case changes <- change{r, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range changes { // until the goroutine has ended
		}
	}()
	if term.IsTerminal(t.Out) && !t.json {
		return t.watchLive(ctx, changes)
	}
	for c := range changes {
		if c.err != nil {
			return c.err
		}
		if err := t.change(&c.run); err != nil {
			return err
		}
		if c.run.Status.Terminal() {
			return t.outcome(&c.run)
		}
	}
	return ctx.Err()
}

// change prints one line for a change.
func (t *tool) change(r *mn.Run) error {
	if t.json {
		return t.line(r)
	}
	now := time.Now()
	t.printf("%s %s  %s\n", term.Faint(now.Format("15:04:05.000")), term.Status(string(r.Status)), news(r, now))
	return nil
}

// news is what is newest of a run: progress, result or reason.
func news(r *mn.Run, now time.Time) string {
	switch {
	case r.Status == mn.Failed || r.Status == mn.Pending:
		return note(r, now)
	case r.Progress != nil:
		return term.Progress(*r.Progress)
	case r.Yields > 0:
		return compact(r.Result, 200)
	}
	return note(r, now)
}

// watchLive draws the run in place, and twice a second anew for the times in it.
func (t *tool) watchLive(ctx context.Context, changes <-chan change) error {
	live := &term.Live{Out: t.out, Width: func() int { return term.Width(t.Out) }}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last *mn.Run
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return ctx.Err()
			}
			if c.err != nil {
				return c.err
			}
			last = &c.run
		case <-tick.C:
		}
		if last == nil {
			continue
		}
		live.Draw(portrait(last, time.Now())...)
		if last.Status.Terminal() {
			return t.outcome(last)
		}
	}
}

// portrait is the block that watch draws.
func portrait(r *mn.Run, now time.Time) []string {
	head := fmt.Sprintf("%s  %s  %s  attempt %d  %s", term.Bold(term.Line(r.Definition)), shortID(r.ID), term.Status(string(r.Status)),
		r.Attempt, took(r, now))
	lines := []string{head}
	if p := r.Progress; p != nil {
		bar := ""
		if p.Total > 0 {
			bar = term.Bar(p.Fraction(), 3*barWidth) + " "
		}
		lines = append(lines, bar+term.Progress(*p))
	} else if r.Yields > 0 {
		lines = append(lines, fmt.Sprintf("%s %s", term.Faint(fmt.Sprintf("yield %d", r.Yields)), compact(r.Result, 500)))
	}
	if text := note(r, now); text != "" && r.Status != mn.Failed && r.Progress == nil {
		lines = append(lines, text)
	}
	return lines
}

// outcome tells how a run ended, as an error if it has not SUCCEEDED.
func (t *tool) outcome(r *mn.Run) error {
	switch {
	case r.Status == mn.Failed && r.Error != nil:
		return r.Error
	case r.Status == mn.Cancelled:
		return fmt.Errorf("run %s: %w", r.ID, mn.ErrJobCancelled)
	case r.Status != mn.Succeeded:
		return fmt.Errorf("run %s ended %s", r.ID, r.Status)
	}
	return nil
}
