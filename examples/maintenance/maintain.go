package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/multinode/mn"
)

// Action is what is done to a table.
type Action string

// The actions.
const (
	Analyze Action = "analyze"          // gather the statistics that queries are planned by
	Reindex Action = "reindex"          // build the indexes anew
	Purge   Action = "purge-older-than" // delete the rows created before Input.Before
	Copy    Action = "copy"             // keep a copy of the table, as maintenance_copy_<table>
)

// Input says what to do to which table.
type Input struct {
	DB     string        `json:"db"` // the database's file, as the worker sees it
	Table  string        `json:"table"`
	Action Action        `json:"action"`
	Before time.Time     `json:"before,omitzero"` // of Purge
	Chunk  int           `json:"chunk"`           // rows in one transaction
	Pause  time.Duration `json:"pause,omitempty"` // between transactions, for other writers
}

// Progress is what a run yields: how far it has come, and where to resume.
type Progress struct {
	Done  int64 `json:"done"`          // of Total rows, or of Total indexes
	Total int64 `json:"total"`         // as counted when the run began
	Row   int64 `json:"row,omitempty"` // of Copy: the rowid that was copied last
}

// Maintain does one action to one table. Start it with WithLock(lockKey(table)), so that
// there is one run on a table at a time. Each transaction is followed by a yield, which is
// stored before the next one begins.
var Maintain = mn.NewJob("maintain", maintain,
	mn.SyncYields(), mn.Retries(3), mn.Backoff(time.Second, time.Minute), mn.CancellationGrace(30*time.Second))

// steps is an action on one table, cut into transactions.
type steps interface {
	// begin prepares an attempt, which resumes at a checkpoint or, where that is zero,
	// starts from the beginning. It returns the checkpoint made good.
	begin(ctx context.Context, tx *sql.Tx, at Progress) (Progress, error)
	// step does a part of the work, and says whether it was the last.
	step(ctx context.Context, tx *sql.Tx, at Progress) (next Progress, last bool, err error)
	// undo removes what a run that ends unfinished would leave behind.
	undo(ctx context.Context, tx *sql.Tx) error
}

func newSteps(ctx context.Context, t *table, in Input) (steps, error) {
	if in.Chunk < 1 {
		return nil, invalid("chunk %d: must be at least 1", in.Chunk)
	}
	switch in.Action {
	case Analyze, Reindex:
		return newRebuild(ctx, t, in)
	case Purge:
		return newPurge(t, in)
	case Copy:
		return newCopying(t, in), nil
	}
	return nil, invalid("unknown action %q: use %s, %s, %s or %s", in.Action, Analyze, Reindex, Purge, Copy)
}

func maintain(ctx context.Context, in Input, yield func(Progress) bool) error {
	db, err := openDB(ctx, in.DB)
	if err != nil {
		return err
	}
	defer db.Close()
	t, err := findTable(ctx, db, in.Table)
	if err != nil {
		return err
	}
	work, err := newSteps(ctx, t, in)
	if err != nil {
		return err
	}
	l := newLedger(ctx, t, in.Action)
	if err = carryOut(ctx, in, work, l, yield); context.Cause(ctx) != nil {
		return giveUp(ctx, work, l)
	}
	return err
}

// carryOut goes from step to step until the last, an error, or the order to stop.
func carryOut(ctx context.Context, in Input, work steps, l *ledger, yield func(Progress) bool) error {
	at, _ := mn.LastYield[Progress](ctx)
	last := false
	err := l.begin(ctx, func(tx *sql.Tx) (err error) {
		at, err = work.begin(ctx, tx, at)
		return err
	})
	if errors.Is(err, errFinished) {
		return nil // by an attempt that was lost before it could say so
	}
	for err == nil && !last {
		err = l.step(ctx, func(tx *sql.Tx) (done int64, outcome string, err error) {
			if at, last, err = work.step(ctx, tx, at); last {
				return at.Done, outcomeSucceeded, err
			}
			return at.Done, outcomeRunning, err
		})
		if err == nil && (!yield(at) || !last && !pause(ctx, in.Pause)) {
			break
		}
	}
	return err
}

// giveUp cleans up after an attempt that was told to stop. The transaction that was open
// has been rolled back with ctx; CleanupContext lives on for the one that tidies up.
// After ErrDraining and ErrLeaseLost another attempt resumes: it needs what is there.
func giveUp(ctx context.Context, work steps, l *ledger) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, mn.ErrDraining) || errors.Is(cause, mn.ErrLeaseLost) {
		return cause
	}
	ctx = mn.CleanupContext(ctx)
	err := l.end(ctx, cause.Error(), func(tx *sql.Tx) error { return work.undo(ctx, tx) })
	if err != nil {
		mn.Logger(ctx).Error("cleanup failed; the next run on the table will do it", "error", err)
	}
	return cause
}

// pause reports false if the job is to stop meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
