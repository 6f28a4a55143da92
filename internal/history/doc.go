// Package history checks what many processes saw of one backend, while connections broke
// and processes died, against the promises of package backend: whether there is an order
// of everything that happened in which each answer is the right one.
//
// The other suites test a step, or one process, at a time. Here several programs use one
// namespace at once, each records what it asked for, when, and what it was told, and the
// records of all are judged together, by one clock.
//
// # What is checked
//
// For each job and for each lock key, that its operations are linearizable
// (github.com/anishathalye/porcupine searches for the order):
//
//   - A job ([Op], jobmodel.go) moves along backend.Next alone, and a terminal status never
//     changes. It is CANCELLED only if that was wished, SUCCEEDED only if a handler
//     under its lease returned nil, and is tried again only while its budget lasts. Its
//     result is what the handler under its lease yielded, and never goes back: a yield that
//     was acknowledged is there, one by a stale lease is not, and the next attempt
//     begins from the newest.
//   - A lock (lockmodel.go) has one holder, from its job's start, or TryLock, to its job's
//     terminal status. Whoever is refused is told one who held it then, and gets none of
//     the locks that were asked for.
//
// An operation whose answer was lost may have happened at any time after its call, or
// never; what a killed process was doing likewise.
//
// And over the whole run (rules.go):
//
//   - one ending: every job has one, and all who saw it saw the same.
//   - one believer: no two handlers believe at one moment, each by its own clock, to hold
//     one lock or one job.
//   - growing tokens: fencing tokens are unique, and grow from each attempt to the next and
//     from each holder of a lock to the next.
//   - one result: whatever a call's result is delivered as is the same, and was made by an
//     execution of that very call, of which there may be several.
//
// # How to run it
//
// The tests of this package run it for some seconds each: on Redis with two client
// processes, one host whose workers are child processes, and two that execute in
// themselves, each with its own line to the server through
// github.com/Shopify/toxiproxy; and in memory. On Redis lines get slow, are cut, lose
// replies and go half-open, processes are killed and stopped, and scripts are flushed.
// Longer, with another seed:
//
//	MN_HISTORY_TIME=5m MN_HISTORY_SEED=7 go test -run History -v ./internal/history
//
// A seed fixes what clients intend and which faults come; how they fall together differs
// from run to run.
//
// # How to read a failure
//
// Each violation names the rule, the job or lock, and what does not fit. One about an order
// names a web page as well: each row is a client or a handler, each box one operation from
// its call to its answer. The longest orders that do work are drawn as lines; point at
// a box to see the state after it, and why the next one in red cannot follow. The records
// of the run are kept beside the page, one file for each process, one line for each
// operation as it was called and again as it returned.
//
//	grep -h 1f0c9a2b /tmp/mn-history-*/records/*.history | jq -s 'sort_by(.call)'
//
// shows all that was recorded of one job.
package history
