package memory

import "sync"

// spins is how often a lock is tried before the goroutine sleeps for it: about as long
// as a step holds it. A sync.Mutex itself spins only where no other goroutine waits to
// run, which among many workers is never, and to be put to sleep and woken costs several
// times what a step does.
const spins = 200

// mutex is a [sync.Mutex] for steps of a few hundred nanoseconds.
type mutex struct{ sync.Mutex }

// Lock implements [sync.Locker].
func (m *mutex) Lock() {
	for range spins {
		if m.TryLock() {
			return
		}
	}
	m.Mutex.Lock()
}
