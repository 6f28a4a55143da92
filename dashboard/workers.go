package dashboard

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/multinode/mn"
)

var workersPage = &page{name: "workers", nav: "workers", every: 3 * time.Second, counts: true, open: openWorkers}

const (
	workersPerPage = 100
	// workersExchanges bounds how many definitions one page reads: each is an exchange.
	workersExchanges = 25
	// shownTasks is how many tasks of one worker are named.
	shownTasks = 5
)

type workersView struct {
	Definition  string // the only one that is shown, "" for all
	Definitions []definitionRow
	Workers     []workerRow
	Next        string // query of the next page
	First       bool
	Total       int
	Calls       bool // some tasks are calls, which have no page
}

type workerRow struct {
	mn.WorkerInfo
	IsJob bool // its tasks are runs
	More  int  // tasks that are not named
}

type workersSource struct {
	d    *Dashboard
	only string
	from string // the definition with which the page begins
	skip int    // workers of it
}

func openWorkers(d *Dashboard, r *http.Request) (source, error) {
	q := newQuery(r)
	s := &workersSource{d: d, only: q.form("definition", nameForm, "the name of a definition")}
	s.from = q.form("from", nameForm, "the name of a definition")
	if v := q.Get("skip"); v != "" {
		n, err := strconv.ParseUint(v, 10, 31)
		if s.skip = int(min(n, math.MaxInt32)); err != nil {
			q.fail("skip=%.80q is no number of workers.", v)
		}
	}
	return s, q.err
}

func (s *workersSource) read(ctx context.Context) (any, error) {
	r, err := s.d.sampler.read(ctx)
	if err != nil {
		return nil, err
	}
	v := &workersView{Definition: s.only, Definitions: s.d.rows(r), First: s.from == "" && s.skip == 0}
	skip, exchanges := s.skip, 0
	for i := range r.infos {
		d := &r.infos[i]
		if s.only != "" && d.Name != s.only {
			continue
		}
		v.Total += d.Workers
		if d.Workers == 0 || d.Name < s.from || v.Next != "" {
			continue
		}
		room := workersPerPage - len(v.Workers)
		if exchanges++; room == 0 || exchanges > workersExchanges {
			v.next(s.only, d.Name, 0)
			continue
		}
		if d.Name != s.from {
			skip = 0
		}
		list, err := s.d.inspect.Workers(ctx, d.Name, skip, room)
		if err != nil {
			return nil, err
		}
		v.add(list, d.Kind == "job")
		if len(list) == room && skip+room < d.Workers {
			v.next(s.only, d.Name, skip+room)
		}
	}
	return v, nil
}

func (v *workersView) add(list []mn.WorkerInfo, job bool) {
	for _, w := range list {
		row := workerRow{WorkerInfo: w, IsJob: job}
		if row.More = len(w.Tasks) - shownTasks; row.More > 0 {
			row.Tasks = w.Tasks[:shownTasks]
		}
		v.Workers = append(v.Workers, row)
	}
}

func (v *workersView) next(only, from string, skip int) {
	q := url.Values{"from": {from}, "skip": {strconv.Itoa(skip)}}
	if only != "" {
		q.Set("definition", only)
	}
	v.Next = q.Encode()
}
