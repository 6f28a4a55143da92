package backend

import "time"

// Lease is the right to write to one task during one attempt. Epoch grows with
// every lease of the namespace, which makes it a fencing token; the random Nonce
// tells leases apart even where a failover set the counter back.
type Lease struct {
	Task  string
	Slot  string
	Epoch uint64
	Nonce uint64
}

// ClaimRequest asks for tasks.
type ClaimRequest struct {
	Slot    string
	Session string // the process in which the slot's worker lives
	// Op tells this claim from others by the same slot; a repeat carries the same.
	Op uint64
	// Cooldown is how long an idle worker above the spares stays. 0: end the slot
	// at once if there is nothing to do.
	Cooldown time.Duration
	// Nested claims only tasks with Depth > 0, on behalf of a worker whose handler
	// waits for a call. It never ends the slot.
	Nested bool
	// Max is how many tasks the claim may return at once; 0 means 1. A store may give
	// fewer than it has, but not none. It gives at the most the slot's share, so that one
	// worker does not take what others could execute meanwhile: the tasks that wait, those
	// that wait for a retry not counted, divided by the slots of the pool and rounded up.
	// The tasks come as single claims would return them one after another. One that was lost
	// with a worker before (Crashes > 0) comes alone, so that it takes no others with it.
	// Jobs come one by one, and so does what is claimed with Nested.
	Max int
	// Bundle is how many tasks of one Submit may be handed over to the waiting worker before
	// another one is woken: so many that they take less time than that costs. 0 means 1; it
	// is at most Max. A store may hand over fewer, or ignore it. What comes one by one with
	// Max does here too, and a nested task is never added to others: each goes to a worker of
	// its own where there is one, because a handler waits for it.
	Bundle int
}

// Assignment is a task leased to a worker.
type Assignment struct {
	Lease   Lease
	Kind    Kind
	Pool    string
	Input   []byte
	Parent  string
	Depth   int
	Root    string
	Trace   string
	Attempt int
	Result  []byte // the newest yield of earlier attempts
	Yields  uint64 // and its number, 0 for none
	Created time.Time
}

// LeaseState is a heartbeat's answer for one lease.
type LeaseState uint8

// The states of a lease.
const (
	LeaseHeld       LeaseState = iota + 1
	LeaseCancelling            // held, and the task is to be cancelled
	LeaseLost                  // another attempt, or the end, has come: stop
)

// Outcome is how an attempt ended, as its worker saw it. What becomes of the task
// is decided by the transition table: once CANCELLING, every outcome ends it CANCELLED.
type Outcome uint8

// The outcomes.
const (
	Succeeded Outcome = iota + 1
	Failed            // retried while the definition's budget lasts, unless Permanent
	Released          // given up by a draining or a cancelled worker: not charged, PENDING again
)

// Settlement ends one attempt.
type Settlement struct {
	Lease     Lease
	Outcome   Outcome
	Result    []byte // a function's result
	Yields    []Yield
	Failure   *Failure      // with Failed
	Permanent bool          // with Failed: do not retry
	RetryIn   time.Duration // with Failed: wait before the next attempt
	// Leave ends the slot with the attempt.
	Leave bool
}

// Settled is the answer to one [Settlement].
type Settled struct {
	Err    error // ErrLeaseLost, or nil
	Status Status
}
