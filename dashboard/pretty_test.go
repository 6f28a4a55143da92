package dashboard

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var tags = regexp.MustCompile(`</?span( class="j-[ksnw]")?>`)

// plain is what a reader sees.
func plain(data string, limit int) (string, bool) {
	out, all := pretty([]byte(data), limit)
	return html.UnescapeString(tags.ReplaceAllString(string(out), "")), all
}

func TestPrettyIsLaidOutLikeIndent(t *testing.T) {
	for _, value := range []any{
		nil, true, 1.5, "a",
		[]any{},
		map[string]any{},
		[]any{1, "x", []any{nil}},
		map[string]any{"a": []any{1, map[string]any{"b": "c,d:{}[]\"\\"}}, "e": map[string]any{}},
	} {
		data, err := json.Marshal(value)
		require.NoError(t, err)
		want, err := json.MarshalIndent(value, "", "  ")
		require.NoError(t, err)
		got, all := plain(string(data), 1<<20)
		require.True(t, all)
		require.Equal(t, string(want), got)
	}
}

func TestPrettyMarksKeys(t *testing.T) {
	out, _ := pretty([]byte(`{"a":"b","c":["d"]}`), 1<<20)
	require.Equal(t, 2, strings.Count(string(out), `class="j-k"`))
	require.Equal(t, 2, strings.Count(string(out), `class="j-s"`))
}

func TestPrettyNeverMakesMarkupOfData(t *testing.T) {
	for _, data := range []string{
		`"<script>alert(1)</script>"`, `{"<b>":"&<i>'"}`, `<script>`, `{<img src=x>:`, `"\u202e" <`, "\"\u202e\u2067\x00\"",
	} {
		out, _ := pretty([]byte(data), 1<<20)
		rest := tags.ReplaceAllString(string(out), "")
		require.NotContains(t, rest, "<", data)
		require.NotContains(t, rest, "\u202e")
	}
}

func TestPrettyIsBounded(t *testing.T) {
	for name, data := range map[string]string{
		"long": `"` + strings.Repeat("é", 1<<20) + `"`, "deep": strings.Repeat("[", 1<<20), "wide": "[" + strings.Repeat("1,", 1<<19) + "1]",
		"broken": strings.Repeat(`{"a":`, 1<<18), "closing": strings.Repeat("]", 1<<20), "bytes": strings.Repeat("\xff", 1<<20),
	} {
		out, all := pretty([]byte(data), 4<<10)
		require.False(t, all, name)
		require.Less(t, len(out), 400<<10, name)
	}
}
