package provisioner

// Execution is what a worker executes, as far as its output is concerned.
type Execution struct {
	// Job is the ID of the run in whose log the output belongs: the one that the worker
	// executes, or for which it executes a call. "" if there is none, as for calls that no run
	// has made.
	Job string
	// Attempt is the run's attempt; 0 for calls.
	Attempt int
}

// Output is text that a worker has printed to its stdout or stderr.
type Output struct {
	// Execution is what the worker executed then. With Job "" it is not known: the host takes
	// what the backend says the worker executes now.
	Execution
	// Text is lines, with or without the last line's end.
	Text string
	// Tail: Text is the end of all that the worker has printed, read after its death. Parts
	// of it may have been handed over before.
	Tail bool
}

// Guest is an extra ability of a provisioner, found by assertion: what it does inside a process
// that it has launched as a worker, so that what the process prints gets into the log of the
// run that printed it. [mn.App] calls Enter once, then Execute, and at last Leave.
//
// [mn.App]: https://pkg.go.dev/github.com/multinode/mn#App
type Guest interface {
	// Enter begins: this process is worker w. output takes what the process has printed, where
	// that is not read from outside; it does not block, and is called until Leave has returned.
	Enter(w Worker, output func(Output))
	// Execute says what the worker begins to execute. It must cost microseconds at the most,
	// and may be called concurrently.
	Execute(e Execution)
	// Leave hands over what was printed last. It may block for some hundred milliseconds.
	Leave()
}
