package dashboard

import (
	"context"
	"net/http"
	"time"

	"github.com/multinode/mn"
)

var overviewPage = &page{name: "overview", nav: "overview", every: sampleEvery, counts: true, open: openOverview}

// overviewRuns is how many runs each of the overview's lists holds.
const overviewRuns = 6

type overview struct {
	Definitions []definitionRow
	Totals      mn.DefinitionInfo
	Jobs        map[mn.Status]int
	Stored      int
	Now         point
	Live        bool // Now is of this moment
	Active      []mn.Run
	Failed      []mn.Run
}

// definitionRow is a definition and what the last seconds brought.
type definitionRow struct {
	mn.DefinitionInfo
	Busy int
	Now  point
	Live bool
	Line string // of the throughput, for a small drawing 100 wide and 20 high
}

type overviewSource struct {
	d     *Dashboard
	turn  int
	lists [2][]mn.Run
}

func openOverview(d *Dashboard, _ *http.Request) (source, error) {
	return &overviewSource{d: d}, nil
}

func (s *overviewSource) plotted() string { return "" }

// read reads the lists of runs at every other turn.
func (s *overviewSource) read(ctx context.Context) (any, error) {
	r, err := s.d.sampler.read(ctx)
	if err != nil {
		return nil, err
	}
	if s.turn%2 == 0 {
		for i, statuses := range [][]mn.Status{{mn.Running, mn.Cancelling}, {mn.Failed}} {
			page, err := s.d.inspect.Runs(ctx, mn.RunFilter{Statuses: statuses, Limit: overviewRuns})
			if err != nil {
				return nil, err
			}
			s.lists[i] = page.Runs
		}
	}
	s.turn++
	v := overview{Jobs: make(map[mn.Status]int), Active: s.lists[0], Failed: s.lists[1]}
	v.Now, v.Live = s.d.sampler.last("")
	v.Definitions = s.d.rows(r)
	for i := range r.infos {
		sum(&v.Totals, &r.infos[i])
		for st, n := range r.infos[i].Jobs {
			v.Jobs[st] += n
			v.Stored += n
		}
	}
	return &v, nil
}

func (d *Dashboard) rows(r reading) []definitionRow {
	rows := make([]definitionRow, len(r.infos))
	for i, info := range r.infos {
		rows[i] = definitionRow{DefinitionInfo: info, Busy: max(0, info.Workers-info.Idle-info.Starting)}
		rows[i].Now, rows[i].Live = d.sampler.last(info.Name)
		rows[i].Line = sparkline(d.sampler.plot(info.Name, r.at.Add(-2*time.Minute).UnixMilli()))
	}
	return rows
}

// Busy is how many workers execute something.
func (v *overview) Busy() int { return max(0, v.Totals.Workers-v.Totals.Idle-v.Totals.Starting) }

// Done is how many attempts end each second.
func (v *overview) Done() float64 { return v.Now.Done() }

// Wait95 is a quantile in seconds.
func (v *overview) Wait95() float64 { return v.Now.values[wait95] }

// Run95 is a quantile in seconds.
func (v *overview) Run95() float64 { return v.Now.values[run95] }

// FailedRate is how many attempts fail each second.
func (v *overview) FailedRate() float64 { return v.Now.values[failed] }

// Done is how many attempts ended each second.
func (p point) Done() float64 {
	return p.values[succeeded] + p.values[failed] + p.values[released]
}

// Wait50 and those that follow are quantiles in seconds.
func (p point) Wait50() float64 { return p.values[wait50] }

// Wait95 is a quantile in seconds.
func (p point) Wait95() float64 { return p.values[wait95] }

// Run50 is a quantile in seconds.
func (p point) Run50() float64 { return p.values[run50] }

// Run95 is a quantile in seconds.
func (p point) Run95() float64 { return p.values[run95] }

// Failed is how many attempts fail each second.
func (p point) Failed() float64 { return p.values[failed] }
