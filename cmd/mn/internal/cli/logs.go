package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

func (t *tool) logsCommand() *cobra.Command {
	var follow bool
	var last int
	var after uint64
	c := &cobra.Command{
		Use: "logs ID", Short: "Print the log of a run and of the calls made for it", Args: exactly("ID"),
		Long: `Print what a run's handler and those of the calls made for it wrote to mn.Logger, and what
worker processes printed, oldest first. With --follow it goes on until the run has ended.`,
		RunE: func(c *cobra.Command, args []string) error {
			if last < 0 {
				return usage("--last %d must not be negative", last)
			}
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				id, err := l.find(ctx, args[0])
				if err != nil {
					return err
				}
				options := []mn.LogOption{mn.LogAfter(after)}
				if last > 0 {
					options = append(options, mn.LogLast(last))
				}
				if !follow {
					options = append(options, mn.LogNoFollow())
				}
				return t.logs(ctx, l, id, options)
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run has ended")
	c.Flags().IntVarP(&last, "last", "n", 0, "begin with the last `N` lines")
	c.Flags().Uint64Var(&after, "after", 0, "begin after line number `N`")
	c.ValidArgsFunction = t.completeIDs
	return c
}

func (t *tool) logs(ctx context.Context, l *link, id mn.JobID, options []mn.LogOption) error {
	number := uint64(0)
	for e, err := range l.app.Logs(ctx, id, options...) {
		if err != nil {
			return err
		}
		if t.json {
			err = t.line(e)
		} else {
			if number > 0 && e.Number > number+1 {
				t.printf("%s\n", term.Faint(fmt.Sprintf("… %d lines were dropped …", e.Number-number-1)))
			}
			t.printf("%s\n", logText(&e, string(id)))
		}
		if number = e.Number; err != nil {
			return err
		}
	}
	return ctx.Err()
}

// logText is a line of a log for people. run is the run's ID: lines of its calls name their
// definition.
func logText(e *mn.LogEntry, run string) string {
	var b strings.Builder
	b.WriteString(term.Faint(e.Time.Local().Format("15:04:05.000")) + " " + level(e) + " ")
	if e.Task != run && e.Definition != "" {
		b.WriteString(term.Faint("["+term.Line(e.Definition)+"]") + " ")
	}
	b.WriteString(term.Line(strings.TrimRight(e.Message, "\n")))
	attributes(&b, "", e.Attrs)
	return b.String()
}

func level(e *mn.LogEntry) string {
	if e.Source == mn.FromOutput {
		return term.Faint("out  ")
	}
	text := fmt.Sprintf("%-5s", e.Level)
	switch {
	case e.Level >= slog.LevelError:
		return term.Red(text)
	case e.Level >= slog.LevelWarn:
		return term.Yellow(text)
	case e.Level < slog.LevelInfo:
		return term.Faint(text)
	}
	return text
}

// attributes writes the fields of an object as slog's text handler does: key=value, groups
// with dots.
func attributes(b *strings.Builder, prefix string, object json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return
		}
		name := prefix + fmt.Sprint(key)
		var text string
		switch {
		case bytes.HasPrefix(value, []byte("{")):
			attributes(b, name+".", value)
			continue
		case json.Unmarshal(value, &text) == nil && text != "" && !strings.ContainsAny(text, " =\"") && term.Line(text) == text:
			value = json.RawMessage(text)
		}
		b.WriteString(" " + term.Faint(term.Line(name)+"=") + term.JSON(string(value)))
	}
}
