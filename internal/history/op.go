package history

import "math"

// Kind is what an operation did.
type Kind string

// What clients do.
const (
	Start  Kind = "start"  // of a job, with Locks
	Get    Kind = "get"    // of a job, as View
	Wait   Kind = "wait"   // for a job's end, as a Partial View
	Cancel Kind = "cancel" // of a job
	Remove Kind = "remove" // of a job
	List   Kind = "locks"  // all held locks at one moment, as Held
	Call   Kind = "call"   // of a function, with Input and Result
	// Deliver is a call's result as it came to the process that made the call. It is an
	// instant, and comes once or more for each call.
	Deliver Kind = "deliver"
)

// What handlers do. Those of jobs carry Job, Token and Attempt.
const (
	// Begin is the instant at which a job's handler began, with the newest yield of the
	// attempts before in View.
	Begin Kind = "begin"
	// Yield of Number; OK if it was acknowledged as stored.
	Yield Kind = "yield"
	// TryLock of Locks.
	TryLock Kind = "trylock"
	// Believe: from Call to Return the handler had no reason to doubt its lease: its
	// context lived, and its process had not been paused.
	Believe Kind = "believe"
	// Return is the instant before the handler returned, with Ending.
	Return Kind = "return"
	// Execute is one execution of a call's handler, with Input and Result.
	Execute Kind = "execute"
)

// Outcome is how an operation ended, as its caller was told.
type Outcome string

// The outcomes.
const (
	// Unknown: no answer came, or one that does not tell. The operation may have
	// happened at any time after its call, or may yet happen, or never.
	Unknown Outcome = ""
	OK      Outcome = "ok"
	Refused Outcome = "refused" // Holder holds Key
	Missing Outcome = "missing" // the job does not exist
	Erred   Outcome = "erred"   // a call ended with an error, which is an ending
)

// Never is the Return of an operation that did not: its process died in it.
const Never = math.MaxInt64

// Op is one operation. Call and Return are readings of Now.
type Op struct {
	Process string `json:"process"` // and goroutine: what does one thing at a time
	Number  int64  `json:"number"`  // unique in the file
	Kind    Kind   `json:"kind"`
	Call    int64  `json:"call"`
	Return  int64  `json:"return,omitempty"`

	Job     string            `json:"job,omitempty"`
	Locks   []string          `json:"locks,omitempty"`
	Token   uint64            `json:"token,omitempty"`
	Attempt int               `json:"attempt,omitempty"`
	Yield   uint64            `json:"yield,omitempty"`
	Sync    bool              `json:"sync,omitempty"` // the yield's OK means that it is stored
	Ending  Ending            `json:"ending,omitempty"`
	Input   string            `json:"input,omitempty"`
	ID      string            `json:"id,omitempty"` // of a call, as the backend knows it
	Result  string            `json:"result,omitempty"`
	View    *View             `json:"view,omitempty"`
	Held    map[string]string `json:"held,omitempty"` // holder by key
	// Final: nothing was under way any more, so every job has ended.
	Final bool `json:"final,omitempty"`

	Outcome Outcome `json:"outcome,omitempty"`
	Key     string  `json:"key,omitempty"`
	Holder  string  `json:"holder,omitempty"`
	Error   string  `json:"error,omitempty"` // for the reader's eyes
}

// Ending is what a handler returned.
type Ending string

// The endings.
const (
	EndNil       Ending = "nil"
	EndError     Ending = "error"
	EndPermanent Ending = "permanent"
	// EndTold: it was told to stop, so what it returned does not count.
	EndTold Ending = "told"
)

// Value is what a handler yields: its fencing token and the yield's number. It tells who
// yielded it, and when.
type Value struct {
	Token  uint64 `json:"token"`
	Number uint64 `json:"number"`
}

// View is a job as it was read.
type View struct {
	Status   string   `json:"status"`
	Attempt  int      `json:"attempt"`
	Yields   uint64   `json:"yields"`
	Value    Value    `json:"value"`
	Removing bool     `json:"removing,omitempty"`
	Failure  string   `json:"failure,omitempty"` // of a FAILED one: FailureError or FailureLost
	Locks    []string `json:"locks,omitempty"`
	Ended    int64    `json:"ended,omitempty"` // by the backend's clock
	// Partial: only Status and Value are known.
	Partial bool `json:"partial,omitempty"`
}

// Why a job FAILED.
const (
	FailureError = "error" // its handler said so
	FailureLost  = "lost"  // its worker was lost
)

func (v *View) terminal() bool {
	return v.Status == "SUCCEEDED" || v.Status == "FAILED" || v.Status == "CANCELLED"
}
