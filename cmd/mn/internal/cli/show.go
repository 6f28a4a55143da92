package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// detail is all that is known of one run: what mn show --json prints.
type detail struct {
	Run      mn.Run           `json:"run"`
	Attempts []mn.AttemptInfo `json:"attempts"`
	Calls    mn.CallTree      `json:"calls"`
	Log      []mn.LogEntry    `json:"log"` // its last lines
}

// lastLines is how many lines of its log mn show prints.
const lastLines = 10

func (t *tool) showCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show ID", Short: "Show one run: attempts, calls, locks, error, newest result", Args: exactly("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				d, err := l.detail(ctx, args[0])
				if err != nil {
					return err
				}
				if t.json {
					return t.line(d)
				}
				t.printf("%s", d.text(time.Now(), term.Width(t.Out)))
				return nil
			})
		},
	}
	c.ValidArgsFunction = t.completeIDs
	return c
}

func (l *link) detail(ctx context.Context, text string) (*detail, error) {
	id, err := l.find(ctx, text)
	if err != nil {
		return nil, err
	}
	d := &detail{Attempts: []mn.AttemptInfo{}, Log: []mn.LogEntry{}}
	if d.Run, err = l.Run(ctx, id); err != nil {
		return nil, err
	}
	attempts, err := l.Attempts(ctx, id)
	if err != nil {
		return nil, err
	}
	d.Attempts = append(d.Attempts, attempts...)
	if d.Calls, err = l.Calls(ctx, id); err != nil {
		return nil, fmt.Errorf("calls: %w", err)
	}
	if d.Calls.Calls == nil {
		d.Calls.Calls = []mn.CallInfo{}
	}
	for e, err := range l.app.Logs(ctx, id, mn.LogLast(lastLines), mn.LogNoFollow()) {
		if err != nil {
			return nil, err
		}
		d.Log = append(d.Log, e)
	}
	return d, nil
}
