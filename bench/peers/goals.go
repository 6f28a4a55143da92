package main

import (
	"fmt"
	"io"
	"math"
)

// The goals: throughput of mn's function, awaited, against the best row of a peer, and
// its idle latency against that of the fastest peer which hands the work over.
const (
	timesAsynq     = 10
	timesRiver     = 20
	latencyPortion = 0.1
)

// goal is a bound on a ratio of mn's figure to a peer's.
type goal struct {
	text    string
	ratio   float64 // NaN if one of the two was not measured
	floor   float64 // the ratio that the floor has, for what is possible at all
	bound   float64
	atLeast bool
}

func (g *goal) met() bool {
	if g.atLeast {
		return g.ratio >= g.bound
	}
	return g.ratio <= g.bound
}

func (g *goal) String() string {
	verdict, ratio := "MISS", fmt.Sprintf("%.2f", g.ratio)
	switch {
	case math.IsNaN(g.ratio):
		ratio = "not measured"
	case g.met():
		verdict = "PASS"
	}
	return fmt.Sprintf("%s  %s: %s (the floor: %.2f)", verdict, g.text, ratio, g.floor)
}

// goals compares mn's row with those of the peers.
func goals(rows []row) []*goal {
	var gs []*goal
	for _, of := range []struct {
		peer   string
		module string
		times  float64
	}{{"asynq", asynqModule, timesAsynq}, {"River", riverModule, timesRiver}} {
		calls := func(r *row) float64 { return r.calls }
		batch := func(r *row) float64 { return r.batch }
		gs = append(gs, &goal{
			text:  fmt.Sprintf("mn ≥ %g × %s, %d callers", of.times, of.peer, callers),
			ratio: figureOf(rows, mnDriver.name, calls) / most(rows, of.module, calls),
			floor: figureOf(rows, floorName, calls) / most(rows, of.module, calls), bound: of.times, atLeast: true,
		}, &goal{
			text:  fmt.Sprintf("mn ≥ %g × %s, batch", of.times, of.peer),
			ratio: figureOf(rows, mnDriver.name, batch) / most(rows, of.module, batch),
			floor: figureOf(rows, floorName, batch) / most(rows, of.module, batch), bound: of.times, atLeast: true,
		})
	}
	p50 := func(r *row) float64 { return r.p50 }
	name, lowest := fastest(rows)
	return append(gs, &goal{
		text:  fmt.Sprintf("mn ≤ %g × the lowest idle p50 of a peer (%s)", latencyPortion, name),
		ratio: figureOf(rows, mnDriver.name, p50) / lowest, floor: figureOf(rows, floorName, p50) / lowest, bound: latencyPortion,
	})
}

// figureOf returns a figure of the row of the given name, NaN without it.
func figureOf(rows []row, name string, figure func(*row) float64) float64 {
	for i := range rows {
		if rows[i].driver.name == name {
			return figure(&rows[i])
		}
	}
	return math.NaN()
}

// most returns the highest figure of a module's rows, NaN without any.
func most(rows []row, module string, figure func(*row) float64) float64 {
	highest := math.NaN()
	for i := range rows {
		if v := figure(&rows[i]); rows[i].driver.module == module && !(v <= highest) {
			highest = v
		}
	}
	return highest
}

// fastest returns the name and the idle p50 of the fastest peer that hands work over.
func fastest(rows []row) (name string, lowest float64) {
	name, lowest = "none", math.NaN()
	for i := range rows {
		d := rows[i].driver
		if d.module == "" || d.module == mnModule || !d.handsOver || rows[i].p50 >= lowest {
			continue
		}
		name, lowest = d.name, rows[i].p50
	}
	return name, lowest
}

// judge prints the goals and returns how many were not met.
func judge(out io.Writer, rows []row) (missed int) {
	for _, g := range goals(rows) {
		fmt.Fprintln(out, g)
		if !g.met() {
			missed++
		}
	}
	return missed
}
