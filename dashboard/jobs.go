package dashboard

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/multinode/mn"
)

var jobsPage = &page{name: "jobs", nav: "jobs", every: 2 * time.Second, counts: true, open: openJobs}

const (
	jobsPerPage = 50
	// textPause is how many turns a page that looks for a text is left as it is: each
	// reading may look at ten thousand IDs.
	textPause = 3
)

type jobsView struct {
	Filter      filter
	Runs        []mn.Run
	Older       string // query of the next page, "" if this is the last
	Newest      string // query of the first page
	Definitions []string
	Counts      []statusCount
	Periods     any
	Searched    bool // by text, which looks at a part at a time
}

// statusCount is a choice of the list's statuses.
type statusCount struct {
	Name   string // "" for all
	Count  int
	Query  string
	Chosen bool
}

type jobsSource struct {
	d      *Dashboard
	filter filter
	turn   int
	last   *jobsView
}

func openJobs(d *Dashboard, r *http.Request) (source, error) {
	q := newQuery(r)
	s := &jobsSource{d: d, filter: q.filter()}
	return s, q.err
}

func (s *jobsSource) read(ctx context.Context) (any, error) {
	if s.turn++; s.filter.Text != "" && s.last != nil && s.turn%textPause != 0 {
		return s.last, nil
	}
	infos, err := s.d.sampler.read(ctx)
	if err != nil {
		return nil, err
	}
	f := s.filter.now()
	f.Limit = jobsPerPage
	page, err := s.d.inspect.Runs(ctx, f)
	if err != nil {
		return nil, err
	}
	v := &jobsView{Filter: s.filter, Runs: page.Runs, Periods: periods, Searched: f.Text != ""}
	words := s.filter.words()
	v.Newest = words.Encode()
	if page.Next != "" {
		words.Set("before", string(page.Next))
		v.Older = words.Encode()
	}
	v.count(infos.infos)
	s.last = v
	return v, nil
}

// count lists the statuses to choose from, with how many runs each has in the chosen
// definition: filters of time and text do not count.
func (v *jobsView) count(infos []mn.DefinitionInfo) {
	counts, all := make(map[mn.Status]int), 0
	for i := range infos {
		d := &infos[i]
		if d.Kind == "job" {
			v.Definitions = append(v.Definitions, d.Name)
		}
		if v.Filter.Definition != "" && v.Filter.Definition != d.Name {
			continue
		}
		for st, n := range d.Jobs {
			counts[st] += n
			all += n
		}
	}
	chosen := make(map[mn.Status]bool)
	for _, st := range v.Filter.Statuses {
		chosen[st] = true
	}
	words := v.Filter.words()
	words.Del("status")
	v.Counts = append(v.Counts, statusCount{"", all, words.Encode(), len(chosen) == 0})
	for _, st := range mn.Statuses() {
		words.Set("status", strings.ToLower(string(st)))
		v.Counts = append(v.Counts, statusCount{string(st), counts[st], words.Encode(), chosen[st]})
	}
}

// Fields are the filter's words as hidden fields of a form.
func (v *jobsView) Fields() [][2]string {
	var fields [][2]string
	for name, values := range v.Filter.words() {
		for _, value := range values {
			fields = append(fields, [2]string{name, value})
		}
	}
	return fields
}

// Filtered reports whether anything is filtered but the status.
func (v *jobsView) Filtered() bool {
	w := v.Filter.words()
	w.Del("status")
	return len(w) > 0
}

// Exact reports whether exact times are chosen.
func (v *jobsView) Exact() bool { return v.Filter.FromText != "" || v.Filter.ToText != "" }
