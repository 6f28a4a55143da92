package dashboard

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/multinode/mn"
)

var jobPage = &page{name: "job", nav: "jobs", every: 500 * time.Millisecond, open: openJob}

const (
	// The run itself is read at every turn while it lives; what belongs to it and costs more
	// exchanges at every so many turns. Together these are fewer than ten exchanges a second.
	logEvery    = 2
	aroundEvery = 6
	// endedEvery is how often anything is read of a run that has ended.
	endedEvery = 10
	// shownYields and shownLines bound the page.
	shownYields = 20
	shownLines  = 300
)

type jobView struct {
	mn.Run
	Attempts []mn.AttemptInfo
	Timeline timeline
	Calls    callTable
	Yielded  []mn.YieldInfo // newest first; empty unless more than the newest is kept
	Lines    []mn.LogEntry  // of the page's first reading
}

// jobSource remembers what it has read of a run.
type jobSource struct {
	d    *Dashboard
	id   mn.JobID
	turn int
	view jobView
	tree mn.CallTree

	unread   bool // something was read late, after the run had changed
	yields   uint64
	lastLine uint64
	new      []mn.LogEntry
}

func openJob(d *Dashboard, r *http.Request) (source, error) {
	return &jobSource{d: d, id: mn.JobID(r.PathValue("id"))}, nil
}

func (s *jobSource) read(ctx context.Context) (any, error) {
	defer func() { s.turn++ }()
	s.new = nil
	if s.view.Status.Terminal() && !s.unread && s.turn%endedEvery != 0 {
		v := s.view
		return &v, nil
	}
	run, err := s.d.inspect.Run(ctx, s.id)
	if err != nil {
		return nil, err
	}
	changed := run.Status != s.view.Status || run.Attempt != s.view.Attempt
	s.view.Run = run
	around := changed || s.unread || s.turn%aroundEvery == 0
	s.unread = changed && s.turn > 0 // logs and calls arrive a little later than the end
	if around || s.turn%logEvery == 0 {
		if err := s.log(ctx); err != nil {
			return nil, err
		}
	}
	if around {
		if err := s.around(ctx); err != nil {
			return nil, err
		}
	}
	s.view.Timeline = newTimeline(&s.view.Run, s.view.Attempts, s.tree.Calls, time.Now())
	v := s.view
	return &v, nil
}

// around reads what belongs to the run.
func (s *jobSource) around(ctx context.Context) (err error) {
	if s.view.Attempts, err = s.d.inspect.Attempts(ctx, s.id); err != nil {
		return err
	}
	if s.tree, err = s.d.inspect.Calls(ctx, s.id); err != nil {
		return err
	}
	s.view.Calls = newCallTable(string(s.id), s.tree)
	if n := s.view.Run.Yields; n != s.yields {
		page, err := s.d.inspect.Yields(ctx, s.id, n-min(n, shownYields), shownYields)
		if err != nil && s.view.Unreadable == "" {
			return err
		}
		s.yields, s.view.Yielded = n, nil
		for i := len(page) - 1; i >= 0 && len(page) > 1; i-- {
			s.view.Yielded = append(s.view.Yielded, page[i])
		}
	}
	return nil
}

// log reads the lines that are new.
func (s *jobSource) log(ctx context.Context) error {
	opts := []mn.LogOption{mn.LogNoFollow(), mn.LogLast(shownLines)}
	if s.lastLine > 0 {
		opts = append(opts, mn.LogAfter(s.lastLine))
	}
	for e, err := range s.d.app.Logs(ctx, s.id, opts...) {
		if err != nil {
			return err
		}
		s.lastLine = e.Number
		s.new = append(s.new, e)
	}
	if s.turn == 0 {
		s.view.Lines = s.new
	}
	return nil
}

// fresh renders the lines of the last reading.
func (s *jobSource) fresh() ([]line, error) {
	lines := make([]line, len(s.new))
	for i := range s.new {
		var buf bytes.Buffer
		if err := layouts["job"].ExecuteTemplate(&buf, "line", &s.new[i]); err != nil {
			return nil, err
		}
		lines[i] = line{s.new[i].Number, buf.String()}
	}
	return lines, nil
}

// Live reports whether the run has not ended.
func (v *jobView) Live() bool { return !v.Status.Terminal() }

// raw serves a value as it is, whole.
func (d *Dashboard) raw(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readBound)
	defer cancel()
	run, err := d.inspect.Run(ctx, mn.JobID(r.PathValue("id")))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	field := r.PathValue("field")
	value, ok := map[string][]byte{"input": run.Input, "result": run.Result}[field]
	if !ok || value == nil {
		d.fail(w, r, problem{http.StatusNotFound, "This run has no such value, or it cannot be read."})
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+string(run.ID)+"-"+field+`.json"`)
	if r.Method != http.MethodHead {
		_, _ = w.Write(value)
	}
}
