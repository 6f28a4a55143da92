package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// expressions are all queries of the dashboard.
func expressions(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query json.RawMessage
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &dashboard))
	var all []string
	for _, p := range dashboard.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, v := range dashboard.Templating.List {
		var query struct{ Query string }
		if json.Unmarshal(v.Query, &query) == nil {
			all = append(all, query.Query)
		}
	}
	return all
}

var (
	quoted  = regexp.MustCompile(`"[^"]*"`)
	ranges  = regexp.MustCompile(`\[[^\]]*\]`)
	word    = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*[{]?`)
	grammar = []string{"sum", "max", "by", "rate", "histogram_quantile", "label_values"}
)

// unknown returns what an expression names that is not exposed: metrics, which stand before
// a brace, and labels of them.
func unknown(expr string, exposed map[string]map[string]bool) []string {
	expr = ranges.ReplaceAllString(quoted.ReplaceAllString(expr, ""), "")
	var metrics, labels, missing []string
	for _, w := range word.FindAllString(expr, -1) {
		if name, metric := strings.CutSuffix(w, "{"); metric {
			metrics = append(metrics, name)
		} else if !slices.Contains(grammar, w) {
			labels = append(labels, w)
		}
	}
	if len(metrics) == 0 {
		return []string{"no metric"}
	}
	for _, m := range metrics {
		if exposed[m] == nil {
			missing = append(missing, "metric "+m)
			continue
		}
		for _, l := range labels {
			if !exposed[m][l] {
				missing = append(missing, "label "+l+" of "+m)
			}
		}
	}
	return missing
}

func TestDashboardNamesOnlyWhatIsExposed(t *testing.T) {
	exposed := eventful(t)
	all := expressions(t)
	require.Greater(t, len(all), 10)
	for _, expr := range all {
		require.Empty(t, unknown(expr, exposed), expr)
	}
}

func TestDashboardShowsEveryMetric(t *testing.T) {
	shown := strings.Join(expressions(t), "\n")
	for name := range eventful(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
		if name == "target_info" || name == "otel_scope_info" {
			continue
		}
		require.Contains(t, shown, base, "no panel for %s", name)
	}
}

func TestUnknownNamesAreFound(t *testing.T) {
	exposed := map[string]map[string]bool{"a_total": {"app": true}}
	require.Empty(t, unknown(`sum by (app) (rate(a_total{app=~"$x"}[5m]))`, exposed))
	require.Equal(t, []string{"metric b_total"}, unknown(`rate(b_total{app="x"}[5m])`, exposed))
	require.Equal(t, []string{"label kind of a_total"}, unknown(`sum by (kind) (a_total{app="x"})`, exposed))
	require.Equal(t, []string{"no metric"}, unknown(`rate(a_total)`, exposed))
}
