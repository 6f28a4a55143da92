package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
)

// report prints the rows and the goals, and returns how many goals were not met.
func report(out io.Writer, o *options, s *servers, rows []row) (missed int) {
	if o.json {
		return reportJSON(out, rows)
	}
	fmt.Fprintf(out, "%s, %s, PostgreSQL %s, %s %s/%s, GOMAXPROCS %d, %d rounds of %g s, batches of %d, %s\n\n",
		redisServer, orNone(s.versions[redisServer]), orNone(s.versions[postgresServer]),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0),
		o.rounds, o.seconds, o.batch, durability(o.durable))
	table(out, rows)
	fmt.Fprintln(out)
	describe(out, driversOf(rows))
	return judge(out, rows)
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

func durability(durable bool) string {
	if durable {
		return "every commit reaches the disk"
	}
	return "nothing waits for the disk"
}

func driversOf(rows []row) (ds []*driver) {
	for i := range rows {
		ds = append(ds, rows[i].driver)
	}
	return ds
}

// table prints a line for each row: each figure, and its ratios to the floor's and mn's.
func table(out io.Writer, rows []row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tidle p50\tp99\t: floor\t: mn\t16 callers\t: floor\t: mn\tbatch\t: floor\t: mn\tat rest\t")
	fmt.Fprintln(w, "\tµs\tµs\t\t\t1/s\t\t\t1/s\t\t\t% of a core\t")
	for i := range rows {
		r, base := &rows[i], func(figure func(*row) float64) string {
			return fmt.Sprintf("%s\t%s", ratio(figure, &rows[i], rows, floorName), ratio(figure, &rows[i], rows, mnDriver.name))
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%s\t%.0f\t%s\t%.0f\t%s\t%s\t\n", r.driver.name,
			r.p50, r.p99, base(func(r *row) float64 { return r.p50 }),
			r.calls, base(func(r *row) float64 { return r.calls }),
			r.batch, base(func(r *row) float64 { return r.batch }), percent(r.idle))
	}
	_ = w.Flush() // who closed stdout does not want it
}

func percent(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.0f", v)
}

// ratio divides a row's figure by the same figure of the row of the given name.
func ratio(figure func(*row) float64, r *row, rows []row, name string) string {
	switch q := figure(r) / figureOf(rows, name, figure); {
	case math.IsNaN(q):
		return "–"
	case q >= 10:
		return fmt.Sprintf("%.0f", q)
	case q >= 0.1:
		return fmt.Sprintf("%.2f", q)
	default:
		return fmt.Sprintf("%.3f", q)
	}
}

// describe prints what each row does and does not do in the measured work.
func describe(out io.Writer, ds []*driver) {
	for _, d := range ds {
		t := &d.traits
		fmt.Fprintf(out, "%s%s\n", d.name, version(d.module))
		for _, line := range [][2]string{
			{"settings", t.settings},
			{"end", t.end},
			{"durability", t.durability},
			{"result", t.result},
			{"retries", t.retries},
			{"cancellation", t.cancellation},
			{"fencing", t.fencing},
		} {
			fmt.Fprintf(out, "  %-13s %s\n", line[0], line[1])
		}
		if !d.handsOver {
			fmt.Fprintln(out, "  not compared in the goals: nothing is handed over")
		}
		fmt.Fprintln(out)
	}
}

// version is that of a module in this program.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok || module == "" {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == module && m.Replace == nil {
			return " " + m.Version
		}
	}
	return ""
}

// jsonRow is a row as -json prints it.
type jsonRow struct {
	Row     string   `json:"row"`
	Version string   `json:"version,omitempty"`
	P50     float64  `json:"p50_us"`
	P99     float64  `json:"p99_us"`
	Calls   float64  `json:"calls_per_s"`
	Batch   float64  `json:"batch_per_s"`
	Idle    *float64 `json:"at_rest_percent"` // null where the system does not tell
}

// jsonGoal is a goal as -json prints it.
type jsonGoal struct {
	Goal  string   `json:"goal"`
	Ratio *float64 `json:"ratio"` // null if it was not measured
	Met   bool     `json:"met"`
}

func reportJSON(out io.Writer, rows []row) (missed int) {
	e := json.NewEncoder(out)
	for i := range rows {
		r := &rows[i]
		_ = e.Encode(jsonRow{ // who closed stdout does not want it
			r.driver.name, strings.TrimSpace(version(r.driver.module)), r.p50, r.p99, r.calls, r.batch, orNull(r.idle),
		})
	}
	for _, g := range goals(rows) {
		_ = e.Encode(jsonGoal{g.text, orNull(g.ratio), g.met()})
		if !g.met() {
			missed++
		}
	}
	return missed
}

func orNull(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}
