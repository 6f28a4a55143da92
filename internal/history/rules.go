package history

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// The rules for a whole run, beside the models of one job and one lock.

// checkEndings: every job that was started has one ending, and all who saw it saw the same.
func checkEndings(ops []Op) (found []Violation) { //nolint:cyclop // one rule, read from top to bottom
	for id, ops := range jobs(ops) {
		bad := func(format string, args ...any) {
			found = append(found, Violation{Rule: "one ending", Subject: "job " + id, Detail: fmt.Sprintf(format, args...)})
		}
		var first *Op
		removed, started := false, false
		for _, op := range ops {
			removed = removed || op.Kind == Remove
			started = started || op.proves()
			if op.Kind != Get || op.View == nil || !op.View.terminal() {
				continue
			}
			if first == nil {
				first = op
			}
			a, b := first.View, op.View
			if a.Status != b.Status || a.Attempt != b.Attempt || a.Yields != b.Yields || a.Value != b.Value ||
				a.Failure != b.Failure || a.Ended != b.Ended {
				bad("seen as %+v, and as %+v", *a, *b)
			}
		}
		for _, op := range ops {
			switch {
			case !op.Final:
			case op.View != nil && !op.View.terminal():
				bad("still %s when nothing was under way any more", op.View.Status)
			case op.Outcome == Missing && started && !removed:
				bad("gone, and nobody removed it")
			}
		}
	}
	return found
}

// stay is the time that a handler believed to hold its job's locks.
type stay struct {
	job   string
	token uint64
	from  int64
	until int64
}

// checkBelief: no two handlers believe at one moment to hold one lock, or one job.
func checkBelief(ops []Op) (found []Violation) {
	stays := make(map[string][]stay)
	for i := range ops {
		op := &ops[i]
		if op.Kind != Believe {
			continue
		}
		s := stay{job: op.Job, token: op.Token, from: op.Call, until: op.Return}
		for _, thing := range append([]string{"job " + op.Job}, prefixed("lock ", op.Locks)...) {
			stays[thing] = append(stays[thing], s)
		}
	}
	for thing, all := range stays {
		slices.SortFunc(all, func(a, b stay) int { return cmp.Compare(a.from, b.from) })
		for i, later := range all {
			for _, earlier := range all[:i] {
				if earlier.token != later.token && earlier.until >= later.from {
					found = append(found, Violation{
						Rule: "one believer", Subject: thing,
						Detail: fmt.Sprintf("job %s with token %d believed to hold it for %d µs after job %s with token %d did",
							earlier.job, earlier.token, (earlier.until-later.from)/1000, later.job, later.token),
					})
				}
			}
		}
	}
	return found
}

func prefixed(prefix string, names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = prefix + name
	}
	return all
}

// span is what is known of when a job held the locks of its start, and its tokens.
type span struct {
	job         string
	first, last int64 // a proof of holding ended first, and one began last
	least, most uint64
}

// checkFencing: tokens are unique, grow with a job's attempts, and grow from each holder
// of a lock to the next.
func checkFencing(ops []Op) (found []Violation) { //nolint:cyclop // one rule, read from top to bottom
	bad := func(subject, format string, args ...any) {
		found = append(found, Violation{Rule: "growing tokens", Subject: subject, Detail: fmt.Sprintf(format, args...)})
	}
	owner := make(map[uint64]*Op)
	spans := make(map[string][]*span) // by lock
	for id, ops := range jobs(ops) {
		s := spanOf(id, ops)
		var before *Op
		for _, op := range ops {
			if op.Kind != Begin {
				continue
			}
			if other := owner[op.Token]; other != nil {
				bad(fmt.Sprintf("token %d", op.Token), "given to %s of job %s and to %s of job %s", other, other.Job, op, op.Job)
			}
			owner[op.Token] = op
			// Attempts that were handed back are not charged, so numbers may repeat.
			if before != nil && before.Attempt < op.Attempt && before.Token >= op.Token {
				bad("job "+id, "%s, and then %s", before, op)
			}
			if before == nil || op.Attempt >= before.Attempt {
				before = op
			}
		}
		for key := range heldFromStart(ops) {
			if s.first != Never && s.most != 0 {
				spans[key] = append(spans[key], s)
			}
		}
	}
	for key, all := range spans {
		slices.SortFunc(all, func(a, b *span) int { return cmp.Compare(a.first, b.first) })
		for i, later := range all {
			for _, earlier := range all[:i] {
				// One held it for certain before the other did, so all of its attempts were
				// before all of the other's.
				if earlier.first < later.last && earlier.most >= later.least {
					bad("lock "+key, "job %s held it before job %s did, with tokens up to %d and from %d",
						earlier.job, later.job, earlier.most, later.least)
				}
			}
		}
	}
	return found
}

// spanOf reads when a job held its lease for certain, by yields that were stored.
func spanOf(id string, ops []*Op) *span {
	s := &span{job: id, first: Never, least: math.MaxUint64}
	for _, op := range ops {
		switch {
		case op.acknowledged():
			s.first, s.last = min(s.first, op.Return), max(s.last, op.Call)
		case op.Kind == Begin:
			s.least, s.most = min(s.least, op.Token), max(s.most, op.Token)
		}
	}
	return s
}

func heldFromStart(ops []*Op) map[string]bool {
	keys := make(map[string]bool)
	for _, op := range ops {
		if op.Kind == Start {
			for _, key := range op.Locks {
				keys[key] = true
			}
		}
	}
	return keys
}

// checkCalls: each call has one result, made by an execution of that call, whoever saw it.
func checkCalls(ops []Op) (found []Violation) { //nolint:cyclop // one rule, read from top to bottom
	bad := func(op *Op, format string, args ...any) {
		found = append(found, Violation{Rule: "one result", Subject: strings.TrimSpace("call " + op.ID + " " + op.Input), Detail: fmt.Sprintf(format, args...)})
	}
	made := make(map[string]*Op)      // executions by the result that each makes
	delivered := make(map[string]*Op) // by call ID
	calls := make(map[string]*Op)     // by input
	for i := range ops {
		if op := &ops[i]; op.Kind == Execute {
			made[op.Result] = op
		}
	}
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case Deliver:
			if first := delivered[op.ID]; first == nil {
				delivered[op.ID] = op
			} else if first.Result != op.Result || first.Outcome != op.Outcome {
				bad(op, "delivered as %s %q and as %s %q", first.Outcome, first.Result, op.Outcome, op.Result)
			}
			if by := made[op.Result]; op.Outcome == OK && (by == nil || by.ID != op.ID) {
				bad(op, "delivered %q, which no execution of it made", op.Result)
			}
		case Call:
			if calls[op.Input] != nil {
				bad(op, "it has two results: %q and %q", calls[op.Input].Result, op.Result)
			}
			calls[op.Input] = op
			if op.Outcome != OK {
				continue
			}
			by := made[op.Result]
			switch {
			case by == nil:
				bad(op, "no execution made its result %q", op.Result)
			case by.Input != op.Input:
				bad(op, "its result %q was made for call %s", op.Result, by.Input)
			case by.Call < op.Call || by.Call > op.Return:
				bad(op, "its result %q was made outside of the call", op.Result)
			}
		}
	}
	return found
}

// byRule brings violations into an order that does not depend on maps.
func byRule(a, b Violation) int {
	return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Detail, b.Detail))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
