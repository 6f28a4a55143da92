package cli

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/settings"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

const (
	// completing bounds how long a completion may take: whoever pressed the key waits.
	completing = 2 * time.Second
	// recent is how many runs a completion offers.
	recent = 30
)

// live connects for a completion, and gives up silently.
func (t *tool) live(c *cobra.Command, work func(ctx context.Context, l *link)) {
	parent := c.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completing)
	defer cancel()
	t.timeout = completing
	_ = t.with(ctx, func(ctx context.Context, l *link) error { work(ctx, l); return nil })
}

// completeIDs offers the newest runs.
func (t *tool) completeIDs(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	many := strings.Contains(c.Use, "…")
	if len(args) > 0 && !many {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	t.live(c, func(ctx context.Context, l *link) {
		page, err := l.Runs(ctx, mn.RunFilter{Text: typed, Limit: recent})
		if err != nil {
			return
		}
		for i := range page.Runs {
			r := &page.Runs[i]
			if id := string(r.ID); strings.HasPrefix(id, typed) && !slices.Contains(args, id) {
				about := term.Line(r.Definition) + " " + string(r.Status) + " " + term.Ago(r.Created, time.Now())
				offers = append(offers, cobra.CompletionWithDesc(id, about))
			}
		}
	})
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeNames offers definitions of a kind, or of any for "".
func (t *tool) completeNames(kind string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault // the input may be a file
		}
		return t.definitions(c, kind, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

func (t *tool) definitions(c *cobra.Command, kind, typed string) (offers []string) {
	t.live(c, func(ctx context.Context, l *link) {
		infos, err := l.Definitions(ctx)
		if err != nil {
			return
		}
		for _, d := range infos {
			if (kind == "" || d.Kind == kind) && strings.HasPrefix(d.Name, typed) && term.Line(d.Name) == d.Name {
				offers = append(offers, cobra.CompletionWithDesc(d.Name, d.Kind))
			}
		}
	})
	return offers
}

// completeFlags makes the values of flags complete, wherever they occur.
func (t *tool) completeFlags(root *cobra.Command) {
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("context", t.completeContexts)
	for _, c := range root.Commands() {
		if c.Flags().Lookup("definition") != nil {
			kind := "job"
			if c.Name() == "workers" {
				kind = ""
			}
			_ = c.RegisterFlagCompletionFunc("definition", func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
				return t.definitions(c, kind, typed), cobra.ShellCompDirectiveNoFileComp
			})
		}
		if c.Flags().Lookup("status") != nil {
			_ = c.RegisterFlagCompletionFunc("status", completeStatuses)
		}
		if c.Flags().Lookup("before") != nil {
			_ = c.RegisterFlagCompletionFunc("before", t.completeIDs)
		}
	}
}

// completeStatuses offers statuses, after those that stand before the last comma.
func completeStatuses(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	var offers []string
	for _, s := range mn.Statuses() {
		if offer := before + strings.ToLower(string(s)); strings.HasPrefix(offer, strings.ToLower(typed)) {
			offers = append(offers, offer)
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (t *tool) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := settings.Read(cmp.Or(t.flags.Config, t.getenv("MN_CONFIG")))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(file.Contexts)), cobra.ShellCompDirectiveNoFileComp
}
