package main

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

// do runs one action to its end.
func do(t *testing.T, app *mn.App, in Input) mn.JobInfo[Progress] {
	t.Helper()
	job := Maintain.On(app)
	id, err := job.Start(t.Context(), in, mn.WithLock(lockKey(in.Table)))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = job.Wait(t.Context(), id) // Get tells all
	info, err := job.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func checkSucceeded(t *testing.T, db *sql.DB, info mn.JobInfo[Progress], done int64) {
	t.Helper()
	if info.Status != mn.Succeeded || info.Result.Done != done || info.Result.Total != done {
		t.Errorf("got %s, %+v, error %v; want SUCCEEDED with %d done", info.Status, info.Result, info.Error, done)
	}
	if outcome := value[string](t, db, "SELECT outcome FROM maintenance_log WHERE job = ?", info.ID); outcome != outcomeSucceeded {
		t.Errorf("the log says %q", outcome)
	}
}

func TestAnalyzeGathersStatisticsOfEachIndex(t *testing.T) {
	path, db := demoDB(t)
	checkSucceeded(t, db, do(t, mntest.New(t, Maintain), Input{DB: path, Table: "sessions", Action: Analyze, Chunk: 1}), 2)
	if n := value[int](t, db, "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'sessions'"); n != 2 {
		t.Errorf("there are statistics of %d indexes, want 2", n)
	}
}

func TestReindexGoesThroughEachIndex(t *testing.T) {
	path, db := demoDB(t)
	checkSucceeded(t, db, do(t, mntest.New(t, Maintain), Input{DB: path, Table: "events", Action: Reindex, Chunk: 1}), 1)
}

func TestPurgeDeletesWhatIsTooOldAndNothingElse(t *testing.T) {
	path, db := demoDB(t)
	before := time.Now().Add(-30 * 24 * time.Hour)
	old := value[int64](t, db, "SELECT count(*) FROM events WHERE created < ?", before.Unix())
	checkSucceeded(t, db, do(t, mntest.New(t, Maintain), Input{DB: path, Table: "events", Action: Purge, Before: before, Chunk: 7}), old)
	if n := value[int64](t, db, "SELECT count(*) FROM events WHERE created >= ?", before.Unix()); n != demoRows-old {
		t.Errorf("%d of the %d younger rows are left", n, demoRows-old)
	}
	if n := value[int64](t, db, "SELECT count(*) FROM events WHERE created < ?", before.Unix()); n != 0 {
		t.Errorf("%d rows that are too old are left", n)
	}
}

// checkCopy fails unless the copy of events has the same rows.
func checkCopy(t *testing.T, db *sql.DB) {
	t.Helper()
	const differences = `SELECT (SELECT count(*) FROM maintenance_copy_events) - (SELECT count(*) FROM events)
		+ (SELECT count(*) FROM (SELECT rowid, * FROM events EXCEPT SELECT rowid, * FROM maintenance_copy_events))`
	if n := value[int](t, db, differences); n != 0 {
		t.Errorf("the copy differs in %d rows", n)
	}
	if exists(t, db, "maintenance_temporary_events") {
		t.Error("the temporary table is still there")
	}
}

func TestACopyReplacesTheOneBefore(t *testing.T) {
	path, db := demoDB(t)
	app := mntest.New(t, Maintain)
	in := Input{DB: path, Table: "events", Action: Copy, Chunk: 7}
	checkSucceeded(t, db, do(t, app, in), demoRows)
	if _, err := db.ExecContext(t.Context(), "DELETE FROM events WHERE id % 3 = 0; UPDATE events SET id = id - 50"); err != nil {
		t.Fatal(err)
	}
	checkSucceeded(t, db, do(t, app, in), value[int64](t, db, "SELECT count(*) FROM events"))
	checkCopy(t, db)
}

func TestAfterALostWorkerTheRunResumesAtItsCheckpoint(t *testing.T) {
	path, db := demoDB(t)
	for _, in := range []Input{
		{DB: path, Table: "events", Action: Copy, Chunk: 7},
		{DB: path, Table: "events", Action: Purge, Before: time.Now().Add(time.Hour), Chunk: 7},
	} {
		t.Run(string(in.Action), func(t *testing.T) {
			app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{Maintain}}, mntest.KillAfterYield("maintain", 4))
			info := do(t, app, in)
			checkSucceeded(t, db, info, demoRows)
			// Steps of 7, one more that finds the rest; none of the first attempt's again.
			if want := uint64(demoRows/7 + 1); info.Attempt != 2 || info.Yields != want {
				t.Errorf("ended in attempt %d after %d yields, want 2 and %d", info.Attempt, info.Yields, want)
			}
			if in.Action == Copy {
				checkCopy(t, db)
			}
		})
	}
}

func TestAStepWhoseYieldWasLostIsNotDoneTwice(t *testing.T) {
	path, db := demoDB(t)
	for _, action := range []Action{Copy, Purge} {
		t.Run(string(action), func(t *testing.T) {
			table, err := findTable(t.Context(), db, "events")
			if err != nil {
				t.Fatal(err)
			}
			work, err := newSteps(t.Context(), table, Input{DB: path, Action: action, Before: time.Now(), Chunk: 7})
			if err != nil {
				t.Fatal(err)
			}
			l := &ledger{table: table, action: action, job: string(action), token: 1}
			var yielded []Progress // of which the last one is lost
			yield := func(p Progress) bool {
				yielded = append(yielded, p)
				return len(yielded) < 4
			}
			if err := carryOut(t.Context(), Input{}, work, l, yield); err != nil {
				t.Fatal(err)
			}
			err = l.transaction(t.Context(), func(tx *sql.Tx) error {
				at, err := work.begin(t.Context(), tx, yielded[2])
				if action == Copy && at != yielded[2] || action == Purge && at != yielded[3] {
					t.Errorf("from %+v, the next attempt begins at %+v", yielded[2], at)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := value[int](t, db, "SELECT count(*) FROM maintenance_temporary_events"); n != 21 {
				t.Errorf("%d rows are copied, want the 21 of the checkpoint", n)
			}
		})
	}
}

// running starts a copy of events that stands still after its first yield.
func running(t *testing.T, app *mn.App, path string) mn.JobID {
	t.Helper()
	in := Input{DB: path, Table: "events", Action: Copy, Chunk: 7, Pause: time.Hour}
	id, err := Maintain.On(app).Start(t.Context(), in, mn.WithLock(lockKey("events")))
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range Maintain.On(app).Watch(t.Context(), id) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Yields > 0 {
			break
		}
	}
	return id
}

func TestCancelDropsTheTemporaryTableAndIsLogged(t *testing.T) {
	path, db := demoDB(t)
	app := mntest.New(t, Maintain)
	id := running(t, app, path)
	if !exists(t, db, "maintenance_temporary_events") {
		t.Fatal("there is no temporary table to drop")
	}
	if err := Maintain.On(app).Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := Maintain.On(app).Wait(t.Context(), id); !errors.Is(err, mn.ErrJobCancelled) {
		t.Errorf("the job ended with %v", err)
	}
	if exists(t, db, "maintenance_temporary_events") || exists(t, db, "maintenance_copy_events") {
		t.Error("something is left of the copy")
	}
	if outcome := value[string](t, db, "SELECT outcome FROM maintenance_log WHERE job = ?", id); outcome != "job cancelled" {
		t.Errorf("the log says %q", outcome)
	}
}

func TestADrainedRunKeepsWhatTheNextAttemptNeeds(t *testing.T) {
	path, db := demoDB(t)
	app := mntest.New(t, Maintain)
	id := running(t, app, path)
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, db, "SELECT count(*) FROM maintenance_temporary_events"); n != 7 {
		t.Errorf("the temporary table has %d rows, want the 7 of the checkpoint", n)
	}
	if outcome := value[string](t, db, "SELECT outcome FROM maintenance_log WHERE job = ?", id); outcome != outcomeRunning {
		t.Errorf("the log says %q", outcome)
	}
	// Should that attempt never come, the next run clears the table.
	checkSucceeded(t, db, do(t, mntest.New(t, Maintain), Input{DB: path, Table: "events", Action: Copy, Chunk: 7}), demoRows)
	checkCopy(t, db)
	if outcome := value[string](t, db, "SELECT outcome FROM maintenance_log WHERE job = ?", id); outcome != outcomeAbandoned {
		t.Errorf("the log says %q of the first run", outcome)
	}
}

func TestAnAttemptThatWasReplacedChangesNothing(t *testing.T) {
	_, db := demoDB(t)
	table, err := findTable(t.Context(), db, "events")
	if err != nil {
		t.Fatal(err)
	}
	begin := func(job string, token uint64) (*ledger, error) {
		l := &ledger{table: table, action: Copy, job: job, token: token}
		return l, l.begin(t.Context(), func(*sql.Tx) error { return nil })
	}
	for _, by := range []struct {
		job   string
		token uint64
	}{{"first", 8}, {"second", 9}} { // a later attempt, another run
		old, err := begin("first", by.token-1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := begin(by.job, by.token); err != nil {
			t.Fatal(err)
		}
		err = old.step(t.Context(), func(tx *sql.Tx) (int64, string, error) {
			_, err := tx.ExecContext(t.Context(), "DELETE FROM events")
			return 1, outcomeRunning, err
		})
		if !errors.Is(err, errReplaced) || value[int](t, db, "SELECT count(*) FROM events") != demoRows {
			t.Errorf("replaced by %+v: step returned %v, %d rows are left", by, err, value[int](t, db, "SELECT count(*) FROM events"))
		}
	}
	if _, err := begin("second", 8); !errors.Is(err, errReplaced) {
		t.Errorf("a late attempt may begin: %v", err)
	}
}

func TestAMistakeInTheInputFailsWithoutARetry(t *testing.T) {
	path, db := demoDB(t)
	_, err := db.ExecContext(t.Context(), `CREATE TABLE "odd "" name" (x); CREATE TABLE hiding (rowid, created); CREATE VIEW v AS SELECT 1;
		CREATE TABLE keyed (k PRIMARY KEY) WITHOUT ROWID; CREATE TABLE maintenance_log (x)`)
	if err != nil {
		t.Fatal(err)
	}
	app := mntest.New(t, Maintain)
	for _, in := range []Input{
		{Table: "nonesuch", Action: Analyze, Chunk: 1},
		{Table: "v", Action: Analyze, Chunk: 1},
		{Table: "keyed", Action: Analyze, Chunk: 1},
		{Table: "hiding", Action: Copy, Chunk: 1},
		{Table: "sqlite_schema", Action: Analyze, Chunk: 1},
		{Table: "Maintenance_Log", Action: Analyze, Chunk: 1},
		{Table: `events"; DROP TABLE events; --`, Action: Analyze, Chunk: 1},
		{Table: `odd " name`, Action: Purge, Before: time.Now(), Chunk: 1},
		{Table: "events", Action: Purge, Chunk: 1},
		{Table: "events", Action: "drop", Chunk: 1},
		{Table: "events", Action: Copy},
	} {
		in.DB = path
		if info := do(t, app, in); info.Status != mn.Failed || info.Attempt != 1 {
			t.Errorf("%+v: %s in attempt %d, want FAILED in the first", in, info.Status, info.Attempt)
		}
	}
}

func TestAnyNameThatIsInTheSchemaWillDo(t *testing.T) {
	path, db := demoDB(t)
	_, err := db.ExecContext(t.Context(), `CREATE TABLE "odd "" name" ("a "" b", twice AS ("a "" b" * 2)); INSERT INTO "odd "" name" VALUES (1), (2)`)
	if err != nil {
		t.Fatal(err)
	}
	app := mntest.New(t, Maintain)
	for _, action := range []Action{Analyze, Reindex, Copy} {
		if info := do(t, app, Input{DB: path, Table: `ODD " name`, Action: action, Chunk: 1}); info.Status != mn.Succeeded {
			t.Errorf("%s: %s, %v", action, info.Status, info.Error)
		}
	}
	if n := value[int](t, db, `SELECT sum(twice) FROM "maintenance_copy_odd "" name"`); n != 6 {
		t.Errorf("the copy's generated column has sum %d, want 6", n)
	}
}

func TestAMissingDatabaseIsNotCreated(t *testing.T) {
	db, err := openDB(context.Background(), t.TempDir()+"/nonesuch.db")
	if err == nil {
		db.Close()
		t.Error("a database that is not there was opened")
	}
}
