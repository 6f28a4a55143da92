package backend

import "context"

// Backend is one place that holds state, for any number of namespaces.
type Backend interface {
	// Namespace returns the store of one namespace. Two calls with one name return
	// stores that share everything; different names share nothing. It does no I/O.
	Namespace(name string) Store
}

// Store is one namespace: its tasks, queues, locks, sessions and worker slots.
//
// All methods may be called concurrently. Methods block for one exchange with the
// backend unless they say otherwise, and give up when ctx is done. An error that
// is none of this package's means that the exchange failed and its outcome is
// unknown: the caller repeats the same call. Slices passed in belong to the callee
// only until it returns, except byte slices, which it may keep and nobody may
// change. What is returned belongs to the caller, byte slices apart, which are
// read-only. Methods that take a batch return a slice parallel to it: one bad
// element never spoils the others.
type Store interface {
	Client
	Worker
	Scaler

	// Join makes a process present, or replaces what it said of itself before.
	// From then on inbox gets what concerns the session, until Leave or until its
	// heartbeats stop for Session.Lease + Session.Margin.
	Join(ctx context.Context, s Session, inbox Inbox) error
	// Leave ends a session: its unfinished calls are cancelled and forgotten, its
	// slots end as lost and its inbox hears nothing more. Unknown sessions are no error.
	Leave(ctx context.Context, session string) error
}

// Client is what programs that start and watch tasks use.
type Client interface {
	// Submit stores tasks as PENDING, each with all of its locks or not at all, and
	// hands each at once to an idle worker if there is one. Where there is none and
	// limits allow another, and the session launches that pool, it reserves a slot
	// in the same step and names it in Submitted.Slot: the caller must launch it.
	// A task ID that exists is not submitted again (Submitted.Existing); the slot that
	// was reserved with it for this session is named again while its worker has not
	// come, because the first answer may have been lost.
	//
	// Per task: *LockError, ErrTaskExists, ErrWrongKind, ErrBackpressure. For the
	// whole: ErrSessionLost.
	Submit(ctx context.Context, session string, tasks []Submission) ([]Submitted, error)
	// Cancel moves PENDING tasks to CANCELLED and RUNNING ones to CANCELLING.
	// Ended ones stay. Per task: ErrNotFound.
	Cancel(ctx context.Context, ids []string) ([]error, error)
	// Remove deletes jobs; a live one is cancelled now and deleted when it has ended.
	// IDs that do not exist count as removed.
	Remove(ctx context.Context, ids []string) error
	// Get reads tasks; the result holds nil for one that does not exist.
	Get(ctx context.Context, ids []string) ([]*Task, error)
	// Await blocks until the task has changed beyond what the caller knows, then
	// reads it. ErrNotFound if the task does not exist or ceases to, ErrQuit.
	Await(ctx context.Context, id string, until Until) (*Task, error)
	// Yields reads the kept yields of a job numbered above after, oldest first, at
	// most limit. ErrNotFound.
	Yields(ctx context.Context, id string, after uint64, limit int) ([]Yield, error)
	// List reads one page of jobs, highest ID first. IDs that are UUIDv7 thus come
	// newest first.
	List(ctx context.Context, req ListRequest) ([]*Task, error)
	// ListIDs is List for the IDs alone.
	ListIDs(ctx context.Context, req ListRequest) ([]string, error)
	// Locks reads one page of held locks in key order, keys above after.
	Locks(ctx context.Context, after string, limit int) ([]LockInfo, error)
	// Pools reads the declared and the used pools, in name order.
	Pools(ctx context.Context) ([]PoolInfo, error)
	// Workers reads one page of a pool's worker slots. Their order is any but stays, except
	// that slots which come or go meanwhile may make others be missed or come twice.
	Workers(ctx context.Context, pool string, offset, limit int) ([]WorkerInfo, error)
	// Journal reads entries of a job's stream, oldest first. ErrNotFound.
	Journal(ctx context.Context, req JournalRequest) ([]Entry, error)
	// Attempts reads the attempts of a job after which it was tried again, oldest first: the
	// last [KeptAttempts] of them. ErrNotFound.
	Attempts(ctx context.Context, id string) ([]PastAttempt, error)
}

// Worker is what executes tasks.
type Worker interface {
	// Claim leases PENDING tasks of the slot's pool to the slot: nested tasks first, then
	// the oldest. It returns at least one, and more as ClaimRequest.Max says. The first
	// claim of a reserved slot brings it to life. With nothing to claim it blocks: for ever
	// while the pool has no more idle slots than spares and a session launches it, else for
	// ClaimRequest.Cooldown, and then ends the slot and returns ErrRetired. If ctx ends it returns ctx's error, or
	// the task if one was being handed over: it belongs to the caller. A claim repeated
	// with the same Op returns those of its tasks that are still leased by it.
	//
	// ErrSlotLost: the slot is not known (any more); the worker must end. ErrSessionLost:
	// at the first claim, the session is not known.
	Claim(ctx context.Context, req ClaimRequest) ([]Assignment, error)
	// Heartbeat keeps the session, its slots and the given leases alive. Leases are
	// never extended past the task's timeout and grace. ErrSessionLost if the
	// session had already ended: everything it held is lost.
	Heartbeat(ctx context.Context, session string, leases []Lease) ([]LeaseState, error)
	// Yield stores results of a running job: the newest becomes the job's result,
	// and as many as PoolSpec.KeepYields stay readable by Client.Yields. Numbers
	// that are not above the newest stored are ignored. ErrLeaseLost.
	Yield(ctx context.Context, lease Lease, yields []Yield) error
	// Lock adds locks to a running task, all or none. Keys that it holds already
	// are no error. *LockError, ErrLeaseLost.
	Lock(ctx context.Context, lease Lease, keys []string) error
	// Settle ends attempts, see [Settlement]. Per attempt: ErrLeaseLost.
	Settle(ctx context.Context, ends []Settlement) ([]Settled, error)
	// Append adds entries to jobs' streams, and drops those of jobs that do not exist. Of all
	// writes by a worker it alone names no lease: what a worker has seen is worth reading
	// whoever has the task by now. It is not idempotent either: a repeat adds entries again.
	// When memory is short a store may refuse it with ErrBackpressure.
	Append(ctx context.Context, additions []Addition) error
	// Report adds to what PoolInfo.Stats counts, and ignores pools that do not exist. It is
	// not idempotent: who got no answer must not repeat it. A store may refuse it like Append.
	Report(ctx context.Context, stats []PoolStats) error
}

// Scaler is what brings workers to life and clears away what is lost.
type Scaler interface {
	// Reserve reserves one slot for each worker that the pools lack: demand and
	// spares, less what is idle or starting, within the limits, and at most limit of
	// each pool: no more than will be launched soon, because a slot that waits for that
	// counts as starting meanwhile. Pools that the session does not launch are skipped.
	// ErrSessionLost.
	Reserve(ctx context.Context, session string, pools []string, limit int) ([]Slot, error)
	// Exit ends slots whose worker is gone or never came. Tasks leased to them are
	// lost at once. Unknown slots are no error.
	Exit(ctx context.Context, exits []SlotExit) error
	// Sweep repairs at most limit lost leases, overdue tasks, slots and sessions,
	// and says how many it repaired. Safe to call from any number of processes.
	Sweep(ctx context.Context, limit int) (int, error)
}

// Exchanger is an extra ability of a store, found by assertion: to end attempts and claim
// the worker's next tasks in one exchange, which a warm call otherwise needs two for.
type Exchanger interface {
	// Exchange is [Worker.Settle] of attempts, and then [Worker.Claim] for the worker that
	// made them, without waiting. If it fails its outcome is unknown: the caller repeats
	// the Settle, and then the Claim with the same Op.
	Exchange(ctx context.Context, ends []Settlement, req ClaimRequest) (Exchanged, error)
}

// Exchanged is the answer to an exchange: how each attempt ended, and either tasks, or the
// claim that waits for one, or the claim's error.
type Exchanged struct {
	Settled []Settled
	Tasks   []Assignment
	Claim   Claiming
	Err     error
}

// Claiming is a claim that waits. Wait must be called, once; it behaves like
// [Worker.Claim].
type Claiming interface {
	Wait(ctx context.Context) ([]Assignment, error)
}

// Inbox gets what concerns one session. Its methods are called by the backend,
// maybe concurrently; they must not block and must not call the store. Except for
// Results all are hints: one that is lost costs time, never correctness.
type Inbox interface {
	// Results delivers ends of calls that the session submitted, each at least once while
	// the session lives. The slice belongs to the callee only until it returns.
	Results([]Result)
	// Cancel says that a lease's task is CANCELLING.
	Cancel(Lease)
	// Demand says that a pool may lack workers: Reserve would tell.
	Demand(pool string)
	// Kill says that a slot launched by this session ended as lost: its worker, if
	// it still runs, must be killed.
	Kill(slot string)
}
