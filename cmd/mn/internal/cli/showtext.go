package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/term"
)

// page is text that grows by sections.
type page struct {
	strings.Builder
	width int
}

func (p *page) field(name, value string) {
	if value != "" {
		fmt.Fprintf(p, "%s %s\n", term.Faint(fmt.Sprintf("%-9s", name)), value)
	}
}

func (p *page) section(name string) { fmt.Fprintf(p, "\n%s\n", term.Bold(name)) }

func (p *page) table(t *term.Table) {
	t.Width = max(0, p.width-len("  "))
	for line := range strings.Lines(t.String()) {
		p.WriteString("  " + line)
	}
}

// text is the run for people.
func (d *detail) text(now time.Time, width int) string {
	p := &page{width: width}
	d.head(p, now)
	d.failure(p)
	if len(d.Run.Input) > 0 {
		p.section("Input")
		fmt.Fprintf(p, "  %s\n", pretty(d.Run.Input, "  "))
	}
	if len(d.Run.Result) > 0 {
		p.section(fmt.Sprintf("Newest result (yield %d)", d.Run.Yields))
		fmt.Fprintf(p, "  %s\n", pretty(d.Run.Result, "  "))
	}
	d.attempts(p, now)
	d.calls(p, now)
	if len(d.Log) > 0 {
		p.section(fmt.Sprintf("Log, last lines (mn logs %s)", d.Run.ID))
		for i := range d.Log {
			fmt.Fprintf(p, "  %s\n", logText(&d.Log[i], string(d.Run.ID)))
		}
	}
	return p.String()
}

func (d *detail) head(p *page, now time.Time) {
	r := &d.Run
	p.field("Run", term.Bold(string(r.ID)))
	p.field("Job", term.Line(r.Definition))
	status := term.Status(string(r.Status))
	if r.Removing {
		status += ", will be removed when it has ended"
	}
	p.field("Status", status)
	if r.Progress != nil {
		bar := ""
		if r.Progress.Total > 0 {
			bar = term.Bar(r.Progress.Fraction(), 2*barWidth) + " "
		}
		p.field("Progress", bar+term.Progress(*r.Progress))
	}
	p.field("Reason", term.Line(r.Reason))
	p.field("Created", moment(r.Created, now))
	p.field("Started", moment(r.Started, now))
	p.field("Ended", moment(r.Ended, now))
	p.field("Took", took(r, now))
	if r.NotBefore.After(now) {
		p.field("Retry", term.Ago(r.NotBefore, now))
	}
	p.field("Worker", term.Line(r.Worker))
	p.field("Parent", term.Line(r.Parent))
	var locks []string
	for _, key := range r.Locks {
		locks = append(locks, term.Line(key))
	}
	p.field("Locks", strings.Join(locks, ", "))
	p.field("Unreadable", term.Yellow(term.Line(r.Unreadable)))
}

// moment is a time, and how long ago it was.
func moment(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Local().Format("2006-01-02 15:04:05.000 MST") + term.Faint("  "+term.Ago(at, now))
}

// failure prints the error with its stack.
func (d *detail) failure(p *page) {
	e := d.Run.Error
	if e == nil {
		return
	}
	p.section(fmt.Sprintf("Error of attempt %d", e.Attempt))
	fmt.Fprintf(p, "  %s\n", term.Red(indent(term.Text(e.Message))))
	if e.Permanent {
		fmt.Fprintf(p, "  %s\n", term.Faint("permanent: not tried again"))
	}
	if e.Stack != "" {
		fmt.Fprintf(p, "\n  %s\n", term.Faint(indent(strings.TrimSpace(term.Text(e.Stack)))))
	}
}

func indent(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

func (d *detail) attempts(p *page, now time.Time) {
	if len(d.Attempts) == 0 {
		return
	}
	p.section("Attempts")
	t := &term.Table{Head: []string{"TRY", "STARTED", "TOOK", "WORKER", "ERROR"}, Right: map[int]bool{0: true, 2: true}, Cut: -1}
	for _, a := range d.Attempts {
		end, text := a.Ended, ""
		if end.IsZero() {
			end = now
		}
		if a.Error != nil {
			text = term.Line(firstLine(a.Error.Message))
		}
		t.Add(fmt.Sprint(a.Number), term.Ago(a.Started, now), term.Span(max(0, end.Sub(a.Started))), term.Line(a.Worker), text)
	}
	p.table(t)
}

// calls prints the calls as a tree, in the order in which they began.
func (d *detail) calls(p *page, now time.Time) {
	if len(d.Calls.Calls) == 0 && len(d.Calls.Skipped) == 0 {
		return
	}
	p.section("Calls")
	children, known := make(map[string][]*mn.CallInfo), make(map[string]bool)
	for i := range d.Calls.Calls {
		known[d.Calls.Calls[i].ID] = true
	}
	for i := range d.Calls.Calls {
		c := &d.Calls.Calls[i]
		parent := c.Parent
		if !known[parent] {
			parent = "" // the run itself, or a call that is not kept
		}
		children[parent] = append(children[parent], c)
	}
	t := &term.Table{Head: []string{"CALL", "STATUS", "TOOK", "TRY", "WORKER", "ERROR"}, Right: map[int]bool{2: true, 3: true}, Cut: -1}
	d.branch(t, children, "", "", now)
	p.table(t)
	for _, name := range slices.Sorted(maps.Keys(d.Calls.Skipped)) {
		fmt.Fprintf(p, "  %s\n", term.Faint(fmt.Sprintf("and %d more of %s, too quick to be kept one by one", d.Calls.Skipped[name], term.Line(name))))
	}
}

func (d *detail) branch(t *term.Table, children map[string][]*mn.CallInfo, parent, lead string, now time.Time) {
	list := children[parent]
	delete(children, parent) // whatever is stored, no call is shown twice
	slices.SortStableFunc(list, func(a, b *mn.CallInfo) int { return a.Created.Compare(b.Created) })
	list, alike := collapse(list, children)
	for i, c := range list {
		mark, next := "├ ", "│ "
		if i == len(list)-1 {
			mark, next = "└ ", "  "
		}
		end := c.Ended
		if end.IsZero() {
			end = now
		}
		if n := alike[c]; n > 0 {
			t.Add(fmt.Sprintf("%s%s%s ×%d", lead, mark, term.Line(c.Definition), n), term.Status(string(c.Status)), "≤ "+term.Span(c.Ended.Sub(c.Started)))
			continue
		}
		t.Add(lead+mark+term.Line(c.Definition), term.Status(string(c.Status)), term.Span(max(0, end.Sub(c.Started))),
			fmt.Sprint(c.Attempt), term.Line(c.Worker), ansi.Truncate(term.Line(firstLine(c.Error)), 80, "…"))
		d.branch(t, children, c.ID, lead+next, now)
	}
}

// many is how many calls alike are shown as one line.
const many = 6

// collapse leaves of many calls that made none themselves, of one definition and with one
// ending, only the longest, and says how many it stands for.
func collapse(list []*mn.CallInfo, children map[string][]*mn.CallInfo) ([]*mn.CallInfo, map[*mn.CallInfo]int) {
	type kind struct {
		definition string
		status     mn.Status
	}
	groups := make(map[kind][]*mn.CallInfo)
	for _, c := range list {
		if len(children[c.ID]) == 0 && !c.Ended.IsZero() && c.Error == "" {
			k := kind{c.Definition, c.Status}
			groups[k] = append(groups[k], c)
		}
	}
	alike, dropped := make(map[*mn.CallInfo]int), make(map[*mn.CallInfo]bool)
	for _, group := range groups {
		if len(group) < many {
			continue
		}
		longest := slices.MaxFunc(group, func(a, b *mn.CallInfo) int { return cmp.Compare(a.Ended.Sub(a.Started), b.Ended.Sub(b.Started)) })
		for _, c := range group {
			dropped[c] = c != longest
		}
		alike[longest] = len(group)
	}
	return slices.DeleteFunc(list, func(c *mn.CallInfo) bool { return dropped[c] }), alike
}
