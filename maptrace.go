package mn

import (
	"context"

	"github.com/multinode/mn/backend"
)

// What a Map tells of its calls. Their ends are told when the results come, not when the
// Map hands them out: that may be long after, where an earlier one takes its time.

// traceBegin keeps how to tell of a call's end.
func (m *mapper[In, Out]) traceBegin(number int, end func(error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ends == nil {
		m.ends = make(map[int]func(error))
	}
	m.ends[number] = end
}

// traceEnd tells of a call's end, once.
func (m *mapper[In, Out]) traceEnd(number int, err error) {
	m.mu.Lock()
	end := m.ends[number]
	delete(m.ends, number)
	m.mu.Unlock()
	if end != nil {
		end(err)
	}
}

// traceResults tells of the ends of calls whose results have come.
func (m *mapper[In, Out]) traceResults(numbers []int, rs []backend.Result) {
	for i, number := range numbers {
		var err error
		if rs[i].Status != backend.StatusSucceeded {
			_, err = m.f.result(m.app, &rs[i])
		}
		m.traceEnd(number, err)
	}
}

// traceStop tells of the ends of calls that are not wanted any more.
func (m *mapper[In, Out]) traceStop() {
	m.mu.Lock()
	ends := m.ends
	m.ends = nil
	m.mu.Unlock()
	if len(ends) == 0 {
		return
	}
	err := ctxError(m.ctx)
	if err == nil {
		err = context.Canceled // the loop over the results was left
	}
	for _, end := range ends {
		end(err)
	}
}
