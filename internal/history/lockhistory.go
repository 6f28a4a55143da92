package history

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// life is when a job can have been started, and when it can have ended, by all that was
// seen of it.
type life struct {
	certain    bool // it did exist at some time
	startAfter int64
	startUntil int64 // it existed then, if certain
	endAfter   int64 // it had not ended then
	endUntil   int64 // it had ended then; Never if nobody saw that
}

// lifeOf reads the bounds from a job's operations.
func lifeOf(ops []*Op) life {
	l := life{startAfter: Never, startUntil: Never, endUntil: Never}
	for _, op := range ops {
		if op.Kind == Start && op.Outcome != Refused {
			l.startAfter = min(l.startAfter, op.Call)
		}
		if op.proves() {
			l.certain = true
			l.startUntil = min(l.startUntil, op.Return)
		}
	}
	l.endAfter = l.startAfter
	for _, op := range ops {
		gone := op.Outcome == Missing && l.certain && op.Call > l.startUntil
		switch {
		case gone, op.Kind != Begin && op.View != nil && op.View.terminal():
			l.endUntil = min(l.endUntil, op.Return)
		case op.Kind == Get && op.View != nil, op.acknowledged(), op.Kind == TryLock && op.Outcome == OK:
			l.endAfter = max(l.endAfter, op.Call)
		}
	}
	return l
}

// proves reports whether the operation shows that its job existed when it returned.
func (op *Op) proves() bool {
	switch op.Kind {
	case Start, Cancel:
		return op.Outcome == OK
	case Get, Wait:
		return op.View != nil
	case Begin, Yield, TryLock, Return:
		return true
	}
	return false
}

// lockHistories is what happened to each lock key.
func lockHistories(ops []Op) map[string][]porcupine.Operation {
	b := &lockBuilder{byKey: make(map[string][]porcupine.Operation), clients: make(numbers)}
	byJob := jobs(ops)
	for _, id := range sortedKeys(byJob) {
		b.addJob(id, byJob[id])
	}
	for i := range ops {
		b.addSeen(&ops[i])
	}
	return b.byKey
}

type lockBuilder struct {
	byKey   map[string][]porcupine.Operation
	clients numbers
}

func (b *lockBuilder) add(key, process string, call, ret int64, step lockStep) {
	b.byKey[key] = append(b.byKey[key], porcupine.Operation{
		ClientId: b.clients.of(process), Input: &step, Call: call, Return: max(call, ret),
	})
}

// addJob adds what a job took, and its end. A job that several clients started, or whose
// start was not answered, took its locks at one moment within all of those, if it came to
// exist at all.
func (b *lockBuilder) addJob(id string, ops []*Op) {
	l := lifeOf(ops)
	if l.startAfter == Never {
		return // every start was refused
	}
	sure := make(map[string]bool) // keys, and whether it took them for certain
	for _, op := range ops {
		switch {
		case op.Outcome == Refused:
		case op.Kind == Start:
			for _, key := range op.Locks {
				if _, taken := sure[key]; !taken { // every start of an ID names the same
					b.add(key, id, l.startAfter, l.startUntil, lockStep{what: take, job: id, maybe: !l.certain})
					sure[key] = l.certain
				}
			}
		case op.Kind == TryLock:
			step, until := lockStep{what: take, job: id, op: op}, op.Return
			if op.Outcome == Unknown {
				step.maybe, until = true, Never
			}
			for _, key := range op.Locks {
				b.add(key, op.Process, op.Call, until, step)
				sure[key] = sure[key] || !step.maybe
			}
		}
	}
	for _, key := range sortedKeys(sure) {
		ended := l.endUntil != Never
		b.add(key, id, l.endAfter, l.endUntil, lockStep{what: free, job: id, maybe: !sure[key] || !ended})
	}
}

// addSeen adds what somebody saw of locks.
func (b *lockBuilder) addSeen(op *Op) {
	see := func(key string, what lockVerb, job string) {
		b.add(key, op.Process, op.Call, op.Return, lockStep{what: what, job: job, op: op})
	}
	switch {
	case op.Outcome == Refused:
		see(op.Key, heldBy, op.Holder)
	case op.Kind == List && op.Outcome == OK:
		for _, key := range op.Locks { // those that it looked for
			if holder := op.Held[key]; holder != "" {
				see(key, heldBy, holder)
			} else {
				see(key, isFree, "")
			}
		}
	case op.Kind == Get && op.View != nil:
		for _, key := range op.Locks { // those that the job may hold
			if slices.Contains(op.View.Locks, key) {
				see(key, heldBy, op.Job)
			} else {
				see(key, notBy, op.Job)
			}
		}
	}
}
