package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn"
)

// filter are the flags that choose runs.
type filter struct {
	definition string
	statuses   []string
	olderThan  age
	newerThan  age
	text       string
	limit      int
}

func (f *filter) add(c *cobra.Command, limit int) {
	flags := c.Flags()
	flags.StringVarP(&f.definition, "definition", "d", "", "only runs of the job `NAME`")
	flags.StringSliceVarP(&f.statuses, "status", "s", nil, "only runs with one of the `STATUSES`, such as failed,cancelled")
	flags.Var(&f.olderThan, "older-than", "only runs started longer ago than `AGE`, such as 90s, 12h, 7d or 2w")
	flags.Var(&f.newerThan, "newer-than", "only runs started since `AGE` ago")
	flags.StringVar(&f.text, "text", "", "only runs whose ID contains `TEXT`")
	flags.IntVarP(&f.limit, "limit", "n", limit, "at most so many runs, the newest; 0 is no limit")
}

// empty reports whether nothing was chosen.
func (f *filter) empty() bool {
	return f.definition == "" && len(f.statuses) == 0 && f.olderThan == 0 && f.newerThan == 0 && f.text == ""
}

func (f *filter) request(now time.Time) (mn.RunFilter, error) {
	r := mn.RunFilter{Definition: f.definition, Text: f.text, Limit: f.limit}
	if f.limit < 0 {
		return r, usage("--limit %d must not be negative", f.limit)
	}
	for _, text := range f.statuses {
		s := mn.Status(strings.ToUpper(strings.TrimSpace(text)))
		if !slices.Contains(mn.Statuses(), s) {
			return r, usage("--status %q is no status: use %s", text, joined(mn.Statuses()))
		}
		r.Statuses = append(r.Statuses, s)
	}
	if f.olderThan > 0 {
		r.To = now.Add(-time.Duration(f.olderThan))
	}
	if f.newerThan > 0 {
		r.From = now.Add(-time.Duration(f.newerThan))
	}
	return r, nil
}

func joined(statuses []mn.Status) string {
	var names []string
	for _, s := range statuses {
		names = append(names, strings.ToLower(string(s)))
	}
	return strings.Join(names, ", ")
}

// age is a flag for durations in Go's form, or in days or weeks.
type age time.Duration

// String implements pflag.Value.
func (a *age) String() string {
	if *a == 0 {
		return ""
	}
	return time.Duration(*a).String()
}

// Type implements pflag.Value.
func (a *age) Type() string { return "age" }

// Set implements pflag.Value.
func (a *age) Set(text string) error {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			f, err := strconv.ParseFloat(n, 64)
			if err != nil || !(f > 0) || f > 36500 {
				return fmt.Errorf("use an age like 90s, 12h, 7d or 2w")
			}
			*a = age(f * float64(length))
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("use an age like 90s, 12h, 7d or 2w")
	}
	*a = age(d)
	return nil
}
