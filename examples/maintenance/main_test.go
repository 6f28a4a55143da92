package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// demoRows is how many rows the tables of a test's database have: half of them older than
// 30 days.
const demoRows = 100

// demoDB makes a database for the test.
func demoDB(t *testing.T) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a database?.db") // not the plainest of names
	if created, err := makeDemo(t.Context(), path, demoRows, time.Now()); err != nil || !created {
		t.Fatalf("created: %t, error: %v", created, err)
	}
	db, err := openDB(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return path, db
}

// value reads one value from the database.
func value[T any](t *testing.T, db *sql.DB, query string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func exists(t *testing.T, db *sql.DB, table string) bool {
	t.Helper()
	return value[int](t, db, "SELECT count(*) FROM sqlite_schema WHERE name = ?", table) == 1
}

// runProgram runs the program's main part with arguments and returns what it prints.
func runProgram(ctx context.Context, t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	o, err := parseArgs(args, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = program(mntest.New(t, Maintain).Context(ctx), o, &out)
	return out.String(), err
}

func TestTheDemoMaintainsTwoTablesAndShowsTheConflict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.db")
	out, err := runProgram(t.Context(), t, "-db", path, "-rows=1000", "-chunk=100", "-pause=5ms")
	var held *mn.LockError
	if !errors.As(err, &held) {
		t.Fatalf("got %v, want a LockError\n%s", err, out)
	}
	if code := exitCode(err, true); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, line := range []string{
		fmt.Sprintf("copy of sessions: started as job %s\n", held.Holder),
		fmt.Sprintf("reindex of sessions: not started, the table is in use by job %s\n", held.Holder),
		"purge-older-than of events: SUCCEEDED",
		"copy of sessions: SUCCEEDED", "1000 of 1000 done",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in the output:\n%s", line, out)
		}
	}
}

func TestASecondRunOnATableExitsWith3(t *testing.T) {
	path, _ := demoDB(t)
	// The names differ in case, but not for SQLite.
	out, err := runProgram(t.Context(), t, "-db", path, "copy:events", "analyze:EVENTS")
	if code := exitCode(err, false); code != exitLocked {
		t.Errorf("exit code %d, want %d; output:\n%s", code, exitLocked, out)
	}
}

func TestAFailureExitsWith1(t *testing.T) {
	path, db := demoDB(t)
	out, err := runProgram(t.Context(), t, "-db", path, `analyze:x"; DROP TABLE events; --`, "copy:sessions")
	if code := exitCode(err, false); code != exitFailed {
		t.Errorf("exit code %d, want %d; output:\n%s", code, exitFailed, out)
	}
	if !exists(t, db, "events") {
		t.Error("the name of a table was executed")
	}
	if !strings.Contains(out, "copy of sessions: SUCCEEDED") {
		t.Errorf("the other task was not carried out:\n%s", out)
	}
}

// interrupter is an output that interrupts the program when it sees a text.
type interrupter struct {
	bytes.Buffer
	at        string
	interrupt func()
}

func (w *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.at)) {
		w.interrupt()
	}
	return w.Buffer.Write(p)
}

func TestAnInterruptCancelsTheJobsAndExitsWith130(t *testing.T) {
	path, db := demoDB(t)
	o, err := parseArgs([]string{"-db", path, "-chunk=25", "-pause=1h", "copy:events"}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(mntest.New(t, Maintain).Context(t.Context()))
	defer interrupt()
	out := interrupter{at: "25%", interrupt: interrupt}
	if code := exitCode(program(ctx, o, &out), false); code != exitCancelled {
		t.Errorf("exit code %d, want %d", code, exitCancelled)
	}
	if !strings.Contains(out.String(), "copy of events: CANCELLED") {
		t.Errorf("the end is not printed:\n%s", out.String())
	}
	if exists(t, db, "maintenance_temporary_events") {
		t.Error("the temporary table is still there")
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, arg := range []string{"-rows=0", "-chunk=0", "-pause=-1s", "-older-than=-1h", "-no-such-flag", "events", "drop:events", "copy:"} {
		var complaint bytes.Buffer
		if _, err := parseArgs([]string{arg}, &complaint); err == nil || complaint.Len() == 0 {
			t.Errorf("%s: error %v, message %q; want both", arg, err, complaint.String())
		}
	}
}
