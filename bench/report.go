package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"unicode/utf8"
)

const columns = 8

// The table's columns. Rows are printed as they come, so widths are fixed, apart
// from the first column's.
var (
	titles = [columns]string{"measure", "backend", "value", "unit", "floor", "ratio", "target", "met"}
	widths = [columns]int{0, 8, 10, 8, 10, 7, 7, 3}
	right  = [columns]bool{2: true, 4: true, 5: true, 6: true}
)

// report prints rows as they come: as a table, or as JSON.
type report struct {
	*options
	out, log io.Writer // the summary of a JSON report goes to log
	widths   [columns]int
	targets  int
	missed   []string
}

func newReport(o *options, chosen []measure, out, log io.Writer) *report {
	r := &report{options: o, out: out, log: log, widths: widths}
	if !o.json {
		r.log = out
	}
	for i := range chosen {
		r.widths[0] = max(r.widths[0], utf8.RuneCountInString(chosen[i].name))
	}
	return r
}

func (r *report) begin() {
	if r.json {
		return
	}
	fmt.Fprintf(r.out, "%s, %s %s/%s, GOMAXPROCS %d, %g s a measure\n\n",
		r.driver.name, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), r.seconds)
	r.line(titles)
}

func (r *report) add(w row) {
	if w.Target != nil {
		r.targets++
	}
	if w.missed() {
		r.missed = append(r.missed, w.Measure)
	}
	if r.json {
		_ = json.NewEncoder(r.out).Encode(w) // as with Fprint, who closed stdout does not want it
		return
	}
	r.line(w.cells())
}

func (r *report) line(cells [columns]string) {
	var b strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", max(0, r.widths[i]-utf8.RuneCountInString(cell)))
		if right[i] {
			b.WriteString(pad + cell + "  ")
		} else {
			b.WriteString(cell + pad + "  ")
		}
	}
	fmt.Fprintln(r.out, strings.TrimRight(b.String(), " "))
}

// end prints the summary and returns how many targets were missed.
func (r *report) end() int {
	if !r.json {
		fmt.Fprintln(r.out)
	}
	fmt.Fprintf(r.log, "%d of %d targets met", r.targets-len(r.missed), r.targets)
	if len(r.missed) > 0 {
		fmt.Fprintf(r.log, "; missed: %s", strings.Join(r.missed, "; "))
	}
	fmt.Fprintln(r.log)
	return len(r.missed)
}
