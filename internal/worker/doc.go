// Package worker is an attempt's passage through a process: claim, invoke, yield,
// settle, each a file of its name. A [Process] holds the workers that live in this
// process, keeps their leases by heartbeat and drains them.
//
// It knows nothing of types: package mn turns typed handlers into [Pool.Invoke].
//
// # Life of a worker
//
// Serve claims and executes on its own goroutine, which also runs the handler, so
// that a warm call costs no more goroutine switches than two channels would. What
// must happen although a handler does not return (timeout, end of the grace) comes
// from timers. When the grace is over the attempt is abandoned: its end is written,
// its later writes fail, its worker's slot ends, and the goroutine is left alone,
// because Go has no way to stop it.
package worker
