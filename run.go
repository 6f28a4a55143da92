package mn

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/provisioner"
)

// runDrain is how long running work may take to finish when Run ends.
const runDrain = 10 * time.Second

// Run is the main of a program: it calls main with a context that carries the app
// and ends at SIGINT, SIGTERM or with ctx; then it shuts the app down, for which
// running work has ten seconds. A second signal ends the program at once. It returns
// main's error, or else Shutdown's.
//
// In a process that a provisioner has launched as a worker, Run does not call main: it
// serves the worker's slot until there is nothing left to do for it.
func (a *App) Run(ctx context.Context, main func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	unregister := context.AfterFunc(ctx, stop)
	defer unregister()
	if a.role != nil {
		main = a.serveRole
	}
	err := main(a.Context(ctx))
	bounded, cancel := context.WithTimeout(context.Background(), runDrain)
	defer cancel()
	if down := a.Shutdown(bounded); err == nil {
		err = down
	}
	return err
}

// assumeRole makes this process a worker if a provisioner has launched it as one.
// Workers launch no workers: theirs would end with them.
func (a *App) assumeRole() {
	if _, ok := a.cfg.Provisioner.(outOfProcess); !ok {
		return
	}
	w, ok := provisioner.ParseWorker(os.Getenv(provisioner.WorkerVariable))
	if !ok {
		return
	}
	_ = os.Unsetenv(provisioner.WorkerVariable) // not for what this process starts
	a.role = &w
	if g, ok := a.cfg.Provisioner.(provisioner.Guest); ok && !a.cfg.RunLog.Off {
		a.guest = &guest{Guest: g}
	}
	a.cfg.Provisioner = provisioner.None
}

// outOfProcess is a provisioner whose workers do not share this process's memory.
type outOfProcess interface{ OutOfProcess() }

// inProcess is a backend that other processes cannot reach.
type inProcess interface{ InProcess() }

func (a *App) checkSharing(f *faults) {
	_, out := a.cfg.Provisioner.(outOfProcess)
	if _, in := a.cfg.Backend.(inProcess); in && (out || a.role != nil) {
		f.add("Config.Backend is this process's memory, which worker processes do not share: use backend/redis, or provisioner/local")
	}
}

// serveRole lives the life of this process's worker.
func (a *App) serveRole(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- a.process.Serve(backend.Slot{ID: a.role.ID, Pool: a.role.Pool}) }()
	select {
	case err := <-done:
		if err != nil { // it would fail again wherever this program is launched
			fmt.Fprintf(os.Stderr, "mn: worker of app %q: %v\n", a.cfg.Name, err)
			os.Exit(provisioner.ExitRefused)
		}
		return nil
	case <-ctx.Done(): // Shutdown drains it
		return nil
	}
}

// hardExit is how a worker process whose handler ignores the end of its grace is ended.
func (a *App) hardExit() func() {
	if a.role == nil {
		return nil
	}
	return func() {
		a.process.FlushNotes(context.Background())
		os.Exit(provisioner.ExitKilled)
	}
}
