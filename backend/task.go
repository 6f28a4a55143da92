package backend

import "time"

// Kind tells jobs from functions.
type Kind uint8

// The kinds of definitions and so of tasks.
const (
	Job      Kind = iota + 1 // a run: kept until removed, yields, holds locks
	Function                 // a call: forgotten once its result is delivered
)

// String returns "job" or "function".
func (k Kind) String() string {
	switch k {
	case Job:
		return "job"
	case Function:
		return "function"
	}
	return "unknown kind"
}

// Submission is a task to be stored. What is the same for all tasks of a
// definition (timeouts, retries, limits) stands in its [PoolSpec].
type Submission struct {
	ID     string   // unique in the namespace; made by the client, so that a repeat is known as one
	Kind   Kind     // must be the kind of the pool
	Pool   string   // the definition's name
	Input  []byte   // encoded
	Parent string   // the task whose handler submitted it, or ""
	Depth  int      // how many function calls are above it
	Locks  []string // keys to hold from now to the end; no duplicates; jobs only
	// Root is the job for which a call is made, directly or by other calls, or "". Its
	// journal tells of the call.
	Root string
	// Trace is what the submitter's tracing wants the executing side to know, as it
	// encoded it; stored and given back as it is.
	Trace string
}

// Submitted is the answer to one [Submission].
type Submitted struct {
	Err      error // nil if the task is stored
	Existing bool  // it was stored before; nothing was changed
	Slot     Slot  // reserved for the caller to launch, if ID is not ""
}

// Task is a stored run or call as seen at one moment.
type Task struct {
	ID     string
	Kind   Kind
	Pool   string
	Status Status
	// Version grows with every visible change of this task.
	Version  uint64
	Input    []byte
	Parent   string
	Depth    int
	Root     string
	Trace    string
	Slot     string   // the worker slot of the newest attempt, "" before the first
	Result   []byte   // newest yield of a job
	Yields   uint64   // number of the newest yield, 0 for none
	Failure  *Failure // why it FAILED, or what ended the last attempt of a retried one
	Reason   string   // why it is PENDING; see PendingReason
	Attempt  int      // executions charged so far, the running one included
	Errors   int      // attempts that ended with an error
	Crashes  int      // attempts whose worker was lost
	Locks    []string // keys it holds, sorted
	Removing bool     // it will be deleted when it has ended
	Created  time.Time
	Started  time.Time // of the newest attempt; zero before the first
	Ended    time.Time // zero before the end
	// NotBefore is when a retry may begin; zero unless it waits for one.
	NotBefore time.Time
}

// Yield is one yielded value. A job's yields are numbered from 1 across its attempts.
type Yield struct {
	Number uint64
	Data   []byte
}

// Failure codes. Anything else is for the application to define.
const (
	CodeError   = "error"       // the handler returned an error
	CodePanic   = "panic"       // the handler or a codec panicked
	CodeTimeout = "timeout"     // the attempt took longer than its timeout
	CodeLost    = "worker lost" // the worker vanished
)

// Failure is why an attempt failed.
type Failure struct {
	Code string
	// Detail is the error's text and stack, encoded by the worker; nil where the
	// backend itself found the failure.
	Detail []byte
	// Note is plain text from the platform, such as "out of memory".
	Note string
}

// Result is the end of a call.
type Result struct {
	ID      string
	Status  Status
	Data    []byte
	Failure *Failure
	Attempt int
}

// Until says what [Client.Await] waits for.
type Until struct {
	After uint64 // the version that the caller has seen; 0 returns at once
	Ended bool   // only the end counts
	// Quit ends the wait with ErrQuit when it is closed; nil never is.
	Quit <-chan struct{}
}

// KeptAttempts is how many of a job's attempts [Client.Attempts] remembers.
const KeptAttempts = 20

// PastAttempt is an attempt that failed and after which its job was tried again.
type PastAttempt struct {
	Number  int // as Task.Attempt was
	Slot    string
	Started time.Time
	Ended   time.Time
	Failure *Failure
}

// ListRequest selects a page of jobs. Empty fields select everything.
type ListRequest struct {
	Pool     string
	Statuses []Status
	Before   string // cursor: only IDs below it
	From     string // only IDs that are not below it
	Limit    int    // at most; 0 means 100
}

// DefaultPage is the page size of a [ListRequest] without Limit.
const DefaultPage = 100

// LockInfo is one held lock.
type LockInfo struct {
	Key    string
	Holder string // the task's ID
}
