package dashboard

import (
	"net/http"
	"net/url"
	"sync"
)

const (
	// maxStreams bounds the open streams, and with them the feeds.
	maxStreams = 256
)

// hub lets all who watch one page share one feed.
type hub struct {
	d *Dashboard

	mu      sync.Mutex
	feeds   map[string]*feed
	streams int
}

func newHub(d *Dashboard) *hub { return &hub{d: d, feeds: make(map[string]*feed)} }

// join returns the page's feed, which must be left again.
func (h *hub) join(r *http.Request, p *page) (*feed, error) {
	src, err := p.open(h.d, r)
	if err != nil {
		return nil, err
	}
	key := r.URL.Path + "?" + canonical(r.URL.Query())
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams >= maxStreams {
		return nil, problem{http.StatusServiceUnavailable, "Too many pages are open at the same time."}
	}
	f := h.feeds[key]
	if f == nil {
		f = newFeed(h.d, p, src, h.d.frame(r, p, nil))
		if !h.d.spawn(f.run) {
			return nil, problem{http.StatusServiceUnavailable, "This dashboard was closed."}
		}
		f.key, h.feeds[key] = key, f
	}
	f.watchers++
	h.streams++
	return f, nil
}

// leave ends the feed with its last watcher.
func (h *hub) leave(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
	if f.watchers--; f.watchers == 0 {
		f.end()
		delete(h.feeds, f.key)
	}
}

// canonical is a query without what is empty, in the order of its keys.
func canonical(q url.Values) string {
	for k, v := range q {
		if len(v) == 1 && v[0] == "" {
			delete(q, k)
		}
	}
	return q.Encode()
}
