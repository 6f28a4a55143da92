package dashboard

import (
	"fmt"
	"html/template"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/multinode/mn"
)

// functions are those of the templates. None lets data become markup: what is made here as
// markup holds numbers and times alone.
var functions = template.FuncMap{
	"when": when, "span": span, "seconds": seconds, "took": took, "num": num, "bytes": byteSize, "percent": percent,
	"lower": func(v any) string { return strings.ToLower(fmt.Sprint(v)) },
	"pretty": func(data []byte) template.HTML {
		html, _ := pretty(data, shownJSON)
		return html
	},
	"prettyShort": func(data []byte) template.HTML {
		html, all := pretty(data, shownYield)
		if !all {
			html += "\n…"
		}
		return html
	},
	"attrs": func(data []byte) string { return clip(visible(string(data))) },
	"level": level, "clock": clock, "link": link,
	"byteSize": func(data []byte) string { return byteSize(len(data)) },
	"cut": func(data []byte) bool {
		_, all := pretty(data, shownJSON)
		return !all
	},
	"tail": func(s string, n int) string { return s[max(0, len(s)-n):] },
	"clip": clip,
	"dict": dict,
}

// dict makes a template's argument of names and values.
func dict(pairs ...any) (map[string]any, error) {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// link makes an address below the root, whose query is encoded already.
func link(root, path, query string) string {
	if query == "" {
		return root + path
	}
	return root + path + "?" + query
}

// level is the class of a line of a log.
func level(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// clock shows the time of a line of a log.
func clock(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time class="clock" datetime=%q title=%q>%s</time>`, //nolint:gosec // digits alone
		t.Format("2006-01-02T15:04:05.000Z"), t.Format("2006-01-02 15:04:05.000000 UTC"), t.Format("15:04:05.000")))
}

// when shows a time; the page's script makes it relative to now.
func when(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	exact := t.Format("2006-01-02 15:04:05.000 UTC")
	return template.HTML(fmt.Sprintf(`<time datetime=%q title=%q>%s</time>`, //nolint:gosec // digits alone
		t.Format("2006-01-02T15:04:05.000Z"), exact, t.Format("01-02 15:04:05")))
}

// took shows how long something took from start to end. If it has not ended, the page's
// script counts on.
func took(start, end time.Time) template.HTML {
	switch {
	case start.IsZero():
		return "–"
	case end.IsZero():
		return template.HTML(fmt.Sprintf(`<time data-since="%d">running</time>`, start.UnixMilli())) //nolint:gosec // digits alone
	}
	return template.HTML(span(end.Sub(start))) //nolint:gosec // digits and units alone
}

// span words a duration in two units at most, as the page's script does.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", math.Floor(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %02d h", int(d.Hours())/24, int(d.Hours())%24)
}

// seconds words a number of them; NaN is nothing.
func seconds(s float64) string {
	if math.IsNaN(s) {
		return "–"
	}
	return span(time.Duration(s * float64(time.Second)))
}

// num groups the digits of a whole number, and shows fractions of small ones.
func num(v any) string {
	var f float64
	switch n := v.(type) {
	case int:
		f = float64(n)
	case int64:
		f = float64(n)
	case uint64:
		f = float64(n)
	case float64:
		f = n
	}
	switch {
	case math.IsNaN(f):
		return "–"
	case f != math.Trunc(f) && math.Abs(f) < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f != math.Trunc(f) && math.Abs(f) < 100:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(math.Abs(math.Round(f)), 'f', 0, 64)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f') // a narrow space that does not break
		}
		b.WriteRune(c)
	}
	if f < 0 {
		return "−" + b.String()
	}
	return b.String()
}

func byteSize(v any) string {
	var n int64
	switch b := v.(type) {
	case mn.Bytes:
		n = int64(b)
	case int:
		n = int64(b)
	}
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.4g KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.4g GiB", float64(n)/(1<<30))
}

// percent is a part of 1 in percent, without a sign; always down, so that 100 means all.
func percent(f float64) string { return strconv.FormatFloat(math.Floor(f*1000)/10, 'f', -1, 64) }

// shownText bounds texts such as errors and lines of a log on a page, in bytes.
const shownText = 16 << 10

// clip cuts a long text at a rune and says how long it is.
func clip(s string) string {
	if len(s) <= shownText {
		return s
	}
	return fmt.Sprintf("%s… (%s in all)", strings.ToValidUTF8(s[:shownText], ""), byteSize(len(s)))
}
