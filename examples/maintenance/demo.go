package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// demoTasks are what is done when nothing else is asked for. The last is refused, because
// the one before holds the lock of its table.
var demoTasks = []task{{Purge, "events"}, {Copy, "sessions"}, {Reindex, "sessions"}}

// makeDemo creates a database with two tables of rows, the newest from now and the oldest
// 60 days old, unless there is a file already. It reports whether it did.
func makeDemo(ctx context.Context, path string, rows int, now time.Time) (bool, error) {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	db, err := open(ctx, path, "rwc")
	if err != nil {
		return false, err
	}
	err = fillDemo(ctx, db, rows, now)
	if err = errors.Join(err, db.Close()); err != nil {
		return false, errors.Join(err, os.Remove(path)) // half a demo is of no use
	}
	return true, nil
}

func fillDemo(ctx context.Context, db *sql.DB, rows int, now time.Time) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of no effect after Commit
	for _, statement := range []string{
		`CREATE TABLE events (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, created INTEGER NOT NULL)`,
		`CREATE INDEX events_created ON events (created)`,
		`CREATE TABLE sessions (token TEXT UNIQUE, user INTEGER NOT NULL, created INTEGER NOT NULL)`,
		`CREATE INDEX sessions_user ON sessions (user)`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	oldest, span := now.Add(-60*24*time.Hour).Unix(), int64(60*24*time.Hour/time.Second)
	for n := range int64(rows) {
		created := oldest + span*(n+1)/int64(rows)
		if _, err := tx.ExecContext(ctx, "INSERT INTO events VALUES (?, ?, ?)", n, "login", created); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO sessions VALUES (?, ?, ?)", fmt.Sprintf("token-%d", n), n%97, created); err != nil {
			return err
		}
	}
	return tx.Commit()
}
