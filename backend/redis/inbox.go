package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/multinode/mn/backend"
)

// inbox receives this process's messages: one channel for each session that lives here
// and one for what the process itself watches, all on one connection.
//
// Messages can get lost: the connection may break at any moment. All of them are hints
// about what is stored, so after each break, and now and then, the store looks for itself.
type inbox struct {
	s        *store
	instance string // the channel of what the process watches

	mu       sync.Mutex
	ps       *redis.PubSub
	channels map[string]*channel
}

// channel is a channel that this process listens to.
type channel struct {
	answered chan struct{} // closed once the server has confirmed it, or refused
	refused  error
}

func newInbox(s *store) *inbox {
	return &inbox{s: s, instance: "i" + rand.Text()[:20], channels: make(map[string]*channel)}
}

func (in *inbox) channel(id string) string { return in.s.prefix + "s:" + id }

// listen makes messages to id arrive, and blocks until the server has confirmed that.
func (in *inbox) listen(ctx context.Context, id string) error {
	ch := in.subscribe(ctx, in.channel(id))
	select {
	case <-ch.answered:
		return ch.refused
	case <-ctx.Done():
		return ctx.Err()
	case <-in.s.b.lifetime.Done():
		return errClosed
	}
}

func (in *inbox) subscribe(ctx context.Context, name string) *channel {
	in.mu.Lock()
	defer in.mu.Unlock()
	if ch := in.channels[name]; ch != nil {
		return ch
	}
	ch := &channel{answered: make(chan struct{})}
	in.channels[name] = ch
	if in.ps == nil {
		in.ps = in.s.b.rdb.Subscribe(ctx)
		in.s.b.start(in.receive)
		in.s.b.start(in.s.tend)
	}
	if err := in.ps.Subscribe(ctx, name); err != nil {
		in.refuse(name, err)
	}
	return ch
}

// refuse ends the listening to a channel that the server has not confirmed. in.mu is held.
func (in *inbox) refuse(name string, err error) {
	ch := in.channels[name]
	ch.refused = err
	close(ch.answered)
	delete(in.channels, name)
}

// ignore stops listening. A failure leaves a channel to which nobody sends.
func (in *inbox) ignore(ctx context.Context, id string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.channels, in.channel(id))
	if in.ps != nil {
		_ = in.ps.Unsubscribe(ctx, in.channel(id))
	}
}

// silence is how long the connection may say nothing before it is asked for a sign of
// life; after a second silence it is replaced.
const silence = 3 * time.Second

// receive takes messages until ctx is done.
func (in *inbox) receive(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		_ = in.ps.Close()
	})
	defer stop()
	quiet := false
	for ctx.Err() == nil {
		in.mu.Lock()
		ps := in.ps
		in.mu.Unlock()
		msg, err := ps.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		switch {
		case err == nil:
			quiet = false
			in.take(msg)
		case errors.As(err, &timeout) && timeout.Timeout():
			if quiet {
				in.renew(ctx)
			} else {
				_ = ps.Ping(ctx)
			}
			quiet = !quiet
		default:
			quiet = false
			in.rejected(err)
			in.pause(ctx)
		}
	}
}

// renew replaces a connection that is silent even when it is asked: it is half open. The
// client keeps it for ever, because for it silence is no failure.
func (in *inbox) renew(ctx context.Context) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	_ = in.ps.Close()
	in.ps = in.s.b.rdb.Subscribe(ctx)
	if names := slices.Collect(maps.Keys(in.channels)); len(names) > 0 {
		_ = in.ps.Subscribe(ctx, names...) // a failure is repeated by the next receive
	}
}

// rejected ends the listening that waits for a confirmation where the server says that the
// user may not listen: it would wait for ever.
func (in *inbox) rejected(err error) {
	if !redis.IsPermissionError(err) {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for name, ch := range in.channels {
		select {
		case <-ch.answered:
		default:
			in.refuse(name, fmt.Errorf("redis: the user must be allowed the channels %ss:*: %w", in.s.prefix, err))
		}
	}
}

// pause waits a moment before the connection is tried again.
func (in *inbox) pause(ctx context.Context) {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (in *inbox) take(msg any) {
	switch m := msg.(type) {
	case *redis.Subscription:
		if m.Kind == "subscribe" {
			in.confirm(m.Channel)
		}
	case *redis.Message:
		in.s.deliver(strings.TrimPrefix(m.Channel, in.s.prefix+"s:"), m.Payload)
	}
}

// confirm notes that a channel is heard. If that is not the first time the connection
// was broken meanwhile, and messages may be missing.
func (in *inbox) confirm(name string) {
	in.mu.Lock()
	again := false
	if ch := in.channels[name]; ch != nil {
		select {
		case <-ch.answered:
			again = true
		default:
			close(ch.answered)
		}
	}
	in.mu.Unlock()
	if again {
		in.s.b.start(in.s.recover)
	}
}

// deliver carries out one message, which may hold several things told.
func (s *store) deliver(session, payload string) {
	m := message{s: s}
	f, err := netstrings(payload)
	for err == nil && len(f) > 0 {
		var n int
		if n, err = m.carryOut(session, f); err == nil {
			f = f[n:]
		}
	}
	m.handOver()
	if len(m.results) > 0 {
		m.to.Results(m.results)
	}
	if err != nil {
		s.b.opts.Logger.Error("mn: a message on our channel is not ours", "session", session, "error", err)
	}
}

// message is one message under way: what it holds of one kind is delivered together.
type message struct {
	s       *store
	handed  []handed
	to      backend.Inbox
	results []backend.Result
}

// handed is what a message holds for one claim.
type handed struct {
	slot, op string
	tasks    []backend.Assignment
}

// hand notes a task. Those of one claim need not follow each other in a message, but must
// reach it together: it takes what it gets first, and waits no more.
func (m *message) hand(slot, op string, a backend.Assignment) {
	for i := len(m.handed) - 1; i >= 0; i-- {
		if h := &m.handed[i]; h.slot == slot && h.op == op {
			h.tasks = append(h.tasks, a)
			return
		}
	}
	m.handed = append(m.handed, handed{slot, op, []backend.Assignment{a}})
}

// handOver gives tasks to the workers that they are for.
func (m *message) handOver() {
	for i := range m.handed {
		m.s.assigned(m.handed[i].slot, m.handed[i].op, m.handed[i].tasks)
	}
}

// sizes are how many fields each thing told has; "A" has an assignment more.
var sizes = map[string]int{"A": 3, "R": 8, "C": 4, "D": 2, "K": 2, "Q": 4, "W": 2, "E": 3}

// carryOut does the first thing told, or notes it, and returns how many fields it took.
func (m *message) carryOut(session string, f []string) (int, error) {
	n := sizes[f[0]]
	if f[0] == "A" && len(f) > n {
		n += assignmentFields(f[n:])
	}
	if n == 0 || len(f) < n {
		return 0, errForeign
	}
	switch f[0] {
	case "W":
		m.s.changed(f[1])
		return n, nil
	case "E":
		m.s.taskEnded(f[1], f[2])
		return n, nil
	case "A":
		a, err := parseAssignment(f[3:n])
		if err == nil {
			m.hand(f[1], f[2], a)
		}
		return n, err
	case "Q":
		m.s.ended(f[1], f[2], f[3])
		return n, nil
	}
	m.s.mu.Lock()
	ses := m.s.sessions[session]
	m.s.mu.Unlock()
	if ses == nil { // it has left
		return n, nil
	}
	return n, m.tell(ses, f[:n])
}

// tell does what is for a session.
func (m *message) tell(ses *session, f []string) error {
	m.s.mu.Lock()
	m.to = ses.inbox
	m.s.mu.Unlock()
	switch f[0] {
	case "R":
		if m.s.ends(ses, f[1]) {
			m.results = append(m.results, result(f[1:]))
		}
	case "C":
		lease, err := parseLease(f[1], f[3])
		if err != nil {
			return err
		}
		m.to.Cancel(lease)
	case "D":
		m.to.Demand(f[1])
	case "K":
		m.to.Kill(f[1])
	}
	return nil
}

// result reads a call's end: id, status, data, attempt, failure's code, detail, note.
func result(f []string) backend.Result {
	return backend.Result{
		ID: f[0], Status: statuses[f[1]], Data: optional(f[2]), Attempt: number[int](f[3]),
		Failure: failure(f[4], f[5], f[6]),
	}
}

// ends notes that a call has ended, and reports whether that is news.
func (s *store) ends(ses *session, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := ses.calls[id]
	news := known && !c.ended
	switch {
	case !known:
	case c.answered:
		delete(ses.calls, id)
	default: // a repeat of the submission must not make it wait again, nor find no record
		c.ended = true
		ses.calls[id] = c
		return news
	}
	ses.acks = append(ses.acks, id)
	return news
}

// result delivers a call's end, once.
func (s *store) result(ses *session, f []string) {
	news := s.ends(ses, f[0])
	s.mu.Lock()
	to := ses.inbox
	s.mu.Unlock()
	if news {
		to.Results([]backend.Result{result(f)})
	}
}
