package guide

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/multinode/mn"
)

// Migrate rewrites a table. It must not run twice for the same one.
var Migrate = mn.NewJob("migrate", migrate)

func startMigration(ctx context.Context, table string) (mn.JobID, error) {
	id, err := Migrate.Start(ctx, table, mn.WithLock("table/"+table))
	var held *mn.LockError
	if errors.As(err, &held) {
		return "", fmt.Errorf("%s is being migrated by job %s", table, held.Holder)
	}
	return id, err
}

func migrate(ctx context.Context, table string, yield func(string) bool) error {
	for _, index := range []string{"by-name", "by-date"} {
		if err := mn.TryLock(ctx, "index/"+table+"/"+index); err != nil {
			return err // held by another job: this one fails, and gives back what it holds
		}
		if err := guarded.Write(mn.FencingToken(ctx), index); err != nil {
			return err
		}
		if !yield(index) {
			return nil
		}
	}
	return nil
}

// Guarded is a resource that refuses holders who have lost their lock without knowing.
type Guarded struct {
	mu      sync.Mutex
	highest uint64
	written []string
}

// Write writes if no holder with a higher token has been here.
func (g *Guarded) Write(token uint64, value string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if token < g.highest {
		return fmt.Errorf("token %d is older than %d: the lock was lost", token, g.highest)
	}
	g.highest = token
	g.written = append(g.written, value)
	return nil
}

var guarded = new(Guarded)

func showLocks(ctx context.Context, app *mn.App, w io.Writer) error {
	for lock, err := range app.Locks(ctx) {
		if err != nil {
			return err
		}
		fmt.Fprintln(w, lock.Key, "is held by", lock.Holder)
	}
	return nil
}
