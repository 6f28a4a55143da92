package cli_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

var update = flag.Bool("update", false, "write testdata/shapes.golden anew")

// shape lists the paths of a JSON value with their types.
func shape(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if slices.Contains([]string{"attrs", "input", "result"}, k) { // the program says what they hold
				into[path+"."+k] = "JSON"
				continue
			}
			shape(path+"."+k, e, into)
		}
	case []any:
		for _, e := range v {
			shape(path+"[]", e, into)
		}
	case string:
		into[path] = "string"
	case float64:
		into[path] = "number"
	case bool:
		into[path] = "bool"
	default:
		into[path] = fmt.Sprintf("%v", v)
	}
}

// The shapes of --json are promised in docs/cli.md: what changes here breaks scripts.
func TestShapesOfJSONStay(t *testing.T) {
	r := newRig(t, sound...)
	good, bad := r.start("parts", "2"), r.start("break", `"panic"`)
	held, half := r.start("hold", `"x"`, "--lock", "a"), r.start("import", "2")
	r.gate <- struct{}{}
	for id, s := range map[string]mn.Status{good: mn.Succeeded, bad: mn.Failed, held: mn.Running} {
		r.until(id, s)
	}
	require.Eventually(t, func() bool {
		return strings.Contains(r.run("show", half).out, "reading") && strings.Contains(r.run("show", good).out, "double")
	}, bound, tick)
	var text strings.Builder
	for _, c := range [][]string{
		{"ps"},
		{"show", good},
		{"show", bad},
		{"show", held},
		{"show", half},
		{"logs", bad},
		{"pools"},
		{"workers"},
		{"locks"},
		{"watch", good},
		{"top", "--count", "1"},
		{"doctor"},
		{"retry", bad},
		{"cancel", held},
		{"rm", "-s", "failed", "-y"},
		{"start", "parts", "1"},
	} {
		found := make(map[string]string)
		for _, o := range r.lines(c...) {
			shape("", o, found)
		}
		name := c[0]
		if name == "show" {
			name += " " + map[string]string{good: "(succeeded)", bad: "(failed)", held: "(running)", half: "(progress)"}[c[1]]
		}
		fmt.Fprintf(&text, "mn %s\n", name)
		for _, path := range slices.Sorted(maps.Keys(found)) {
			fmt.Fprintf(&text, "  %s %s\n", strings.TrimPrefix(path, "."), found[path])
		}
	}
	const golden = "testdata/shapes.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(text.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), text.String(), "if that is meant: go test -run Shapes -update, and docs/cli.md")
}
