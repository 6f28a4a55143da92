package backend

import (
	"errors"
	"fmt"
)

// The errors of a store. They are returned bare; package mn names the task.
var (
	ErrNotFound     = errors.New("no such task")
	ErrTaskExists   = errors.New("a task of another definition has this ID")
	ErrWrongKind    = errors.New("the name belongs to a definition of the other kind")
	ErrLeaseLost    = errors.New("lease lost")
	ErrSlotLost     = errors.New("worker slot lost")
	ErrSessionLost  = errors.New("session lost: no heartbeat came in time")
	ErrRetired      = errors.New("worker retired: idle for its cooldown")
	ErrQuit         = errors.New("the wait was given up")
	ErrBackpressure = errors.New("too many tasks are waiting")
	// ErrForeign: what is stored cannot be read, so repeating the exchange is of no use.
	ErrForeign = errors.New("what is stored is not mn's, or of another version")
)

// LockError says that a lock is held by another task.
type LockError struct {
	Key    string
	Holder string // the ID of the task that holds it
}

func (e *LockError) Error() string {
	return fmt.Sprintf("lock %q is held by %s", e.Key, e.Holder)
}
