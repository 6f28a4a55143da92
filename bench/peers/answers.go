package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// Engines without an awaited result get an answer from the worker's handler: it sends the
// number and the ticket that came with the work. Answers that come up while others are
// being sent go together, so that a busy engine pays for few messages and an idle one
// waits for none.

// ticket is the work as such an engine carries it.
type ticket struct {
	Ticket uint64
	N      int
}

// mailbox hands answers to those who wait for them.
type mailbox struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan<- int
}

func newMailbox() *mailbox { return &mailbox{waiting: map[uint64]chan<- int{}} }

// issue returns a new ticket; its answer goes to the channel, which must have room.
func (m *mailbox) issue(to chan<- int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	m.waiting[m.last] = to
	return m.last
}

// deliver hands over one answer. A second one to the same ticket, which engines that
// deliver at least once may send, is dropped.
func (m *mailbox) deliver(a ticket) {
	m.mu.Lock()
	to, ok := m.waiting[a.Ticket]
	delete(m.waiting, a.Ticket)
	m.mu.Unlock()
	if ok {
		to <- a.N
	}
}

// deliverAll hands over what an outbox sent.
func (m *mailbox) deliverAll(message []byte) error {
	var answers []ticket
	if err := json.Unmarshal(message, &answers); err != nil {
		return err
	}
	for _, a := range answers {
		m.deliver(a)
	}
	return nil
}

// await submits one piece of work and waits for its answer.
func (m *mailbox) await(ctx context.Context, n int, submit func(ticket) error) (int, error) {
	answer := make(chan int, 1)
	if err := submit(ticket{m.issue(answer), n}); err != nil {
		return 0, err
	}
	select {
	case out := <-answer:
		return out, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// awaitAll issues n tickets, lets submit send them and waits for all answers.
func (m *mailbox) awaitAll(ctx context.Context, n int, submit func([]ticket) error) error {
	answers := make(chan int, n)
	tickets := make([]ticket, n)
	for i := range tickets {
		tickets[i] = ticket{m.issue(answers), i}
	}
	if err := submit(tickets); err != nil {
		return err
	}
	seen := make([]bool, n)
	for range n {
		select {
		case out := <-answers:
			if out < 0 || out >= n || seen[out] {
				return errWrongAnswer
			}
			seen[out] = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

var errWrongAnswer = errors.New("an answer is not that of the work")

// outboxMost is how many answers go together at most: a notification of PostgreSQL
// holds 8000 bytes.
const outboxMost = 100

// outbox sends answers. send is called from one goroutine.
type outbox struct {
	send func(ctx context.Context, message []byte) error
	in   chan outgoing
	stop context.CancelFunc
	done chan struct{}
}

type outgoing struct {
	answer ticket
	sent   chan<- error
}

func newOutbox(send func(ctx context.Context, message []byte) error) *outbox {
	ctx, stop := context.WithCancel(context.Background())
	o := &outbox{send: send, in: make(chan outgoing, outboxMost), stop: stop, done: make(chan struct{})}
	go o.run(ctx)
	return o
}

// put returns when the answer is sent: a handler that returned before would be recorded
// as a success although its answer may get lost.
func (o *outbox) put(ctx context.Context, a ticket) error {
	sent := make(chan error, 1)
	select {
	case o.in <- outgoing{a, sent}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *outbox) run(ctx context.Context) {
	defer close(o.done)
	for {
		select {
		case first := <-o.in:
			o.flush(ctx, []outgoing{first})
		case <-ctx.Done():
			return
		}
	}
}

// flush sends one answer and all that wait by now.
func (o *outbox) flush(ctx context.Context, batch []outgoing) {
	for len(batch) < outboxMost && len(o.in) > 0 { // nobody else takes from it
		batch = append(batch, <-o.in)
	}
	answers := make([]ticket, len(batch))
	for i := range batch {
		answers[i] = batch[i].answer
	}
	message, err := json.Marshal(answers)
	if err == nil {
		err = o.send(ctx, message)
	}
	for i := range batch {
		batch[i].sent <- err
	}
}

func (o *outbox) close() {
	o.stop()
	<-o.done
}
