// Package backend is the contract between mn and the place where its state lives.
//
// A [Backend] is one place (a process's memory, a Redis); a [Store] is one namespace
// in it, shared by every app of that name. Applications do not call this package:
// package mn does. Whoever writes a backend implements [Store] and proves it with
// one call of backendtest.Run.
//
// # States
//
// A task is a run of a job or a call of a function. [Next] holds the table that
// every backend obeys:
//
//	           claim                 succeed
//	PENDING ───────────▶ RUNNING ─────────────────▶ SUCCEEDED
//	   │  ▲                │ │  fail (error, timeout, lost, no retry left)
//	   │  └─ retry,release ┤ └──────────────────────▶ FAILED
//	   │ cancel            │ cancel
//	   ▼                   ▼            any ending, or the grace ends
//	CANCELLED          CANCELLING ────────────────────▶ CANCELLED
//
// # Promises
//
//  1. Every write by a worker names its lease; a stale lease changes nothing and
//     gets [ErrLeaseLost].
//  2. Every step is atomic and idempotent: the same operation sent twice, because a
//     reply was lost, answers as the first time.
//  3. Locks are taken all or none with the start, and freed exactly with the
//     terminal transition.
//  4. A task's end is written once: the first writer wins.
//  5. Lost workers are found by lease, or at once where the platform saw the exit
//     ([Scaler.Exit]). Any process may sweep: each repair is compare-and-set.
//  6. A cancel cannot be missed: it is stored, hinted by [Inbox.Cancel] and carried
//     on the replies of [Worker.Heartbeat].
//  7. No operation's cost grows with the number of stored jobs; lists page by
//     cursor; a sweep repairs a bounded number.
//  8. Calls leave nothing behind: a call's record goes when its result is delivered,
//     or when the session that made it is gone. Jobs stay until removed.
//  9. Time is the backend's, never a worker's clock. Requests carry durations.
package backend
