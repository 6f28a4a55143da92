package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/multinode/mn"
)

// ledger keeps maintenance_log, a table in the same database with one row for each run.
// It is a record, and it is what makes the table's lock safe: a lock is only as strong as
// a lease, and a worker that was paused for long enough may have lost it without knowing.
// So every transaction first checks that its attempt is still the one in the log, in the
// transaction itself.
type ledger struct {
	table  *table
	action Action
	job    string
	token  uint64 // greater in each attempt
}

// The outcomes of a run in the log; others are the reason why it was stopped.
const (
	outcomeRunning   = "running"
	outcomeSucceeded = "succeeded"
	outcomeAbandoned = "abandoned" // it failed, or its program was killed
)

var (
	// errFinished: the run's last step is done.
	errFinished = errors.New("the run has finished")
	errReplaced = errors.New("another attempt or run has taken the table over")
)

func newLedger(ctx context.Context, t *table, action Action) *ledger {
	return &ledger{table: t, action: action, job: mn.TaskID(ctx), token: mn.FencingToken(ctx)}
}

// begin puts this attempt in the place of earlier ones, and of runs that left the table
// without a word. do is part of the transaction.
func (l *ledger) begin(ctx context.Context, do func(*sql.Tx) error) error {
	return l.transaction(ctx, func(tx *sql.Tx) error {
		if err := l.take(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
}

func (l *ledger) take(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS maintenance_log (job TEXT PRIMARY KEY, tbl TEXT, action TEXT,
			token INTEGER, done INTEGER DEFAULT 0, outcome TEXT, updated TEXT)`,
		`INSERT OR IGNORE INTO maintenance_log (job, tbl, action, token, outcome) VALUES (?1, ?2, ?3, ?4, 'running')`,
		`UPDATE maintenance_log SET token = ?4 WHERE job = ?1 AND token < ?4`,
		`UPDATE maintenance_log SET outcome = 'abandoned' WHERE tbl = ?2 AND job <> ?1 AND outcome = 'running'`,
	} {
		if _, err := tx.ExecContext(ctx, statement, l.job, l.table.name, l.action, l.token); err != nil {
			return err
		}
	}
	var token uint64
	var outcome string
	err := tx.QueryRowContext(ctx, "SELECT token, outcome FROM maintenance_log WHERE job = ?", l.job).Scan(&token, &outcome)
	switch {
	case err != nil:
		return err
	case token != l.token:
		return errReplaced
	case outcome == outcomeSucceeded:
		return errFinished
	}
	return nil
}

// step is one transaction of the run. do returns what to write into the log with it.
func (l *ledger) step(ctx context.Context, do func(*sql.Tx) (done int64, outcome string, err error)) error {
	return l.transaction(ctx, func(tx *sql.Tx) error {
		done, outcome, err := do(tx)
		if err != nil {
			return err
		}
		return l.write(ctx, tx, "done = ?, outcome = ?", done, outcome)
	})
}

// end writes why the run was stopped, if it has not finished. do is part of the transaction.
func (l *ledger) end(ctx context.Context, outcome string, do func(*sql.Tx) error) error {
	err := l.transaction(ctx, func(tx *sql.Tx) error {
		if err := l.write(ctx, tx, "outcome = ?", outcome); err != nil {
			return err
		}
		return do(tx)
	})
	if errors.Is(err, errReplaced) {
		return nil // nothing of it is left
	}
	return err
}

// write changes the run's row, unless it is not this attempt's any more.
func (l *ledger) write(ctx context.Context, tx *sql.Tx, set string, values ...any) error {
	result, err := tx.ExecContext(ctx,
		"UPDATE maintenance_log SET "+set+", updated = ? WHERE job = ? AND token = ? AND outcome = 'running'",
		append(values, time.Now().UTC().Format(time.RFC3339), l.job, l.token)...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(errReplaced, err)
	}
	return nil
}

// transaction commits what do does, or rolls it back.
func (l *ledger) transaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := l.table.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of no effect after Commit
	if err := do(tx); err != nil {
		return fmt.Errorf("%s %s: %w", l.action, l.table.name, err)
	}
	return tx.Commit()
}
