package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// lockLine is a held lock as mn locks --json prints it.
type lockLine struct {
	Key        string    `json:"key"`
	Holder     mn.JobID  `json:"holder"`
	Definition string    `json:"definition"`
	Status     mn.Status `json:"status"`
}

func (t *tool) locksCommand() *cobra.Command {
	return &cobra.Command{
		Use: "locks", Short: "List held locks and the runs that hold them", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return t.with(c.Context(), t.locks) },
	}
}

func (t *tool) locks(ctx context.Context, l *link) error {
	table := &term.Table{Head: []string{"LOCK", "HOLDER", "JOB", "STATUS"}, Cut: 0, Width: term.Width(t.Out)}
	for after := ""; ; {
		page, err := l.Locks(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for _, k := range page {
			line := lockLine{Key: k.Key, Holder: k.Holder}
			r, err := l.Run(ctx, k.Holder)
			switch {
			case errors.Is(err, mn.ErrJobDoesNotExist):
				continue // it has ended meanwhile
			case err != nil:
				return err
			}
			line.Definition, line.Status = r.Definition, r.Status
			if t.json {
				err = t.line(line)
			}
			if err != nil {
				return err
			}
			table.Add(term.Line(k.Key), shortID(k.Holder), term.Line(r.Definition), term.Status(string(r.Status)))
		}
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].Key
	}
	switch {
	case t.json:
		return nil
	case len(table.Rows) == 0:
		t.say("no locks are held\n")
		return nil
	}
	return table.Write(t.out)
}
