package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

const inputHelp = `JSON is the input: the text itself, - for standard input, or @FILE. Without it the input is null.`

func (t *tool) startCommand() *cobra.Command {
	var locks []string
	var id string
	var watch bool
	c := &cobra.Command{
		Use: "start NAME [JSON]", Short: "Start a job and print the run's ID", Long: "Start a job and print the run's ID. " + inputHelp,
		Args: nameAndInput,
		RunE: func(c *cobra.Command, args []string) error {
			input, err := t.input(args)
			if err != nil {
				return err
			}
			var options []mn.StartOption
			for _, key := range locks {
				options = append(options, mn.WithLock(key))
			}
			if id != "" {
				options = append(options, mn.WithID(mn.JobID(id)))
			}
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				id, err := l.Start(ctx, args[0], input, options...)
				if err != nil {
					return err
				}
				if err := t.started(id); err != nil || !watch {
					return err
				}
				return t.watch(ctx, l, id)
			})
		},
	}
	c.Flags().StringArrayVar(&locks, "lock", nil, "take the lock `KEY`")
	c.Flags().StringVar(&id, "id", "", "`UUID` of the run: started twice with one ID, it runs once")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run until it has ended")
	c.ValidArgsFunction = t.completeNames("job")
	return c
}

func (t *tool) started(id mn.JobID) error {
	if t.json {
		return t.line(struct {
			ID mn.JobID `json:"id"`
		}{id})
	}
	t.printf("%s\n", id)
	return nil
}

func (t *tool) callCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "call NAME [JSON]", Short: "Call a function and print its result", Args: nameAndInput,
		Long: "Call a function and print its result, which is JSON. Ctrl-C cancels the call. " + inputHelp,
		RunE: func(c *cobra.Command, args []string) error {
			input, err := t.input(args)
			if err != nil {
				return err
			}
			return t.with(c.Context(), func(ctx context.Context, l *link) error {
				result, err := l.Call(ctx, args[0], input)
				if err != nil {
					return t.callError(err)
				}
				if t.json {
					return t.line(result)
				}
				t.printf("%s\n", pretty(result, ""))
				return nil
			})
		},
	}
	c.ValidArgsFunction = t.completeNames("function")
	return c
}

// callError shows the stack of a panic before the error itself is reported.
func (t *tool) callError(err error) error {
	var run *mn.RunError
	if errors.As(err, &run) && run.Stack != "" {
		t.say("%s\n", term.Faint(term.Text(run.Stack)))
	}
	return err
}

func nameAndInput(c *cobra.Command, args []string) error {
	if len(args) == 2 {
		return nil
	}
	return exactly("NAME")(c, args)
}

// input reads the input that args[1] names.
func (t *tool) input(args []string) (json.RawMessage, error) {
	if len(args) < 2 {
		return json.RawMessage("null"), nil
	}
	text, from := []byte(args[1]), "the argument"
	var err error
	if file, ok := strings.CutPrefix(args[1], "@"); ok {
		from = file
		if text, err = os.ReadFile(file); err != nil { //nolint:gosec // a file that the user names
			return nil, usage("input: %w", err)
		}
	} else if args[1] == "-" {
		from = "standard input"
		if text, err = io.ReadAll(t.In); err != nil {
			return nil, usage("input: %w", err)
		}
	}
	var value json.RawMessage
	if err := json.Unmarshal(text, &value); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, usage("%s is not JSON: %w, at byte %d%s", from, err, syntax.Offset, quoteHint(args[1]))
		}
		return nil, usage("%s is not JSON: %w", from, err)
	}
	return value, nil
}

// quoteHint helps with what shells make of a string.
func quoteHint(arg string) string {
	if arg == "-" || strings.HasPrefix(arg, "@") || strings.ContainsAny(arg, `"{[`) {
		return ""
	}
	return fmt.Sprintf(" (a string needs its quotes: '%q')", arg)
}
