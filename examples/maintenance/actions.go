package main

import (
	"context"
	"database/sql"
)

// rebuild is Analyze or Reindex: one index in each step.
type rebuild struct {
	statement string
	names     []string // of the indexes, or of the table if it has none
}

func newRebuild(ctx context.Context, t *table, in Input) (*rebuild, error) {
	names, err := t.list(ctx, "SELECT name FROM pragma_index_list(?) ORDER BY name")
	if len(names) == 0 {
		names = []string{t.name}
	}
	statement := "ANALYZE main."
	if in.Action == Reindex {
		statement = "REINDEX main."
	}
	return &rebuild{statement: statement, names: names}, err
}

func (r *rebuild) begin(_ context.Context, _ *sql.Tx, at Progress) (Progress, error) {
	at.Total = int64(len(r.names))
	at.Done = min(at.Done, at.Total) // an index may have been dropped between attempts
	return at, nil
}

func (r *rebuild) step(ctx context.Context, tx *sql.Tx, at Progress) (Progress, bool, error) {
	if at.Done < at.Total {
		if _, err := tx.ExecContext(ctx, r.statement+quote(r.names[at.Done])); err != nil {
			return at, false, err
		}
		at.Done++
	}
	return at, at.Done == at.Total, nil
}

func (r *rebuild) undo(context.Context, *sql.Tx) error { return nil }

// purge is Purge. What it has deleted stays deleted, whatever becomes of the run.
type purge struct {
	table  string // quoted
	before int64
	chunk  int
}

// createdColumn holds when a row was created, in Unix seconds.
const createdColumn = "created"

func newPurge(t *table, in Input) (*purge, error) {
	if !t.hasColumn(createdColumn) {
		return nil, invalid("table %q has no column %q to tell the age of a row by", t.name, createdColumn)
	}
	if in.Before.IsZero() {
		return nil, invalid("the input does not say what is too old")
	}
	return &purge{table: quote(t.name), before: in.Before.Unix(), chunk: in.Chunk}, nil
}

// begin counts what is left, instead of trusting the checkpoint: the attempt before may
// have been lost between a transaction and its yield.
func (p *purge) begin(ctx context.Context, tx *sql.Tx, at Progress) (Progress, error) {
	var left int64
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+p.table+" WHERE created < ?", p.before).Scan(&left)
	at.Total = max(at.Total, left)
	at.Done = at.Total - left
	return at, err
}

func (p *purge) step(ctx context.Context, tx *sql.Tx, at Progress) (Progress, bool, error) {
	result, err := tx.ExecContext(ctx, "DELETE FROM "+p.table+" WHERE rowid IN (SELECT rowid FROM "+p.table+
		" WHERE created < ? LIMIT ?)", p.before, p.chunk)
	if err != nil {
		return at, false, err
	}
	n, err := result.RowsAffected()
	at.Done += n
	return at, n < int64(p.chunk), err
}

func (p *purge) undo(context.Context, *sql.Tx) error { return nil }

// copying is Copy. It fills a temporary table, and renames it in the last step: readers
// see the old copy or the new one. What others write to the table meanwhile may or may
// not be in it.
type copying struct {
	from, temporary, to string // quoted
	columns             string // quoted, with the rowid first
	chunk               int
}

func newCopying(t *table, in Input) *copying {
	return &copying{
		from: quote(t.name), temporary: quote(reserved + "temporary_" + t.name), to: quote(reserved + "copy_" + t.name),
		columns: "rowid, " + quoteAll(t.columns), chunk: in.Chunk,
	}
}

// begin makes the temporary table, or cuts off what is in it beyond the checkpoint: an
// attempt may have been lost between a transaction and its yield.
func (c *copying) begin(ctx context.Context, tx *sql.Tx, at Progress) (Progress, error) {
	if at.Done > 0 {
		_, err := tx.ExecContext(ctx, "DELETE FROM "+c.temporary+" WHERE rowid > ?", at.Row)
		return at, err
	}
	if err := c.undo(ctx, tx); err != nil { // of a run that was killed
		return at, err
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE "+c.temporary+" AS SELECT * FROM "+c.from+" WHERE false"); err != nil {
		return at, err
	}
	// Below any row: rowids may be negative.
	return at, tx.QueryRowContext(ctx, "SELECT count(*), coalesce(min(rowid), 1) - 1 FROM "+c.from).Scan(&at.Total, &at.Row)
}

func (c *copying) step(ctx context.Context, tx *sql.Tx, at Progress) (Progress, bool, error) {
	result, err := tx.ExecContext(ctx, "INSERT INTO "+c.temporary+" ("+c.columns+") SELECT "+c.columns+" FROM "+c.from+
		" WHERE rowid > ? ORDER BY rowid LIMIT ?", at.Row, c.chunk)
	if err != nil {
		return at, false, err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return at, false, err
	}
	if at.Done += n; n < int64(c.chunk) {
		return at, true, c.finish(ctx, tx)
	}
	return at, false, tx.QueryRowContext(ctx, "SELECT max(rowid) FROM "+c.temporary).Scan(&at.Row)
}

func (c *copying) finish(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+c.to); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "ALTER TABLE "+c.temporary+" RENAME TO "+c.to)
	return err
}

func (c *copying) undo(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+c.temporary)
	return err
}
