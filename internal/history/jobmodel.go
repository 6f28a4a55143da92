package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/multinode/mn/backend"
)

// jobState is what a backend should hold of one job. It is comparable, so that equal
// states are found by ==.
type jobState struct {
	exists   bool
	status   backend.Status
	attempt  int    // attempts charged so far, the running one included
	token    uint64 // of the lease; 0 for a worker that died before its handler began
	highest  uint64 // token so far
	yields   uint64 // number of the newest yield that is surely stored
	by       uint64 // token of the attempt that yielded it
	upTo     uint64 // if above yields: newer ones up to this may be stored too
	upBy     uint64 // token of the attempt that handed those over
	returned Ending // what the running handler has returned, if it has
	failure  string // of a FAILED one
	removing bool
}

// jobModel says how one job may go on, by the transition table of package backend.
//
// What no client and no handler sees happens between the operations: see silent. Workers
// that are lost are among that only in a lossy world.
type jobModel struct {
	retries int
	lossy   bool
}

func (m jobModel) model() porcupine.Model {
	nm := porcupine.NondeterministicModel{
		Init: func() []any { return []any{jobState{}} },
		Step: func(state, input, _ any) []any {
			return m.step(state.(jobState), input.(*Op))
		},
		DescribeOperation: func(input, _ any) string { return input.(*Op).String() },
		DescribeState:     func(state any) string { return state.(jobState).String() },
	}
	return nm.ToModel()
}

// step is every state in which the job may be after an operation.
func (m jobModel) step(s jobState, op *Op) []any {
	var next []any
	for _, s := range m.reachable(s) {
		for _, s := range m.apply(s, op) {
			if !slices.Contains(next, any(s)) {
				next = append(next, s)
			}
		}
	}
	return next
}

// reachable is s and every state that silent steps lead to.
func (m jobModel) reachable(s jobState) []jobState {
	all := []jobState{s}
	for i := 0; i < len(all); i++ {
		for _, s := range m.silent(all[i]) {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// silent is what may happen next without an operation.
func (m jobModel) silent(s jobState) (next []jobState) {
	add := func(s jobState, ok bool) {
		if ok {
			next = append(next, s)
		}
	}
	if !s.exists || s.status.Terminal() {
		return nil
	}
	// A worker got the task, and its handler has not begun or never will.
	add(s.event(backend.EventClaim, func(s *jobState) { s.attempt++ }))
	if s.status == backend.StatusCancelling {
		add(s.event(backend.EventRelease, nil)) // the handler returned, or its grace ended
	}
	if s.status != backend.StatusRunning {
		return next
	}
	if s.returned == EndNil || s.returned == EndError || s.returned == EndPermanent {
		add(m.settle(s))
	}
	if m.lossy {
		add(m.fail(s, FailureLost))
		add(s.event(backend.EventRelease, func(s *jobState) { s.attempt-- })) // handed back
	}
	return next
}

// settle ends a running attempt as its handler returned. The end carries the last yield.
func (m jobModel) settle(s jobState) (jobState, bool) {
	if s.upTo > s.yields && s.upBy == s.token {
		s.yields, s.by = s.upTo, s.upBy
	}
	s.upTo, s.upBy = 0, 0
	switch s.returned {
	case EndNil:
		return s.event(backend.EventSucceed, nil)
	case EndPermanent:
		return s.event(backend.EventFail, func(s *jobState) { s.failure = FailureError })
	}
	return m.fail(s, FailureError)
}

// fail ends a running attempt that failed, which is retried while the budget lasts.
func (m jobModel) fail(s jobState, failure string) (jobState, bool) {
	if s.attempt <= m.retries {
		return s.event(backend.EventRetry, nil)
	}
	return s.event(backend.EventFail, func(s *jobState) { s.failure = failure })
}

// event moves along the transition table; false if the event cannot happen. change is
// what else becomes of the job.
func (s jobState) event(e backend.Event, change func(*jobState)) (jobState, bool) {
	status, ok := backend.Next(s.status, e)
	if !ok || !s.exists {
		return s, false
	}
	s.status = status
	if change != nil {
		change(&s)
	}
	if status != backend.StatusCancelling {
		s.token, s.returned = 0, ""
	}
	if status.Terminal() && s.removing {
		return jobState{highest: s.highest}, true
	}
	return s, true
}

// apply is what an operation itself does: one state for each way in which it may have
// gone, none if it cannot have gone as its caller was told.
func (m jobModel) apply(s jobState, op *Op) []jobState {
	switch op.Kind {
	case Start:
		return s.start(op)
	case Get, Wait:
		return s.read(op)
	case Cancel:
		return s.answered(op, s.cancel())
	case Remove:
		return s.answered(op, s.remove())
	case Begin:
		return s.begin(op)
	case Yield:
		return s.yield(op)
	case Return:
		if s.token == op.Token {
			s.returned = op.Ending
		}
		return []jobState{s}
	}
	panic("history: the job model has no operation " + string(op.Kind))
}

func (s jobState) start(op *Op) []jobState {
	started := s // an ID that exists is not started again
	if !s.exists {
		started = jobState{exists: true, status: backend.StatusPending, highest: s.highest}
	}
	switch {
	case op.Outcome == OK:
		return []jobState{started}
	case op.Outcome == Unknown:
		return []jobState{started, s}
	case s.exists: // its locks are not even looked at
		return nil
	}
	return []jobState{s}
}

// read is what a reader learns of the state, if it can have seen what it did.
func (s jobState) read(op *Op) []jobState {
	if op.Outcome == Missing {
		if s.exists {
			return nil
		}
		return []jobState{s}
	}
	v := op.View
	then, ok := s.pinned(v.Value)
	if !ok || !s.exists || string(s.status) != v.Status {
		return nil
	}
	if v.Partial || s.attempt == v.Attempt && then.yields == v.Yields && s.removing == v.Removing && s.failure == v.Failure {
		return []jobState{then}
	}
	return nil
}

// pinned is the state once its newest yield was seen; false if that cannot be the newest.
func (s jobState) pinned(v Value) (jobState, bool) {
	stored := v == Value{Token: s.by, Number: s.yields}
	if !stored && (v.Token != s.upBy || v.Number <= s.yields || v.Number > s.upTo) {
		return s, false
	}
	s.yields, s.by = v.Number, v.Token
	if s.token == 0 || s.token != s.upBy { // nobody stores more of them
		s.upTo, s.upBy = 0, 0
	}
	return s, true
}

// answered is the states after a wish: only an existing job hears it.
func (s jobState) answered(op *Op, then jobState) []jobState {
	switch {
	case op.Outcome == Unknown:
		return []jobState{then, s}
	case op.Outcome == Missing && s.exists, op.Outcome == OK && op.Kind == Cancel && !s.exists:
		return nil
	}
	return []jobState{then}
}

func (s jobState) cancel() jobState {
	then, _ := s.event(backend.EventCancel, nil)
	return then
}

func (s jobState) remove() jobState {
	if !s.exists {
		return s
	}
	if s.status.Terminal() {
		return jobState{highest: s.highest}
	}
	s.removing = true
	return s.cancel()
}

// begin is a handler's word that a worker had got the task: at the claim itself, or after
// a claim that went by in silence.
func (s jobState) begin(op *Op) (next []jobState) {
	named := func(s jobState) {
		seen, ok := s.pinned(op.View.Value)
		if ok && s.attempt == op.Attempt && op.Token > s.highest {
			seen.token, seen.highest = op.Token, op.Token
			next = append(next, seen)
		}
	}
	if claimed, ok := s.event(backend.EventClaim, func(s *jobState) { s.attempt++ }); ok {
		named(claimed)
	}
	leased := s.status == backend.StatusRunning || s.status == backend.StatusCancelling
	if s.exists && leased && s.token == 0 {
		named(s)
	}
	return next
}

func (s jobState) yield(op *Op) []jobState {
	holds := s.exists && s.token == op.Token
	switch {
	case op.acknowledged():
		if !holds { // stored although the lease was not its own any more
			return nil
		}
		if op.Yield > s.yields {
			s.yields, s.by = op.Yield, op.Token
		}
	case holds:
		s.upTo, s.upBy = max(s.upTo, op.Yield), op.Token
	}
	return []jobState{s}
}

func (op *Op) acknowledged() bool { return op.Kind == Yield && op.Sync && op.Outcome == OK }

// String words the state for the picture.
func (s jobState) String() string {
	if !s.exists {
		return "none"
	}
	text := fmt.Sprintf("%s attempt %d, yield %d by %d", s.status, s.attempt, s.yields, s.by)
	if s.token != 0 {
		text += fmt.Sprintf(", lease %d", s.token)
	}
	if s.upTo > s.yields {
		text += fmt.Sprintf(", perhaps up to %d by %d", s.upTo, s.upBy)
	}
	if s.returned != "" {
		text += ", returned " + string(s.returned)
	}
	if s.removing {
		text += ", removing"
	}
	return strings.TrimSpace(text + " " + s.failure)
}
