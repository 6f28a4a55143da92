package history

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// jobs sorts the operations on jobs by the job's ID.
func jobs(ops []Op) map[string][]*Op {
	byJob := make(map[string][]*Op)
	for i := range ops {
		if op := &ops[i]; op.Job != "" {
			byJob[op.Job] = append(byJob[op.Job], op)
		}
	}
	return byJob
}

// jobOperations is one job's history as the model reads it. An interval is when the step
// can have taken place, not only when somebody waited for it:
//
//   - what a handler hands over, or returns, is known at the call; when it is stored is
//     among the model's silent steps;
//   - that a handler began tells of a claim, some time since the job's start.
func jobOperations(ops []*Op) []porcupine.Operation {
	clients := make(numbers)
	var all []porcupine.Operation
	began := int64(Never)
	for _, op := range ops {
		if op.Kind == Start {
			began = min(began, op.Call)
		}
	}
	for _, op := range ops {
		p := porcupine.Operation{ClientId: clients.of(op.Process), Input: op, Call: op.Call, Return: op.Return}
		switch op.Kind {
		case Get, Wait:
			if op.Outcome == Unknown {
				continue // it tells nothing
			}
		case Begin:
			p.Call = min(began, op.Call)
		case Yield:
			if !op.acknowledged() {
				p.Return = op.Call
			}
		case Start, Cancel, Remove:
			if op.Outcome == Unknown {
				p.Return = Never // an exchange under way may arrive late
			}
		case Return:
		default:
			continue
		}
		all = append(all, p)
	}
	return all
}

// numbers gives names small numbers, for the picture.
type numbers map[string]int

func (n numbers) of(name string) int {
	id, ok := n[name]
	if !ok {
		id = len(n)
		n[name] = id
	}
	return id
}

// String words an operation for the picture and for messages.
func (op *Op) String() string {
	var b strings.Builder
	b.WriteString(string(op.Kind))
	if len(op.Locks) > 0 {
		fmt.Fprintf(&b, " %s", strings.Join(op.Locks, ","))
	}
	if op.Token != 0 {
		fmt.Fprintf(&b, " [attempt %d, token %d]", op.Attempt, op.Token)
	}
	if op.Yield != 0 {
		fmt.Fprintf(&b, " %d", op.Yield)
	}
	if op.Ending != "" {
		fmt.Fprintf(&b, " %s", op.Ending)
	}
	if v := op.View; v != nil {
		fmt.Fprintf(&b, " → %s attempt %d, yield %d by %d", v.Status, v.Attempt, v.Value.Number, v.Value.Token)
		if v.Removing {
			b.WriteString(", removing")
		}
		b.WriteString(" " + v.Failure)
	}
	switch op.Outcome {
	case Refused:
		fmt.Fprintf(&b, " → %s is held by %s", op.Key, op.Holder)
	case Unknown:
		b.WriteString(" → ?")
	default:
		fmt.Fprintf(&b, " → %s", op.Outcome)
	}
	return strings.TrimSpace(b.String() + " " + op.Error)
}
