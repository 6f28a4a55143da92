package cli

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// bulk is one execution of cancel, retry or rm.
type bulk struct {
	*tool
	action mn.BulkAction
	verb   string // what is done, and was
	done   string
	filter
	all    bool
	dryRun bool
	yes    bool
	locks  []string
}

func (t *tool) cancelCommand() *cobra.Command {
	b := &bulk{tool: t, action: mn.BulkCancel, verb: "cancel", done: "cancelled"}
	return b.command("Cancel runs", `Cancel runs. Those that execute have their grace to clean up; mn watch ID tells when they have ended.`)
}

func (t *tool) retryCommand() *cobra.Command {
	b := &bulk{tool: t, action: mn.BulkRetry, verb: "retry", done: "retried"}
	c := b.command("Start runs again that have ended", `Start new runs with the inputs of runs that have ended, and print the new IDs. Locks are not taken
again: name those that the new run needs by --lock.`)
	c.Flags().StringArrayVar(&b.locks, "lock", nil, "the new run takes the lock `KEY`; for one ID only")
	return c
}

func (t *tool) removeCommand() *cobra.Command {
	b := &bulk{tool: t, action: mn.BulkRemove, verb: "remove", done: "removed"}
	c := b.command("Remove runs with their results and logs", `Remove runs with their results and logs. A filter without --status chooses those that have ended. A run
that has not is cancelled, and removed when it has ended.`)
	c.Aliases = []string{"remove"}
	return c
}

func (b *bulk) command(short, long string) *cobra.Command {
	name := b.verb
	if b.action == mn.BulkRemove {
		name = "rm"
	}
	c := &cobra.Command{
		Use: name + " ID… | --FILTER…", Short: short,
		Long: long + `

Name runs by ID, or choose them by --definition, --status, --older-than, --newer-than, --text or
--all. What a filter chooses is done after a question, or with --yes; --dry-run only lists
it. With --json there is a line for each run. The exit code is 1 if it failed for any.`,
		RunE: func(c *cobra.Command, args []string) error { return b.run(c.Context(), args) },
	}
	b.add(c, 0)
	c.Flags().BoolVar(&b.all, "all", false, "choose all runs to which it applies")
	c.Flags().BoolVar(&b.dryRun, "dry-run", false, "only list the runs")
	c.Flags().BoolVarP(&b.yes, "yes", "y", false, "do not ask")
	c.ValidArgsFunction = b.completeIDs
	return c
}

func (b *bulk) run(ctx context.Context, args []string) error {
	f, err := b.request(time.Now())
	chosen := !b.empty() || b.all
	switch {
	case err != nil:
		return err
	case len(args) > 0 && (chosen || b.limit > 0):
		return usage("name runs by ID or choose them by a filter, not both")
	case len(args) == 0 && !chosen:
		return usage("name runs by ID, or choose them by a filter such as --status or --all")
	case len(b.locks) > 0 && len(args) != 1:
		return usage("--lock is for one ID: two runs cannot hold one lock")
	}
	return b.with(ctx, func(ctx context.Context, l *link) error {
		if len(args) > 0 {
			return b.finish(ctx, b.named(ctx, l, args), true)
		}
		if !b.dryRun && !b.yes {
			if ok, err := b.confirm(ctx, l, f); !ok {
				return err
			}
		}
		return b.finish(ctx, l.Bulk(ctx, b.action, f, b.dryRun), b.dryRun)
	})
}

// named does the action to the runs that the arguments name.
func (b *bulk) named(ctx context.Context, l *link, args []string) iter.Seq2[mn.BulkStep, error] {
	return func(yield func(mn.BulkStep, error) bool) {
		for _, arg := range args {
			id, err := l.find(ctx, arg)
			if err != nil {
				yield(mn.BulkStep{}, err)
				return
			}
			r, err := l.Run(ctx, id)
			if err != nil {
				yield(mn.BulkStep{}, err)
				return
			}
			step := mn.BulkStep{ID: id, Definition: r.Definition, Status: r.Status}
			if !b.dryRun {
				b.act(ctx, l, &step)
			}
			if !yield(step, nil) {
				return
			}
		}
	}
}

func (b *bulk) act(ctx context.Context, l *link, s *mn.BulkStep) {
	switch b.action {
	case mn.BulkCancel:
		s.Err = l.Cancel(ctx, s.ID)
	case mn.BulkRetry:
		var options []mn.StartOption
		for _, key := range b.locks {
			options = append(options, mn.WithLock(key))
		}
		s.New, s.Err = l.Retry(ctx, s.ID, options...)
	case mn.BulkRemove:
		s.Err = l.Remove(ctx, s.ID)
	}
	if s.Err != nil {
		s.Error = s.Err.Error()
	}
}

// counted bounds how many runs are counted before a question.
const counted = 10_000

// confirm asks whether to go on.
func (b *bulk) confirm(ctx context.Context, l *link, f mn.RunFilter) (bool, error) {
	if !term.IsTerminal(b.In) || b.json {
		return false, usage("nobody is there to ask: add --yes, or --dry-run to see what it would %s", b.verb)
	}
	n := 0
	for _, err := range l.Bulk(ctx, b.action, f, true) {
		if err != nil {
			return false, err
		}
		if n++; n > counted {
			break
		}
	}
	switch {
	case n == 0:
		b.say("no runs\n")
		return false, nil
	case n > counted:
		b.say("%s more than %s runs of app %s? [y/N] ", b.verb, term.Count(counted), b.appName(l))
	default:
		b.say("%s %s of app %s? [y/N] ", b.verb, runs(n), b.appName(l))
	}
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be broken off; it ends with the process
		line, _ := bufio.NewReader(b.In).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case text := <-answer:
		if text == "y" || text == "yes" {
			return true, nil
		}
		return false, coded(ExitFailed, "nothing was done")
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (b *bulk) appName(l *link) string { return term.Bold(term.Line(l.where.App)) }

// finish goes through the steps, shows them and sums up. each prints one line for each run,
// else there is a count on a terminal, and lines for failures.
func (b *bulk) finish(ctx context.Context, steps iter.Seq2[mn.BulkStep, error], each bool) error {
	var live *term.Live
	if term.IsTerminal(b.Out) && !b.json && !each {
		live = &term.Live{Out: b.out, Width: func() int { return term.Width(b.Out) }}
	}
	var done, failed int
	var last error
	begun, drawn := time.Now(), time.Time{}
	for s, err := range steps {
		if err != nil {
			return err
		}
		if done++; s.Err != nil {
			done, failed, last = done-1, failed+1, s.Err
		}
		if err := b.step(&s, each, live); err != nil {
			return err
		}
		if now := time.Now(); live != nil && now.Sub(drawn) > 100*time.Millisecond {
			drawn = now
			live.Draw(fmt.Sprintf("%s %s, %s/s", b.done, runs(done), term.Count(float64(done)/max(0.1, now.Sub(begun).Seconds()))))
		}
	}
	if live != nil {
		live.Clear()
	}
	b.sum(done, failed, each)
	if failed == 1 && done == 0 {
		return last
	}
	if failed > 0 {
		return errSilent
	}
	return ctx.Err()
}

// step shows one step.
func (b *bulk) step(s *mn.BulkStep, each bool, live *term.Live) error {
	if b.json {
		return b.line(s)
	}
	if s.Err == nil && !each {
		return nil
	}
	text := b.done
	switch {
	case s.Err != nil:
		text = term.Red("failed") + " " + term.Line(s.Error)
	case b.dryRun:
		text = "would " + b.verb
	case s.New != "":
		text += " as " + string(s.New)
	case b.action == mn.BulkRemove && !s.Status.Terminal():
		text = "cancelled, will be removed"
	}
	text = fmt.Sprintf("%s  %s  %s  %s\n", shortID(s.ID), term.Line(s.Definition), term.Status(string(s.Status)), text)
	if live != nil {
		live.Print("%s", text)
		return nil
	}
	b.printf("%s", text)
	return nil
}

func (b *bulk) sum(done, failed int, each bool) {
	if each && done+failed == 1 {
		return
	}
	text := b.done + " " + runs(done)
	if b.dryRun {
		text = "would " + b.verb + " " + runs(done)
	}
	if failed > 0 {
		text += term.Red(fmt.Sprintf(", %d failed", failed))
	}
	b.say("%s\n", text)
}

func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}
