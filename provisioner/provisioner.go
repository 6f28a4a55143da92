// Package provisioner is the contract between mn and what brings workers to life:
// goroutines (local), child processes, allocations of a cluster.
//
// A provisioner is told to launch a worker for a slot, and to kill it. It knows
// nothing of tasks: how many workers there are, and when one ends by itself, is
// decided elsewhere. What it learns about a worker's end it reports to its [Host].
package provisioner

import (
	"context"
	"strings"
	"time"
)

// Resources are the hardware of one worker.
type Resources struct {
	CPU    float64 // cores
	Memory int64   // bytes
}

// Worker is one worker to be launched.
type Worker struct {
	// ID is the slot's ID and the idempotency token: launching it twice starts one
	// worker at the most.
	ID   string
	Pool string // the definition it executes
	Resources
}

// Exit is what a provisioner saw of a worker's end.
type Exit struct {
	// Note tells the user in plain words, such as "exit code 137: out of memory".
	Note string
	// Lived is how long it ran, 0 if that is not known or it never did.
	Lived time.Duration
	// Refused: the worker never came, because the platform has no room for it or
	// does not accept it.
	Refused bool
}

// Host is the app for which workers are launched. Its methods may be called
// concurrently.
type Host interface {
	// Serve lives the life of a worker inside this process and blocks as long.
	Serve(w Worker) error
	// Abandon ends a worker that lives in Serve, as far as that can be done to a
	// goroutine: nothing it does counts any more.
	Abandon(id string)
	// Output hands over what a launched worker, which is a process, has printed: soon, in
	// order, and the last of it before Exited. It does not block. However much a worker
	// prints, the host bounds what becomes of it.
	Output(w Worker, o Output)
	// Exited reports that a launched worker is gone without having ended by itself,
	// or never came. It may block for two exchanges with the backend.
	Exited(w Worker, e Exit)
}

// Provisioner launches workers. Its methods may be called concurrently.
type Provisioner interface {
	// Open prepares it for one app; host is used until Close has returned. It does
	// no I/O that could take long. A second Open is an error.
	Open(app string, host Host) error
	// Launch starts a worker, soon: it does not block. If that fails, or the worker
	// ends other than by itself, Host.Exited tells.
	Launch(w Worker)
	// Kill ends a worker by force, soon: it does not block. Unknown IDs and workers
	// that have ended are no error.
	Kill(id string)
	// Close ends what is left of its workers and waits for their end, or until ctx
	// is done. Nothing is launched afterwards. Workers of a platform that does not end with
	// this process may be left to end by themselves, where its configuration says so.
	Close(ctx context.Context) error
}

// Deployer is an extra ability of a provisioner, found by assertion: to register with its
// platform beforehand what workers are launched from. [mn.App.Deploy] uses it.
//
// [mn.App.Deploy]: https://pkg.go.dev/github.com/multinode/mn#App.Deploy
type Deployer interface {
	// Deploy registers the pools, by name and with what one worker needs, for the app that
	// has opened the provisioner. It blocks for exchanges with the platform. Registering
	// again what has not changed changes nothing; any number of processes may do so at once.
	Deploy(ctx context.Context, pools map[string]Resources) error
}

// Pacer is an extra ability of a provisioner, found by assertion, for those that launch workers
// one after the other at a pace that their platform bears: to say how many more make sense now.
type Pacer interface {
	// Room is how many more workers of a pool it would launch soon. No more slots than that are
	// reserved at a time, so that a slot's time to start is not spent waiting here, and
	// other processes, which have paces of their own, get their share. It does not block.
	Room(pool string) int
}

// None launches nothing: for programs that only start and watch tasks, which others
// execute. [mn.New] recognises it and reserves no workers.
//
// [mn.New]: https://pkg.go.dev/github.com/multinode/mn#New
var None Provisioner = none{}

type none struct{}

func (none) Open(string, Host) error     { return nil }
func (none) Launch(Worker)               {}
func (none) Kill(string)                 {}
func (none) Close(context.Context) error { return nil }

// WorkerVariable is the environment variable by which a process learns that it was
// launched as a worker, and for which slot: "pool/slot".
const WorkerVariable = "MN_WORKER"

// Exit codes of worker processes beside 0, which means that the worker ended by itself.
const (
	// ExitRefused: it cannot serve the slot, for example because it has no such definition.
	ExitRefused = 78 // EX_CONFIG of sysexits.h
	// ExitKilled: a handler did not return within its grace, so the process ended itself.
	ExitKilled = 137 // as after SIGKILL
)

// WorkerEnv is WorkerVariable for a worker, as "KEY=value".
func WorkerEnv(w Worker) string { return WorkerVariable + "=" + w.Pool + "/" + w.ID }

// ParseWorker reads WorkerVariable's value; false if it is not one.
func ParseWorker(value string) (w Worker, ok bool) {
	w.Pool, w.ID, ok = strings.Cut(value, "/")
	return w, ok && w.Pool != "" && w.ID != ""
}
