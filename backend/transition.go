package backend

import "time"

// Status is where a task stands.
type Status string

// The statuses. SUCCEEDED, FAILED and CANCELLED are terminal.
const (
	StatusPending    Status = "PENDING"
	StatusRunning    Status = "RUNNING"
	StatusSucceeded  Status = "SUCCEEDED"
	StatusFailed     Status = "FAILED"
	StatusCancelling Status = "CANCELLING"
	StatusCancelled  Status = "CANCELLED"
)

// Statuses are all statuses in the order of a task's life.
var Statuses = [...]Status{
	StatusPending, StatusRunning, StatusCancelling, StatusSucceeded, StatusFailed, StatusCancelled,
}

// Terminal reports whether a task with this status has ended.
func (s Status) Terminal() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusCancelled
}

// Event is what can happen to a task.
type Event uint8

// The events.
const (
	EventClaim   Event = iota + 1 // a worker got a lease
	EventSucceed                  // the attempt succeeded
	EventFail                     // the attempt failed and is not retried
	EventRetry                    // the attempt failed and is retried
	EventRelease                  // the attempt was handed back
	EventCancel                   // somebody wants it to stop
)

// Next is the transition table. It returns the status after the event, and false
// if the event cannot happen in that status, in which case nothing may change.
func Next(s Status, e Event) (Status, bool) {
	switch s {
	case StatusPending:
		switch e {
		case EventClaim:
			return StatusRunning, true
		case EventCancel:
			return StatusCancelled, true
		}
	case StatusRunning:
		switch e {
		case EventSucceed:
			return StatusSucceeded, true
		case EventFail:
			return StatusFailed, true
		case EventRetry, EventRelease:
			return StatusPending, true
		case EventCancel:
			return StatusCancelling, true
		}
	case StatusCancelling:
		switch e {
		case EventSucceed, EventFail, EventRetry, EventRelease:
			return StatusCancelled, true
		case EventCancel:
			return StatusCancelling, true
		}
	default: // terminal: a cancel that comes late is no error and changes nothing
		if e == EventCancel {
			return s, true
		}
	}
	return s, false
}

// Retryable reports whether a task that has now failed errors times and crashed
// crashes times is tried again. A job counts both against Retries, because a crash
// may have done half of its work; a function has a budget for each.
func (p *PoolSpec) Retryable(errors, crashes int, crashed bool) bool {
	if p.Kind == Job {
		return errors+crashes <= p.Retries
	}
	if crashed {
		return crashes <= p.CrashBudget
	}
	return errors <= p.Retries
}

// MaxCrashDelay bounds [CrashDelay].
const MaxCrashDelay = time.Minute

// CrashDelay is how long a task waits after its n-th crash (n ≥ 1): nothing after
// the first, which is mostly the machine's fault, then 1 s doubling, because a task
// that kills its workers must not take the pool with it.
func CrashDelay(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	return min(time.Second<<min(n-2, 10), MaxCrashDelay)
}
