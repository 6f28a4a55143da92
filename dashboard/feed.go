package dashboard

import (
	"context"
	"maps"
	"sync"
	"time"
)

// keptLines is how many lines of a log a feed holds for those who come later.
const keptLines = 500

// feed reads one page again and again while somebody watches it, and holds its newest state.
// Watchers take from it what has changed since they last looked, so a slow one misses
// steps in between but never the last.
type feed struct {
	d        *Dashboard
	page     *page
	source   source
	frame    frame
	key      string
	watchers int // guarded by hub.mu
	ctx      context.Context
	end      context.CancelFunc // for the last watcher that goes

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	version uint64
	parts   map[string]part
	lines   []line
	fault   problem // why the newest reading failed; status 0 if it did not
}

// part is a piece of a page and the version of the feed since which it is as it is.
type part struct {
	html    string
	version uint64
}

// line is a line of a log, ready to be added to a page.
type line struct {
	Number uint64 `json:"n"`
	HTML   string `json:"html"`
}

// tailer is a source that has lines to be added, not replaced.
type tailer interface {
	source
	// fresh returns the lines that the last reading brought.
	fresh() ([]line, error)
}

// plotter is a source whose page has plots.
type plotter interface {
	source
	// plotted names the definition that is plotted, "" for all together.
	plotted() string
}

func newFeed(d *Dashboard, p *page, src source, f frame) *feed {
	ctx, cancel := context.WithCancel(d.lifetime)
	return &feed{
		d: d, page: p, source: src, frame: f, ctx: ctx, end: cancel, changed: make(chan struct{}),
		parts: make(map[string]part),
	}
}

// run reads until nobody watches any more.
func (f *feed) run(context.Context) {
	ctx := f.ctx
	defer f.end()
	if f.page.counts {
		defer f.d.sampler.watch()()
	}
	tick := time.NewTicker(f.page.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		f.step(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// step reads once and tells the watchers what is new.
func (f *feed) step(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, readBound)
	defer cancel()
	var fresh []line
	var now map[string]string
	view, err := f.source.read(reading)
	if err == nil {
		f.frame.View = view
		now, err = renderParts(&f.frame)
	}
	if t, ok := f.source.(tailer); ok && err == nil {
		fresh, err = t.fresh()
	}
	if ctx.Err() != nil {
		return
	}
	var fault problem
	if err != nil {
		fault = explain(err)
	}
	f.publish(now, fresh, fault)
}

func (f *feed) publish(now map[string]string, fresh []line, fault problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := make(map[string]string, len(f.parts))
	for name, p := range f.parts {
		before[name] = p.html
	}
	names := changed(before, now)
	_, plots := f.source.(plotter)
	if len(names) == 0 && len(fresh) == 0 && fault == f.fault && !plots {
		return
	}
	f.version++
	for _, name := range names {
		f.parts[name] = part{now[name], f.version}
	}
	if f.lines = append(f.lines, fresh...); len(f.lines) > keptLines {
		f.lines = f.lines[len(f.lines)-keptLines:]
	}
	f.fault = fault
	close(f.changed)
	f.changed = make(chan struct{})
}

// cursor is what one watcher has seen.
type cursor struct {
	version uint64
	line    uint64
	point   int64
	fault   problem
}

// news is what one watcher has not seen.
type news struct {
	parts  map[string]string
	lines  []line
	points []point
	fault  *problem // nil if that has not changed
}

// since returns what is new, moves the cursor, and returns what is closed at the next change.
func (f *feed) since(c *cursor) (news, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := news{parts: make(map[string]string)}
	for name, p := range f.parts {
		if p.version > c.version {
			n.parts[name] = p.html
		}
	}
	for _, l := range f.lines {
		if l.Number > c.line {
			n.lines = append(n.lines, l)
			c.line = l.Number
		}
	}
	if p, ok := f.source.(plotter); ok {
		if n.points = f.d.sampler.plot(p.plotted(), c.point); len(n.points) > 0 {
			c.point = n.points[len(n.points)-1].T
		}
	}
	if f.fault != c.fault {
		fault := f.fault
		n.fault, c.fault = &fault, fault
	}
	c.version = f.version
	return n, f.changed
}

// names are those of the parts, in order.
func (n *news) names() []string {
	return changed(nil, maps.Clone(n.parts))
}
