package history

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// lockState is what a backend should hold of one lock key.
type lockState struct {
	holder string // the job, "" for none
	ended  string // jobs that have ended and must not get it any more, each with a space
}

// lockStep is what an operation did to one key, or saw of it.
type lockStep struct {
	what lockVerb
	job  string
	// maybe: whether it happened is not known.
	maybe bool
	op    *Op // that tells of it; nil for several
}

type lockVerb string

const (
	take   lockVerb = "is taken by" // at the job's start, or by TryLock
	free   lockVerb = "is freed by the end of"
	heldBy lockVerb = "is held by"
	notBy  lockVerb = "is not held by"
	isFree lockVerb = "is held by nobody"
)

// lockModel says how one lock key may change hands: it has one holder, from when it is
// taken to the holder's terminal state.
func lockModel() porcupine.Model {
	nm := porcupine.NondeterministicModel{
		Init: func() []any { return []any{lockState{}} },
		Step: func(state, input, _ any) []any {
			s, step := state.(lockState), input.(*lockStep)
			then, ok := s.apply(step)
			switch {
			case !ok && step.maybe:
				return []any{s}
			case !ok:
				return nil
			case step.maybe && then != s:
				return []any{then, s}
			}
			return []any{then}
		},
		DescribeOperation: func(input, _ any) string { return input.(*lockStep).String() },
		DescribeState:     func(state any) string { return state.(lockState).String() },
	}
	return nm.ToModel()
}

func (s lockState) apply(step *lockStep) (lockState, bool) {
	switch step.what {
	case take:
		if s.holder != "" && s.holder != step.job || strings.Contains(s.ended, step.job) {
			return s, false
		}
		s.holder = step.job
		return s, true
	case free:
		if s.holder != step.job {
			return s, false
		}
		s.holder = ""
		s.ended += step.job + " "
		return s, true
	case heldBy:
		return s, s.holder == step.job
	case notBy:
		return s, s.holder != step.job
	case isFree:
		return s, s.holder == ""
	}
	panic("history: the lock model has no step " + string(step.what))
}

// String words the state for the picture.
func (s lockState) String() string {
	if s.holder == "" {
		return "free"
	}
	return "held by " + short(s.holder)
}

// String words the step for the picture.
func (l *lockStep) String() string {
	text := fmt.Sprintf("%s %s", l.what, short(l.job))
	if l.maybe {
		text += "?"
	}
	if l.op != nil {
		text += " (" + string(l.op.Kind) + ")"
	}
	return text
}

// short is a job's ID as far as it tells jobs of one run apart at a glance.
func short(id string) string { return id[max(0, len(id)-8):] }
