package apptest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
)

// patience bounds a case. It is long because it only passes when a case fails.
const patience = 30 * time.Second

// steady is the timing of apps that are to live: what is said with heartbeats is said
// soon, but a process may stall for long before it counts as lost.
var steady = mn.Timing{
	Lease: 5 * time.Second, Heartbeat: 100 * time.Millisecond, Margin: time.Second,
	Sweep: 50 * time.Millisecond, Start: 5 * time.Second, Drain: 2 * time.Second,
}

// mortal is the timing of apps that are to be lost.
var mortal = mn.Timing{
	Lease: 500 * time.Millisecond, Heartbeat: 100 * time.Millisecond, Margin: 100 * time.Millisecond,
	Sweep: 50 * time.Millisecond, Start: 5 * time.Second, Drain: 2 * time.Second,
}

// found is how soon the loss of an app with the timing must be repaired, with some
// slack for a busy machine.
func found(t mn.Timing) time.Duration { return t.Lease + t.Margin + t.Sweep + 2*time.Second }

// world is one namespace and the apps in it.
type world struct {
	t      *testing.T
	ctx    context.Context // ends with the case, or when it took too long
	name   string          // of the namespace
	place  Place
	store  backend.Store // a look at the namespace that no fault disturbs
	nodes  []*node
	beside sync.WaitGroup // what runs beside the case and is waited for
}

func newWorld(t *testing.T, p Place) *world {
	w := &world{t: t, place: p, name: fmt.Sprintf("apps-%016x", rand.Uint64())}
	w.store = p.Open(t).Namespace(w.name)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	w.ctx = ctx
	t.Cleanup(func() {
		cancel()
		w.beside.Wait()
	})
	return w
}

// node is one process of the cluster: its app, and the line to its backend.
type node struct {
	*mn.App
	link     *link
	executes bool
}

// join adds a process. What the configuration leaves open is filled in.
func (w *world) join(cfg mn.Config) *node {
	w.t.Helper()
	n := &node{link: newLink(w.place.Open(w.t)), executes: cfg.Provisioner != provisioner.None}
	cfg.Name, cfg.Backend = w.name, n.link
	cfg.Logger = slog.New(slog.DiscardHandler) // it would tell of the faults made on purpose
	if cfg.Timing == (mn.Timing{}) {
		cfg.Timing = steady
	}
	app, err := mn.New(cfg)
	require.NoError(w.t, err)
	n.App = app
	w.nodes = append(w.nodes, n)
	w.t.Cleanup(func() { // for cases that fail; finish has done it else
		n.link.heal()
		_ = app.Close()
	})
	return n
}

// worker adds a process that executes the definitions.
func (w *world) worker(defs ...mn.Definition) *node {
	w.t.Helper()
	return w.join(mn.Config{Definitions: defs})
}

// victim is a worker that counts as lost soon after its line was cut.
func (w *world) victim(defs ...mn.Definition) *node {
	w.t.Helper()
	return w.join(mn.Config{Definitions: defs, Timing: mortal})
}

// narrow adds a worker with room for so many CPUs: what it refuses is left to others.
func (w *world) narrow(cpu float64, defs ...mn.Definition) *node {
	w.t.Helper()
	return w.join(mn.Config{Definitions: defs, Provisioner: local.New(local.Limit(cpu, 0))})
}

// client adds a process that executes nothing: it has the definitions without their
// handlers.
func (w *world) client(defs ...mn.Definition) *node {
	w.t.Helper()
	return w.join(mn.Config{Definitions: bare(defs...), Provisioner: provisioner.None})
}

// leave shuts an app down whose work is done.
func (w *world) leave(n *node) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience/2)
	defer cancel()
	require.NoError(w.t, n.Shutdown(ctx), "shutdown of an app whose work should be done")
}

// evict closes an app, which hands back what still runs there.
func (w *world) evict(n *node) {
	w.t.Helper()
	require.NoError(w.t, n.Close())
	w.nodes = slices.DeleteFunc(w.nodes, func(x *node) bool { return x == n })
}

// finish ends the case: every app leaves, and nothing may be left of them but jobs.
func (w *world) finish() {
	w.t.Helper()
	w.beside.Wait()
	for _, n := range w.nodes {
		n.link.heal()
	}
	before := w.jobs()
	for _, n := range w.nodes {
		w.leave(n)
	}
	w.checkIdle()
	require.Equal(w.t, before, w.jobs(), "jobs changed after their end")
	ids := make([]string, len(before))
	for i, t := range before {
		require.True(w.t, t.Status.Terminal(), "job %s was left %s", t.ID, t.Status)
		ids[i] = t.ID
	}
	require.NoError(w.t, w.store.Remove(w.ctx, ids))
	require.Empty(w.t, w.jobs(), "jobs after all were removed")
	if p, ok := w.place.(Leftovers); ok {
		require.Empty(w.t, p.Leftovers(w.t, w.name), "stored after all jobs were removed")
	}
}

// checkIdle checks that nothing is under way and no lock is held.
func (w *world) checkIdle() {
	w.t.Helper()
	require.Empty(w.t, w.busy(), "left behind")
}

// busy says what is under way in the namespace, workers without a task among it.
func (w *world) busy() (all []string) {
	w.t.Helper()
	pools, err := w.store.Pools(w.ctx)
	require.NoError(w.t, err)
	for _, p := range pools {
		if p.Pending+p.Delayed+p.Running+p.Starting+p.Idle+p.Slots > 0 {
			all = append(all, fmt.Sprintf("pool %+v", p))
		}
	}
	locks, err := w.store.Locks(w.ctx, "", 100)
	require.NoError(w.t, err)
	for _, l := range locks {
		all = append(all, fmt.Sprintf("lock %q of %s", l.Key, l.Holder))
	}
	return all
}

// pool reads one pool.
func (w *world) pool(name string) backend.PoolInfo {
	w.t.Helper()
	pools, err := w.store.Pools(w.ctx)
	require.NoError(w.t, err)
	for _, p := range pools {
		if p.Spec.Name == name {
			return p
		}
	}
	return backend.PoolInfo{}
}

// jobs reads all stored jobs.
func (w *world) jobs() (all []*backend.Task) {
	w.t.Helper()
	for before := ""; ; before = all[len(all)-1].ID {
		page, err := w.store.List(w.ctx, backend.ListRequest{Before: before})
		require.NoError(w.t, err)
		all = append(all, page...)
		if len(page) < backend.DefaultPage {
			return all
		}
	}
}
