package mn

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/multinode/mn/backend"
)

// Locks are held by jobs. A job takes them at its start with [WithLock] or while it
// runs with [TryLock], and holds them to its end: they are freed in the same step that
// writes its terminal status, and in no other way. They are as strong as a lease:
// against a process that pauses at the wrong moment, let the guarded resource check
// [FencingToken].

// TryLock takes locks for the running job, all of them or none, and does not wait:
// if another job holds one it returns a [LockError]. Keys that the job holds already
// are no error. Call it in a job's handler with the handler's context. ErrLeaseLost.
func TryLock(ctx context.Context, keys ...string) error {
	a := attemptFrom(ctx)
	if a == nil || a.Kind != backend.Job {
		return fmt.Errorf("mn: TryLock: call it in a job's handler, with the handler's context")
	}
	if len(keys) == 0 {
		return fmt.Errorf("mn: TryLock: name at least one key")
	}
	if err := checkLockKeys(keys); err != nil {
		return fmt.Errorf("mn: TryLock: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("mn: TryLock: %w", err)
	}
	return outward(a.Lock(ctx, keys), fmt.Sprintf("TryLock in job %q %s", a.Pool, a.Lease.Task))
}

// FencingToken returns a number that grows with each attempt that the app's backend
// hands out. A resource that remembers the highest token it has seen, and refuses
// lower ones, is safe from a holder that was paused and has lost its lock without
// knowing. It is 0 outside a handler.
func FencingToken(ctx context.Context) uint64 {
	if a := attemptFrom(ctx); a != nil {
		return a.Lease.Epoch
	}
	return 0
}

// LockInfo is one held lock.
type LockInfo struct {
	Key    string
	Holder JobID
}

// locksPage is how many locks are read at a time.
const locksPage = 100

// Locks reads the held locks of all definitions of the app, in key order.
func (a *App) Locks(ctx context.Context) iter.Seq2[LockInfo, error] {
	return func(yield func(LockInfo, error) bool) {
		for after := ""; ; {
			page, err := exchange(ctx, a, func(ctx context.Context) ([]backend.LockInfo, error) {
				return a.store.Locks(ctx, after, locksPage)
			})
			if err != nil {
				yield(LockInfo{}, outward(err, "list of locks"))
				return
			}
			for _, l := range slices.All(page) {
				if !yield(LockInfo{Key: l.Key, Holder: JobID(l.Holder)}, nil) {
					return
				}
			}
			if len(page) < locksPage {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}
