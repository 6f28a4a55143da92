package dashboard

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/multinode/mn"
)

const (
	// keptPoints is how many points each plot has: ten minutes.
	keptPoints = 300
	// keptSeries bounds for how many definitions there are plots.
	keptSeries = 200
)

// point is what the plots show of one moment. Where there is nothing to show it is NaN.
type point struct {
	T int64 // milliseconds since 1970
	values
}

// values in the order in which they are sent.
type values [valueCount]float64

const (
	succeeded = iota // attempts a second, like the next two
	failed
	released
	pending
	delayed
	running
	busy
	idle
	starting
	wait50 // seconds, like the rest
	wait95
	wait99
	run50
	run95
	run99
	valueCount
)

func (p *point) at() time.Time { return time.UnixMilli(p.T) }

// MarshalJSON implements [json.Marshaler]: an array, with null for NaN.
func (p point) MarshalJSON() ([]byte, error) {
	out := make([]any, 1, 1+valueCount)
	out[0] = p.T
	for _, v := range p.values {
		if math.IsNaN(v) {
			out = append(out, nil)
		} else {
			out = append(out, math.Round(v*1e6)/1e6)
		}
	}
	return json.Marshal(out)
}

// history holds the newest points of each definition, and under "" of all together.
type history map[string][]point

// add adds the point that two readings make.
func (h history) add(before, now reading) {
	earlier := make(map[string]*mn.DefinitionInfo, len(before.infos))
	for i := range before.infos {
		earlier[before.infos[i].Name] = &before.infos[i]
	}
	span := now.at.Sub(before.at)
	var all, allBefore mn.DefinitionInfo
	for i := range now.infos {
		d := &now.infos[i]
		old := earlier[d.Name]
		if old == nil {
			old = new(mn.DefinitionInfo)
		}
		sum(&all, d)
		sum(&allBefore, old)
		if len(h) <= keptSeries || h[d.Name] != nil {
			h.append(d.Name, makePoint(now.at, span, old, d))
		}
	}
	h.append("", makePoint(now.at, span, &allBefore, &all))
	for name := range h {
		if name != "" && !slices.ContainsFunc(now.infos, func(d mn.DefinitionInfo) bool { return d.Name == name }) {
			delete(h, name)
		}
	}
}

func sum(all, d *mn.DefinitionInfo) {
	all.Pending += d.Pending
	all.Delayed += d.Delayed
	all.Running += d.Running
	all.Workers += d.Workers
	all.Starting += d.Starting
	all.Idle += d.Idle
	all.Stats.Add(&d.Stats)
}

func (h history) append(name string, p point) {
	points := h[name]
	if len(points) == keptPoints {
		points = slices.Delete(points, 0, 1)
	}
	h[name] = append(points, p)
}

// gap breaks the plots' lines after t.
func (h history) gap(t time.Time) {
	p := point{T: t.UnixMilli() + 1}
	for i := range p.values {
		p.values[i] = math.NaN()
	}
	for name := range h {
		h.append(name, p)
	}
}

func (h history) since(name string, after int64) []point {
	points := h[name]
	i, _ := slices.BinarySearchFunc(points, after+1, func(p point, t int64) int { return int(p.T - t) })
	return slices.Clone(points[i:])
}

// makePoint takes rates and quantiles from what was counted during span.
func makePoint(at time.Time, span time.Duration, old, d *mn.DefinitionInfo) point {
	p := point{T: at.UnixMilli()}
	rate := func(now, then uint64) float64 {
		if span <= 0 {
			return math.NaN() // the first reading
		}
		return float64(now-min(then, now)) / span.Seconds()
	}
	p.values[succeeded] = rate(d.Stats.Succeeded, old.Stats.Succeeded)
	p.values[failed] = rate(d.Stats.Failed, old.Stats.Failed)
	p.values[released] = rate(d.Stats.Released, old.Stats.Released)
	p.values[pending], p.values[delayed], p.values[running] = float64(d.Pending), float64(d.Delayed), float64(d.Running)
	p.values[idle], p.values[starting] = float64(d.Idle), float64(d.Starting)
	p.values[busy] = float64(max(0, d.Workers-d.Idle-d.Starting))
	waits, runs := d.Stats.Wait.Minus(old.Stats.Wait), d.Stats.Run.Minus(old.Stats.Run)
	for i, q := range []float64{0.5, 0.95, 0.99} {
		p.values[wait50+i], p.values[run50+i] = quantile(&waits, q), quantile(&runs, q)
	}
	return p
}

// quantile is in seconds.
func quantile(h *mn.Histogram, q float64) float64 {
	if h.Count() == 0 {
		return math.NaN()
	}
	return h.Quantile(q).Seconds()
}
