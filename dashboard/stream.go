package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// keepAlive is how often a quiet stream says something, lest proxies close it.
	keepAlive = 15 * time.Second
	// writeBound is how long a watcher may take to receive one message.
	writeBound = 20 * time.Second
)

// stream serves what changes on a page as server-sent events:
//
//	part   {"id", "html"}    a piece of the page as it is now
//	lines  [{"n", "html"}]   lines to be added to the log
//	points [[t, …]]          points to be added to the plots
//	fault  {"text", "gone"}  why the page cannot be read; an empty text once it can again
func (d *Dashboard) stream(p *page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked := *r
		address := *r.URL
		address.Path, address.RawPath = strings.TrimPrefix(r.URL.Path, "/live"), ""
		asked.URL = &address
		f, err := d.hub.join(&asked, p)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		defer d.hub.leave(f)
		h := w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache, no-transform")
		h.Set("X-Accel-Buffering", "no") // nginx would hold events back
		s := sender{w: w, control: http.NewResponseController(w)}
		s.raw("retry: 2000\n\n")
		d.follow(r, f, &s)
	}
}

// follow sends until the watcher goes or the dashboard is closed.
func (d *Dashboard) follow(r *http.Request, f *feed, s *sender) {
	var c cursor
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	for s.err == nil {
		n, changed := f.since(&c)
		s.news(&n)
		select {
		case <-changed:
		case <-quiet.C:
			s.raw(": still here\n\n")
		case <-r.Context().Done():
			return
		case <-d.lifetime.Done():
			return
		}
	}
}

// sender writes events. After an error it does nothing.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (s *sender) news(n *news) {
	for _, name := range n.names() {
		s.event("part", map[string]string{"id": name, "html": n.parts[name]})
	}
	if len(n.lines) > 0 {
		s.event("lines", n.lines)
	}
	if len(n.points) > 0 {
		s.event("points", n.points)
	}
	if n.fault != nil {
		s.event("fault", map[string]any{"text": n.fault.text, "gone": n.fault.status == http.StatusNotFound})
	}
}

func (s *sender) event(kind string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		s.err = err
		return
	}
	s.raw(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, data))
}

func (s *sender) raw(text string) {
	if s.err != nil {
		return
	}
	// Servers that cannot set deadlines or flush still work, less promptly.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeBound))
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		_ = s.control.Flush()
	}
}
