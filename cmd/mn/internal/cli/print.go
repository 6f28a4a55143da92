package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// line prints a value as one line of JSON, safe to show on a terminal.
func (t *tool) line(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(t.Out, term.JSON(b.String()))
	return err
}

// printf prints for people. Arguments are safe already.
func (t *tool) printf(format string, args ...any) {
	fmt.Fprintf(t.out, format, args...)
}

// say tells people on standard error what is not the command's answer.
func (t *tool) say(format string, args ...any) {
	if !t.json {
		fmt.Fprintf(t.errs, format, args...)
	}
}

// pretty indents JSON and makes it safe.
func pretty(value json.RawMessage, indent string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, value, indent, "  "); err != nil {
		return term.Text(string(value))
	}
	return term.JSON(b.String())
}

// compact is JSON on one line, safe and at most limit bytes long.
func compact(value json.RawMessage, limit int) string {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		return term.Line(string(value))
	}
	text := term.JSON(b.String())
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// shortID dims what IDs of one time have in common. Copied, it is the whole ID.
func shortID(id mn.JobID) string {
	s := string(id)
	if len(s) < tail {
		return term.Line(s)
	}
	return term.Faint(s[:len(s)-tail]) + s[len(s)-tail:]
}

// tail is the length of an ID's last part, which tells most runs apart.
const tail = 12

// took is how long a run has run, or waited if it has not begun.
func took(r *mn.Run, now time.Time) string {
	switch {
	case r.Started.IsZero() && r.Ended.IsZero():
		return ""
	case r.Started.IsZero():
		return "" // cancelled before it began
	case r.Ended.IsZero():
		return term.Span(max(0, now.Sub(r.Started)))
	}
	return term.Span(max(0, r.Ended.Sub(r.Started)))
}

// note is what else there is to say of a run, on one line.
func note(r *mn.Run, now time.Time) string {
	var text string
	switch {
	case r.Status == mn.Pending && r.NotBefore.After(now):
		text = "retry in " + term.Span(r.NotBefore.Sub(now))
		if r.Error != nil {
			text += ": " + term.Line(firstLine(r.Error.Message))
		}
	case r.Status == mn.Pending && r.Reason != "":
		text = term.Line(r.Reason)
	case r.Status == mn.Failed && r.Error != nil:
		text = term.Line(firstLine(r.Error.Message))
	case r.Progress != nil:
		text = term.Line(r.Progress.Message)
	}
	if r.Removing {
		return "will be removed  " + text
	}
	return text
}

func firstLine(s string) string {
	first, _, more := bytes.Cut([]byte(s), []byte("\n"))
	if more {
		return string(first) + " …"
	}
	return string(first)
}

// barWidth is the width of the bars in lists.
const barWidth = 10

// progress is a run's progress in a list: a bar and a percentage, or what is done.
func progress(r *mn.Run) string {
	switch p := r.Progress; {
	case p == nil && r.Yields == 0:
		return ""
	case p == nil && r.Yields == 1:
		return "1 yield"
	case p == nil:
		return term.Count(float64(r.Yields)) + " yields"
	case p.Total == 0:
		return term.Count(float64(p.Done)) + " " + term.Line(p.Unit)
	default:
		return fmt.Sprintf("%s %3d%%", term.Bar(p.Fraction(), barWidth), int(100*p.Fraction()))
	}
}
