package cli

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

const (
	// shortest is the shortest part of an ID that is looked for.
	shortest = 4
	// looked bounds at how many pages of IDs, the newest, a part is looked for: Inspector.Runs looks
	// at 10 000 IDs for each.
	looked = 10
	// shown is how many candidates an error lists.
	shown = 5
)

// find turns what a user has written into the run's ID: the whole of it, or a part that no
// other run has. Runs of one time begin alike, so the end is what tells them apart.
func (l *link) find(ctx context.Context, text string) (mn.JobID, error) {
	text = strings.ToLower(strings.TrimLeft(strings.TrimSpace(text), "…."))
	if id, err := uuid.Parse(text); err == nil {
		r, err := l.Run(ctx, mn.JobID(id.String()))
		return r.ID, err
	}
	if len(text) < shortest {
		return "", usage("%q is too short to find a run: use at least %d characters of its ID", text, shortest)
	}
	found, err := l.having(ctx, text)
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", coded(ExitNotFound, "no run of app %q has %q in its ID", l.where.App, text)
	case len(found) == 1:
		return found[0].ID, nil
	}
	return "", usage("%q is ambiguous:%s", text, candidates(found))
}

// having reads runs with text in their IDs, a few of them, newest first. Those that end with
// it come before all others.
func (l *link) having(ctx context.Context, text string) ([]mn.Run, error) {
	var all, ending []mn.Run
	f := mn.RunFilter{Text: text, Limit: shown + 1}
	for range looked {
		page, err := l.Runs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Runs {
			if all = append(all, r); strings.HasSuffix(string(r.ID), text) {
				ending = append(ending, r)
			}
		}
		if f.Before = page.Next; f.Before == "" || len(all) > shown {
			break
		}
	}
	if len(ending) == 1 {
		return ending, nil
	}
	return all, nil
}

func candidates(runs []mn.Run) string {
	var b strings.Builder
	for i, r := range runs {
		if i == shown {
			b.WriteString("\n  …")
			break
		}
		b.WriteString("\n  " + string(r.ID) + "  " + term.Line(r.Definition) + "  " + string(r.Status))
	}
	return b.String()
}
