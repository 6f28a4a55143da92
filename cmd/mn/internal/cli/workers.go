package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// pageSize is how many workers or locks are read at a time.
const pageSize = 500

func (t *tool) workersCommand() *cobra.Command {
	var definition string
	c := &cobra.Command{
		Use: "workers", Short: "List workers and what they execute", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return t.with(c.Context(), func(ctx context.Context, l *link) error { return t.workers(ctx, l, definition) })
		},
	}
	c.Flags().StringVarP(&definition, "definition", "d", "", "only workers of the definition `NAME`")
	return c
}

func (t *tool) workers(ctx context.Context, l *link, definition string) error {
	infos, err := l.Definitions(ctx)
	if err != nil {
		return err
	}
	table := &term.Table{Head: []string{"WORKER", "DEFINITION", "STATE", "PROCESS", "EXECUTES"}, Cut: -1, Width: term.Width(t.Out)}
	known := definition == ""
	for i := range infos {
		if definition != "" && infos[i].Name != definition {
			continue
		}
		known = true
		for offset := 0; ; {
			page, err := l.Workers(ctx, infos[i].Name, offset, pageSize)
			if err != nil {
				return err
			}
			for _, w := range page {
				if err := t.worker(table, &w); err != nil {
					return err
				}
			}
			if offset += len(page); len(page) < pageSize {
				break
			}
		}
	}
	switch {
	case !known:
		return coded(ExitNotFound, "app %q has no definition %q: mn pools lists them", l.where.App, definition)
	case t.json:
		return nil
	case len(table.Rows) == 0:
		t.say("no workers\n")
		return nil
	}
	return table.Write(t.out)
}

func (t *tool) worker(table *term.Table, w *mn.WorkerInfo) error {
	if t.json {
		return t.line(w)
	}
	state := term.Line(w.State)
	switch w.State {
	case "busy":
		state = term.Blue(state)
	case "starting":
		state = term.Yellow(state)
	}
	table.Add(term.Line(w.ID), term.Line(w.Definition), state, term.Line(w.Process), term.Line(strings.Join(w.Tasks, " ")))
	return nil
}
