package term

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

func TestTextCannotMoveTheCursor(t *testing.T) {
	for in, want := range map[string]string{
		"plain ö 日本 👩\u200d🚀": "plain ö 日本 👩\u200d🚀",
		"\x1b[2J\a\b\r\x7f":   `\x1b[2J\x07\x08\r\x7f`,
		"\u009b1m":            `\u009b1m`,
		"a\u202eb\u2066":      `a\u202eb\u2066`,
		"\xff\xc3":            `\xff\xc3`,
		"\ufffd":              "\ufffd",
		"\U000e0041":          `\U000e0041`,
		"a\tb\nc":             `a\tb\nc`,
	} {
		require.Equal(t, want, Line(in))
	}
	require.Equal(t, "a\tb\n\\x1bc", Text("a\tb\n\x1bc"))
}

func TestJSONMeansTheSameWhenItIsSafe(t *testing.T) {
	for _, text := range []string{"x\u009b\u202e\u007f", "\U000e0041", "plain ö", "\u2028"} {
		raw := `{"a":"` + text + `"}`
		safe := JSON(raw)
		var a, b map[string]string
		require.NoError(t, json.Unmarshal([]byte(raw), &a))
		require.NoError(t, json.Unmarshal([]byte(safe), &b))
		require.Equal(t, a, b)
		require.Equal(t, safe, Text(safe))
	}
}

func TestTablesAlignAndCut(t *testing.T) {
	table := Table{Head: []string{"A", "N", "LAST"}, Right: map[int]bool{1: true}, Cut: -1}
	table.Add(Red("日本"), "7", "end")
	table.Add("x", "123", "")
	require.Equal(t, "A       N  LAST\n日本    7  end\nx     123\n", ansi.Strip(table.String()))
	table.Width = 20
	table.Add("y", "1", strings.Repeat("long ", 10))
	for line := range strings.Lines(ansi.Strip(table.String())) {
		require.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), 20)
	}
	require.Contains(t, table.String(), "…")
}

func TestQuantitiesAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 850 * time.Microsecond: "850µs", 12 * time.Millisecond: "12ms", 1290 * time.Millisecond: "1.2s", 42 * time.Second: "42s",
		192 * time.Second: "3m12s", 5*time.Hour + 4*time.Minute: "5h04m", 51 * time.Hour: "2d3h", 400 * day: "1y35d", -time.Second: "-1s",
	} {
		require.Equal(t, want, Span(d))
	}
	now := time.Now()
	require.Equal(t, "3m12s ago", Ago(now.Add(-192*time.Second), now))
	require.Equal(t, "in 5s", Ago(now.Add(5*time.Second), now))
	require.Empty(t, Ago(time.Time{}, now))
	require.Equal(t, "9950", Count(9950))
	require.Equal(t, "12.3k", Count(12345))
	require.Equal(t, "4.5M", Count(4.5e6))
	require.Equal(t, "1.5 GiB", Bytes(3<<29))
}

func TestBarsAreAsWideAsAsked(t *testing.T) {
	for _, f := range []float64{0, 0.001, 0.33, 0.5, 0.999, 1} {
		require.Equal(t, 10, ansi.StringWidth(Bar(f, 10)), f)
	}
	require.Equal(t, " 42%  420/1000 rows  35/s  16s left  reading",
		Progress(mn.Progress{Done: 420, Total: 1000, Unit: "rows", Rate: 35, Remaining: 16 * time.Second, Message: "reading"}))
	require.Equal(t, "7 files", Progress(mn.Progress{Done: 7, Unit: "files"}))
}

func TestColoursAreForTerminalsOnly(t *testing.T) {
	write := func(c Colour, environ ...string) string {
		var b bytes.Buffer
		_, err := Output(&b, append(environ, "TERM=xterm-256color"), c).Write([]byte(Red("x")))
		require.NoError(t, err)
		return b.String()
	}
	require.Equal(t, "x", write(Auto))
	require.Equal(t, "x", write(Never))
	require.Contains(t, write(Always), "\x1b[31m")
}
