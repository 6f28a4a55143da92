package mn

import (
	"fmt"
	"slices"
	"time"
)

// A Map sends inputs in batches of at most mapBatch, or as soon as they have mapBytes, and an
// incomplete batch after mapDelay: one exchange with the backend then carries many calls,
// none is so large that it holds up others, and an input never waits long.
const (
	mapBatch = 32
	mapBytes = 1 << 20
	mapDelay = time.Millisecond
)

// put takes one input: it encodes it and adds it to the batch.
func (m *mapper[In, Out]) put(in In) {
	number := m.taken
	m.grow()
	m.taken++
	m.open++
	sub, err := m.f.submission(m.ctx, m.app, m.attempt, in)
	*m.item(number) = mapItem{id: sub.ID}
	if err != nil {
		m.arrive(mapArrival{number: number, err: err})
		return
	}
	if end := m.app.traceSend(m.ctx, &m.f.def.definition, &sub); end != nil {
		m.traceBegin(number, end)
	}
	m.sending.Lock()
	defer m.sending.Unlock()
	m.batch = append(m.batch, sub)
	m.numbers = append(m.numbers, number)
	m.bytes += len(sub.Input)
	if len(m.batch) >= mapBatch || m.bytes >= mapBytes {
		m.send()
	} else if len(m.batch) == 1 {
		m.begun = time.Now()
		m.setTimer(mapDelay)
	}
}

// setTimer sees to it that a batch does not wait for ever. The timer goes on when a batch
// is sent, and looks after the one that is there when it fires: to set it anew for each
// would cost as much as an exchange. The caller holds sending.
func (m *mapper[In, Out]) setTimer(d time.Duration) {
	switch {
	case m.armed:
		return
	case m.timer == nil:
		m.timer = time.AfterFunc(d, m.flushOld)
	default:
		m.timer.Reset(d)
	}
	m.armed = true
}

// flushOld is the timer.
func (m *mapper[In, Out]) flushOld() {
	m.sending.Lock()
	defer m.sending.Unlock()
	m.armed = false
	if len(m.batch) == 0 {
		return
	}
	if left := mapDelay - time.Since(m.begun); left > 0 {
		m.setTimer(left)
		return
	}
	m.send()
}

func (m *mapper[In, Out]) flush() {
	m.sending.Lock()
	defer m.sending.Unlock()
	m.send()
}

// send submits the batch. The caller holds sending.
func (m *mapper[In, Out]) send() {
	if len(m.batch) == 0 || m.stopped {
		return
	}
	m.app.calls.addAll(m.batch, m, m.numbers)
	m.beginSubmit(m.numbers)
	answers, err := m.app.submit(m.ctx, m.batch)
	m.beginSubmit(nil)
	for i := range m.batch {
		failed := err
		if failed == nil {
			failed = answers[i].Err
		}
		if failed == nil {
			continue
		}
		if _, ok := m.app.calls.take(m.batch[i].ID); ok {
			failed = outward(failed, fmt.Sprintf("call of function %q", m.f.def.name))
			m.arrive(mapArrival{number: m.numbers[i], err: failed})
		}
	}
	clear(m.batch)
	m.batch, m.numbers, m.bytes = m.batch[:0], m.numbers[:0], 0
}

// beginSubmit notes which inputs are on their way to the backend.
func (m *mapper[In, Out]) beginSubmit(numbers []int) {
	m.mu.Lock()
	m.under = numbers
	m.mu.Unlock()
}

func (m *mapper[In, Out]) submitting(number int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.under, number)
}
