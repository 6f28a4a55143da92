package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// listed is how many runs mn ps shows if it is not told otherwise.
const listed = 20

func (t *tool) psCommand() *cobra.Command {
	var f filter
	var before string
	c := &cobra.Command{
		Use: "ps", Aliases: []string{"ls", "list"}, Short: "List runs, newest first", Args: exactly(),
		Long: `List runs, newest first: 20 of them unless --limit says otherwise. With --json each line is a
run, without its input and result; mn show ID --json has those.`,
		RunE: func(c *cobra.Command, _ []string) error {
			request, err := f.request(time.Now())
			if err != nil {
				return err
			}
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				if before != "" {
					if request.Before, err = l.find(ctx, before); err != nil {
						return err
					}
				}
				return t.list(ctx, l, request)
			})
		},
	}
	f.add(c, listed)
	c.Flags().StringVar(&before, "before", "", "only runs older than that with `ID`")
	return c
}

// list prints the chosen runs, a page at a time.
func (t *tool) list(ctx context.Context, l *link, f mn.RunFilter) error {
	for left, first := f.Limit, true; ; first = false {
		if f.Limit = 100; left > 0 {
			f.Limit = min(left, 100)
		}
		page, err := l.Runs(ctx, f)
		if err != nil {
			return err
		}
		if err := t.page(page.Runs, first); err != nil {
			return err
		}
		f.Before = page.Next
		if left > 0 {
			if left -= len(page.Runs); left <= 0 {
				if f.Before != "" {
					t.say("%s\n", term.Faint(fmt.Sprintf("older ones: --before %s, or --limit 0", f.Before)))
				}
				return nil
			}
		}
		if f.Before == "" {
			if first && len(page.Runs) == 0 {
				t.say("no runs\n")
			}
			return nil
		}
	}
}

// page prints runs as a table, or as lines of JSON.
func (t *tool) page(runs []mn.Run, head bool) error {
	if t.json {
		for i := range runs {
			if err := t.line(&runs[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(runs) == 0 {
		return nil
	}
	table := runTable(runs, time.Now())
	table.Width = term.Width(t.Out)
	if !head {
		table.Head = nil
	}
	return table.Write(t.out)
}

func runTable(runs []mn.Run, now time.Time) *term.Table {
	table := &term.Table{
		Head:  []string{"ID", "JOB", "STATUS", "CREATED", "TOOK", "TRY", "PROGRESS", "NOTE"},
		Right: map[int]bool{4: true, 5: true}, Cut: -1,
	}
	for i := range runs {
		r := &runs[i]
		try := ""
		if r.Attempt > 0 {
			try = fmt.Sprint(r.Attempt)
		}
		table.Add(shortID(r.ID), term.Line(r.Definition), term.Status(string(r.Status)), term.Ago(r.Created, now), took(r, now),
			try, progress(r), note(r, now))
	}
	return table
}
