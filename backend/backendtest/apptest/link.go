package apptest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/multinode/mn/backend"
)

// errCut is what an exchange over a cut line gets, and one whose reply was lost: an
// error that no backend makes, so its outcome is unknown to the caller.
var errCut = errors.New("apptest: the connection was lost")

// link is the line between one process and its backend, with what can go wrong on it.
// It serves one app, and so one namespace.
type link struct {
	backend.Backend
	settles  atomic.Int64 // Settle exchanges that have been answered
	reserves atomic.Int64 // Reserve exchanges that have been answered
	failures atomic.Int64 // exchanges that failed on the line

	mu      sync.Mutex
	line    context.Context // ends when the line is cut
	hangUp  context.CancelFunc
	stopped bool             // heartbeats are answered on the spot and hints are lost
	deaf    bool             // cancel hints are lost
	losses  float64          // the part of all replies that is lost
	results []backend.Result // that could not be delivered yet
	inbox   backend.Inbox
}

func newLink(b backend.Backend) *link {
	l := &link{Backend: b}
	l.line, l.hangUp = context.WithCancel(context.Background())
	return l
}

// Namespace implements [backend.Backend].
func (l *link) Namespace(name string) backend.Store {
	store := l.Backend.Namespace(name)
	s := &linked{store: store, link: l}
	if x, ok := store.(backend.Exchanger); ok {
		return &exchanging{linked: s, exchanger: x}
	}
	return s
}

// cut makes everything fail from now on, what is under way included, and nothing
// arrives any more: to the others it looks as if the process had died.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangUp()
}

// stop makes the process believe that all is well although its heartbeats do not
// arrive: as one that was stopped, or whose machine slept, at the moment it goes on.
func (l *link) stop() { l.set(func() { l.stopped = true }) }

// goDeaf loses the hints that a task is to be cancelled.
func (l *link) goDeaf() { l.set(func() { l.deaf = true }) }

// lose loses a part of all replies; what was asked for is done.
func (l *link) lose(part float64) { l.set(func() { l.losses = part }) }

func (l *link) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// heal ends all faults. Results that could not be delivered are: a backend repeats
// those until they are, while hints that were lost stay lost.
func (l *link) heal() {
	l.mu.Lock()
	l.hangUp()
	l.line, l.hangUp = context.WithCancel(context.Background())
	l.stopped, l.deaf, l.losses = false, false, 0
	results, inbox := l.results, l.inbox
	l.results = nil
	l.mu.Unlock()
	if len(results) > 0 {
		inbox.Results(results)
	}
}

// down reports whether nothing arrives.
func (l *link) down() bool { return l.line.Err() != nil || l.stopped }

func (l *link) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// answered decides whether a reply arrives.
func (l *link) answered(line context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return line.Err() == nil && !(l.losses > 0 && rand.Float64() < l.losses)
}

// over does an exchange over the line.
func over[T any](ctx context.Context, l *link, do func(context.Context) (T, error)) (T, error) {
	var none T
	l.mu.Lock()
	line := l.line
	l.mu.Unlock()
	if line.Err() != nil {
		l.failures.Add(1)
		return none, errCut
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(line, func() { cancel(errCut) })()
	v, err := do(ctx)
	if !l.answered(line) {
		l.failures.Add(1)
		return none, errCut
	}
	return v, err
}

// tell is over for exchanges that answer an error only.
func tell(ctx context.Context, l *link, do func(context.Context) error) error {
	_, err := over(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// heard is an app's inbox at the end of the line.
type heard struct {
	inbox backend.Inbox
	link  *link
}

// Results implements [backend.Inbox].
func (h *heard) Results(rs []backend.Result) {
	h.link.mu.Lock()
	if h.link.down() {
		h.link.results = append(h.link.results, rs...)
		h.link.mu.Unlock()
		return
	}
	h.link.mu.Unlock()
	h.inbox.Results(rs)
}

// hears reports whether a hint arrives.
func (h *heard) hears(cancel bool) bool {
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	return !h.link.down() && !(cancel && h.link.deaf)
}

// Cancel implements [backend.Inbox].
func (h *heard) Cancel(l backend.Lease) {
	if h.hears(true) {
		h.inbox.Cancel(l)
	}
}

// Demand implements [backend.Inbox].
func (h *heard) Demand(pool string) {
	if h.hears(false) {
		h.inbox.Demand(pool)
	}
}

// Kill implements [backend.Inbox].
func (h *heard) Kill(slot string) {
	if h.hears(false) {
		h.inbox.Kill(slot)
	}
}
