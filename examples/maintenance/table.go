package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/multinode/mn"
)

// reserved begins the names of the tables that belong to this program.
const reserved = "maintenance_"

// lockKey is the lock of a table. SQLite's names are the same in upper and lower case, so
// their locks must be as well.
func lockKey(name string) string { return "table/" + strings.ToLower(name) }

// openDB opens an existing database. Transactions take the write lock at their begin and
// wait for it: one that first reads and then writes could not wait, because what it had
// read would be out of date.
func openDB(ctx context.Context, path string) (*sql.DB, error) {
	return open(ctx, path, "rw")
}

func open(ctx context.Context, path, mode string) (*sql.DB, error) {
	query := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)"}}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return db, nil
}

// table is a table that was found in its database's schema.
type table struct {
	db      *sql.DB
	name    string // as the schema spells it
	columns []string
}

// findTable checks a name against the schema. Names cannot be parameters of a statement,
// so only those that come out of here, and quoted, get into one.
func findTable(ctx context.Context, db *sql.DB, name string) (*table, error) {
	t := &table{db: db}
	err := db.QueryRowContext(ctx, `SELECT name FROM pragma_table_list
		WHERE schema = 'main' AND type = 'table' AND wr = 0 AND name = ? COLLATE NOCASE
		AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`, name).Scan(&t.name)
	if errors.Is(err, sql.ErrNoRows) || strings.HasPrefix(strings.ToLower(name), reserved) {
		return nil, invalid("the database has no table %q that could be maintained", name)
	}
	if err != nil {
		return nil, err
	}
	if t.columns, err = t.list(ctx, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid"); err != nil {
		return nil, err
	}
	if t.hasColumn("rowid") {
		return nil, invalid("table %q cannot be maintained: its column rowid hides that of SQLite", t.name)
	}
	return t, nil
}

// invalid is a mistake in the input. It stays one, so there is no sense in a retry.
func invalid(format string, args ...any) error { return mn.Permanent(fmt.Errorf(format, args...)) }

// list reads one column of text about the table.
func (t *table) list(ctx context.Context, query string) (names []string, err error) {
	rows, err := t.db.QueryContext(ctx, query, t.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// hasColumn follows SQLite in ignoring case.
func (t *table) hasColumn(name string) bool {
	return slices.ContainsFunc(t.columns, func(c string) bool { return strings.EqualFold(c, name) })
}

// quote makes an identifier out of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteAll quotes names for a list of columns.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}
