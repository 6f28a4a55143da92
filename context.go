package mn

import (
	"context"
	"log/slog"

	"github.com/multinode/mn/internal/worker"
)

type appKey struct{}

// appFrom returns the app that ctx carries, or nil.
func appFrom(ctx context.Context) *App {
	if a := attemptFrom(ctx); a != nil {
		return a.Process().Owner.(*App)
	}
	app, _ := ctx.Value(appKey{}).(*App)
	return app
}

func appOf(ctx context.Context, bound *App) *App {
	if bound != nil {
		return bound
	}
	return appFrom(ctx)
}

func attemptFrom(ctx context.Context) *worker.Attempt { return worker.FromContext(ctx) }

// Context returns ctx with the app in it, so that definitions work with it unbound,
// as they do in handlers.
func (a *App) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, appKey{}, a)
}

// LastYield returns what earlier attempts of the running job had yielded last, and
// false in a first attempt or if nothing was yielded: a yield is a checkpoint to
// resume from. Out must be the job's own; if the value cannot be decoded the job
// fails, rather than begin anew by mistake.
func LastYield[Out any](ctx context.Context) (Out, bool) {
	var out Out
	a := attemptFrom(ctx)
	if a == nil || a.Yields == 0 {
		return out, false
	}
	app := a.Process().Owner.(*App)
	d := app.definitions[a.Pool]
	if err := app.decode(d.place(app, a.Lease.Task, fieldOut), a.Result, &out); err != nil {
		a.Fail(Permanent(err))
		var none Out
		return none, false
	}
	return out, true
}

// CleanupContext returns a context for cleaning up in a handler that was told to
// stop: it has ctx's values, and lives until the handler returns or its grace ends.
// Calls made with it run to their end. Outside a handler it is ctx without its
// cancellation.
func CleanupContext(ctx context.Context) context.Context {
	a := attemptFrom(ctx)
	switch {
	case a == nil:
		return context.WithoutCancel(ctx)
	case a.Gave(ctx):
		return a.Cleanup()
	}
	return &cleanupContext{a.Cleanup(), ctx}
}

// cleanupContext lives as its Context does, and has the values of another, which was made from the
// handler's.
type cleanupContext struct {
	context.Context
	values context.Context
}

// Value implements [context.Context]. What package context itself asks for, by a *int, is how the
// context ends and why, and that is not as with the values.
func (c *cleanupContext) Value(key any) any {
	if _, ending := key.(*int); ending {
		return c.Context.Value(key)
	}
	return c.values.Value(key)
}

// Attempt returns the number of the attempt that runs with ctx, counted from 1. It is
// 1 outside a handler, as for [Job.Local].
func Attempt(ctx context.Context) int {
	if a := attemptFrom(ctx); a != nil {
		return a.Attempt
	}
	return 1
}

// TaskID returns the ID of the run or call whose handler was given ctx, "" outside.
func TaskID(ctx context.Context) string {
	if a := attemptFrom(ctx); a != nil {
		return a.Lease.Task
	}
	return ""
}

// workerAttr names a worker in what its handlers log.
const workerAttr = "mn.worker"

// Logger returns the app's logger with the task's attributes: "mn.kind", "mn.name",
// "mn.id", "mn.attempt" and "mn.worker", and those of Config.Telemetry, such as the trace's ID.
// What is written to it goes to the run's log as well, which [App.Logs] shows: a job's own, or
// that of the job for which a call is made. Outside a handler it is the logger of the app that
// ctx carries, or slog's default.
func Logger(ctx context.Context) *slog.Logger {
	a := attemptFrom(ctx)
	if a == nil {
		if app := appFrom(ctx); app != nil {
			return app.cfg.Logger.With(app.logAttrs(ctx)...)
		}
		return slog.Default()
	}
	app := a.Process().Owner.(*App)
	l := app.cfg.Logger.With("mn.kind", a.Kind.String(), "mn.name", a.Pool, "mn.id", a.Lease.Task, "mn.attempt", a.Attempt,
		workerAttr, a.Lease.Slot)
	if !app.cfg.RunLog.Off && root(a) != "" {
		l = slog.New(newLogHandler(app, a, l.Handler())) // its lines have fields for what l adds
	}
	return l.With(app.logAttrs(ctx)...)
}
