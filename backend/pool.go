package backend

import (
	"fmt"
	"time"
)

// PoolSpec is what a session that can execute a definition says of it. The spec
// joined last is in force for the whole namespace.
type PoolSpec struct {
	Name        string
	Kind        Kind
	MaxWorkers  int // slots at the most
	Spare       int // idle slots to keep ready; functions only
	CPU         float64
	Memory      int64         // bytes
	Timeout     time.Duration // of one attempt
	Grace       time.Duration // from cancel or timeout to the forced end
	Retries     int           // attempts after errors; for jobs after crashes too
	CrashBudget int           // attempts after crashes; functions only
	KeepYields  int           // how many yields stay readable
	MaxPending  int           // waiting tasks at the most; 0: no limit
}

// Session is one process's presence in a namespace.
type Session struct {
	ID    string
	Label string     // tells people which process it is, such as "host:pid"
	Pools []PoolSpec // definitions that it can execute
	// Launches: it has a provisioner, so slots may be reserved for it to launch.
	Launches bool
	// Lease is how long the session, and each of its tasks, lives without a
	// heartbeat; Margin is how much longer the backend waits before it acts, so
	// that a worker which fences itself off has surely done so.
	Lease  time.Duration
	Margin time.Duration
	// Starting is how long a slot may take from reserved to its first claim.
	Starting time.Duration
	// Quota bounds what all slots of the namespace use together; the one joined
	// last is in force. That of a session without Pools does not count: it only
	// looks on.
	Quota Quota
}

// Quota bounds a namespace's hardware. Zero fields bound nothing.
type Quota struct {
	CPU    float64
	Memory int64 // bytes
}

// Slot is the right to run one worker of a pool. Its ID is the idempotency token
// of the launch.
type Slot struct {
	ID   string
	Pool string
}

// SlotExit reports that a slot's worker is gone.
type SlotExit struct {
	Slot string
	// Note tells the user why, such as "exit code 137: out of memory".
	Note string
	// Refused: the worker never came because the platform refused it, or ended as it began; Note
	// becomes the reason that waiting tasks show, until a worker comes.
	Refused bool
}

// PoolInfo is a pool as seen at one moment.
type PoolInfo struct {
	Spec     PoolSpec
	Declared bool // a session that can execute it has joined at some time
	Serving  bool // and one is joined now
	Pending  int  // tasks waiting, those that wait for a retry not counted
	Delayed  int  // tasks waiting for a retry
	Running  int  // tasks leased
	Starting int  // slots reserved whose worker has not claimed yet
	Idle     int  // slots waiting for a task
	Slots    int  // all slots
	Blocked  string
	Oldest   time.Time      // when the task that is next was submitted; zero if none waits
	Jobs     map[Status]int // stored jobs by status, without those of which there are none; nil for functions
	Stats    Stats          // of ended attempts, as workers have reported them up to some seconds ago
}

// WorkerState is what a worker slot does.
type WorkerState string

// The states of worker slots.
const (
	WorkerStarting WorkerState = "starting" // reserved: its worker has not come yet
	WorkerIdle     WorkerState = "idle"     // waits for a task
	WorkerBusy     WorkerState = "busy"
)

// WorkerInfo is a worker slot as seen at one moment.
type WorkerInfo struct {
	Slot    string
	Pool    string
	State   WorkerState
	Session string   // in whose process it lives; while it starts, that which launches it
	Label   string   // of that session
	Tasks   []string // leased to it; a store may leave them out where a pool has more than 1000 running
}

// PendingReason words why a task is PENDING. It is shared by the backends, so
// that users read the same words everywhere. quotaFull tells that the namespace's
// quota has no room for one more slot of the pool.
func PendingReason(p PoolInfo, wait time.Duration, attempt int, quotaFull bool) string {
	switch {
	case wait > 0:
		return fmt.Sprintf("retry in %s, attempt %d", wait.Round(time.Millisecond), attempt+1)
	case !p.Declared:
		return fmt.Sprintf("no app with a handler for %q has joined yet", p.Spec.Name)
	case p.Blocked != "":
		return p.Blocked
	case p.Slots >= p.Spec.MaxWorkers && p.Spec.Kind == Job:
		return fmt.Sprintf("concurrency limit %d/%d", p.Slots, p.Spec.MaxWorkers)
	case p.Slots >= p.Spec.MaxWorkers:
		return fmt.Sprintf("worker limit %d/%d", p.Slots, p.Spec.MaxWorkers)
	case p.Starting > 0:
		return "a worker is starting"
	case quotaFull:
		return fmt.Sprintf("quota of the app has no room for %g CPU and %d MiB more", p.Spec.CPU, p.Spec.Memory>>20)
	case !p.Serving:
		return fmt.Sprintf("no app with a handler for %q is running", p.Spec.Name)
	}
	return "waiting for a worker"
}
