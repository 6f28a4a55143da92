package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
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

	mu        sync.Mutex
	ps        *redis.PubSub
	confirmed map[string]chan struct{} // closed once the server has confirmed the channel
}

func newInbox(s *store) *inbox {
	return &inbox{s: s, instance: "i" + rand.Text()[:20], confirmed: make(map[string]chan struct{})}
}

func (in *inbox) channel(id string) string { return in.s.prefix + "s:" + id }

// listen makes messages to id arrive, and blocks until the server has confirmed that.
func (in *inbox) listen(ctx context.Context, id string) error {
	in.mu.Lock()
	name := in.channel(id)
	done, known := in.confirmed[name]
	var err error
	if !known {
		done = make(chan struct{})
		in.confirmed[name] = done
		if in.ps == nil {
			in.ps = in.s.b.rdb.Subscribe(ctx)
			in.s.b.start(in.receive)
			in.s.b.start(in.s.tend)
		}
		err = in.ps.Subscribe(ctx, name)
		if err != nil {
			delete(in.confirmed, name)
		}
	}
	in.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-in.s.b.lifetime.Done():
		return errClosed
	}
}

// ignore stops listening. A failure leaves a channel to which nobody sends.
func (in *inbox) ignore(ctx context.Context, id string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.confirmed, in.channel(id))
	if in.ps != nil {
		_ = in.ps.Unsubscribe(ctx, in.channel(id))
	}
}

// silence is how long the connection may say nothing before it is asked for a sign of
// life; a second silence breaks it.
const silence = 3 * time.Second

// receive takes messages until ctx is done.
func (in *inbox) receive(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = in.ps.Close() })
	defer stop()
	quiet := 0
	for ctx.Err() == nil {
		msg, err := in.ps.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		switch {
		case err == nil:
			quiet = 0
			in.take(msg)
		case errors.As(err, &timeout) && timeout.Timeout() && quiet == 0:
			quiet++
			_ = in.ps.Ping(ctx)
		default:
			quiet = 0
			in.pause(ctx)
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
	done, known := in.confirmed[name]
	again := false
	if known {
		select {
		case <-done:
			again = true
		default:
			close(done)
		}
	}
	in.mu.Unlock()
	if again {
		in.s.b.start(in.s.recover)
	}
}

// deliver carries out one message, which may hold several things told.
func (s *store) deliver(session, payload string) {
	f, err := netstrings(payload)
	for err == nil && len(f) > 0 {
		var n int
		if n, err = s.carryOut(session, f); err == nil {
			f = f[n:]
		}
	}
	if err != nil {
		s.b.opts.Logger.Error("mn: a message on our channel is not ours", "session", session, "error", err)
	}
}

// carryOut does the first thing told and returns how many fields it took.
func (s *store) carryOut(session string, f []string) (int, error) {
	sizes := map[string]int{"A": 3 + assignmentFields, "R": 8, "C": 4, "D": 2, "K": 2, "Q": 4, "W": 2}
	n := sizes[f[0]]
	if n == 0 || len(f) < n {
		return 0, errForeign
	}
	s.mu.Lock()
	ses := s.sessions[session]
	var to backend.Inbox
	if ses != nil {
		to = ses.inbox
	}
	s.mu.Unlock()
	switch {
	case f[0] == "W":
		s.changed(f[1])
	case f[0] == "A":
		return n, s.assigned(f[1], f[2], f[3:n])
	case f[0] == "Q":
		s.ended(f[1], f[2], f[3])
	case ses == nil: // it has left
	case f[0] == "R":
		s.result(ses, f[1:n])
	case f[0] == "C":
		lease, err := parseLease(f[1], f[3])
		if err != nil {
			return 0, err
		}
		to.Cancel(lease)
	case f[0] == "D":
		to.Demand(f[1])
	case f[0] == "K":
		to.Kill(f[1])
	}
	return n, nil
}

// result delivers a call's end, once.
func (s *store) result(ses *session, f []string) {
	id := f[0]
	s.mu.Lock()
	c, known := ses.calls[id]
	waiting := known && !c.ended
	switch {
	case !known:
	case c.answered:
		delete(ses.calls, id)
	default: // a repeat of the submission must not make it wait again
		c.ended = true
		ses.calls[id] = c
	}
	ses.acks = append(ses.acks, id)
	to := ses.inbox
	s.mu.Unlock()
	if waiting {
		to.Results([]backend.Result{{
			ID: id, Status: statuses[f[1]], Data: optional(f[2]), Attempt: number[int](f[3]),
			Failure: failure(f[4], f[5], f[6]),
		}})
	}
}
