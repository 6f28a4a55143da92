package mn

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// Telemetry observes what an app sends and executes, for traces and metrics. Package
// github.com/multinode/mn/telemetry implements it with OpenTelemetry.
//
// Its methods are called concurrently, on the goroutines that start, call and execute, so
// they must not block. One that panics is reported once to Config.Logger, and harms no run.
type Telemetry interface {
	// Send is told of a run or call that is about to be given to the backend. ctx is the
	// caller's. trace is handed to the Execute of each attempt, maybe in another process; one
	// that is longer than [MaxTrace] is dropped. end, which may be nil, is called once: for a
	// run when it is stored, for a call when its result has come, with the error that the caller
	// gets.
	Send(ctx context.Context, op Operation) (trace string, end func(error))
	// Execute is told of an attempt whose handler is about to be called. The handler is
	// given the context that Execute returns, which must be made from ctx. end, which may be
	// nil, is called once, when the handler has returned or was left behind. Its error is how the
	// attempt ended: nil, the handler's error, a [RunError] of which Panicked is true, or the
	// cause of the context's end ([ErrJobCancelled], [ErrTimeout], [ErrDraining],
	// [ErrLeaseLost]), whatever the handler returned after that. If the process dies, end is
	// not called.
	Execute(ctx context.Context, e Execution) (handler context.Context, end func(error))
}

// LogAttributer is an extra ability of a [Telemetry], found by assertion.
type LogAttributer interface {
	// LogAttrs returns what [Logger] adds to the lines of a handler with this context.
	LogAttrs(ctx context.Context) []slog.Attr
}

// MaxTrace is the most bytes that [Telemetry] can send along with a run or call. It is
// stored with each, so it is short; W3C's traceparent and tracestate need at most 567.
const MaxTrace = 1024

// Operation is a start or a call as [Telemetry] sees it.
type Operation struct {
	App    string
	Kind   string // "job" or "function"
	Name   string // of the definition
	ID     string // of the run or call
	Parent string // the run or call whose handler made it, or ""
	Root   string // the job for which a call is made, directly or by other calls, or ""
}

// Execution is an attempt as [Telemetry] sees it.
type Execution struct {
	Operation
	Trace   string    // what Send returned, maybe in another process, or ""
	Attempt int       // counted from 1
	Worker  string    // the worker's ID
	Created time.Time // when the run or call was stored, by the backend's clock
}

// traceSend tells of what is about to be submitted. It returns nil where nobody wants to
// know.
func (a *App) traceSend(ctx context.Context, d *definition, sub *backend.Submission) func(error) {
	if a.cfg.Telemetry == nil {
		return nil
	}
	trace, end := a.send(ctx, Operation{
		App: a.cfg.Name, Kind: d.kind.String(), Name: d.name, ID: sub.ID, Parent: sub.Parent, Root: sub.Root,
	})
	sub.Trace = trace
	return end
}

func (a *App) send(ctx context.Context, op Operation) (trace string, end func(error)) {
	defer a.shield()
	trace, end = a.cfg.Telemetry.Send(ctx, op)
	if len(trace) > MaxTrace {
		a.blame.Do(func() {
			a.cfg.Logger.Warn("mn: Config.Telemetry wants to send too much along with a task, which is dropped",
				"name", op.Name, "bytes", len(trace), "limit", MaxTrace)
		})
		trace = ""
	}
	return trace, a.shieldEnd(end)
}

// execute calls a handler.
func (a *App) execute(d *definition, at *worker.Attempt) ([]byte, error) {
	if a.cfg.Telemetry == nil {
		return a.invoke(d, at)
	}
	return a.executeTraced(d, at)
}

// executeTraced tells of it as well.
func (a *App) executeTraced(d *definition, at *worker.Attempt) (result []byte, err error) {
	end := a.traceExecution(d, at)
	returned := false
	defer func() {
		if r := recover(); r != nil {
			err = &worker.PanicError{Value: r, Stack: debug.Stack()} // as the worker would
		} else if !returned {
			err = worker.ErrGoexit // the goroutine is ending
		}
		if at.Context().Err() != nil { // it was told to stop
			err = context.Cause(at.Context())
		}
		end(a.executionError(d, at, err))
	}()
	result, err = a.invoke(d, at)
	returned = true
	return result, err
}

// traceExecution begins to tell of an attempt; what it returns ends it, and may be called
// more than once.
func (a *App) traceExecution(d *definition, at *worker.Attempt) func(error) {
	ctx, tell := a.begin(at.Context(), Execution{
		Operation: Operation{
			App: a.cfg.Name, Kind: d.kind.String(), Name: d.name, ID: at.Lease.Task, Parent: at.Parent, Root: at.Root,
		},
		Trace: at.Trace, Attempt: at.Attempt, Worker: at.Lease.Slot, Created: at.Created,
	})
	if tell == nil {
		tell = func(error) {}
	}
	var once sync.Once
	end := func(err error) { once.Do(func() { tell(err) }) }
	if worker.FromContext(ctx) != at { // nil, or made from nothing: the handler would be lost in it
		ctx = at.Context()
	}
	at.Observe(ctx, end)
	return end
}

func (a *App) begin(ctx context.Context, e Execution) (handler context.Context, end func(error)) {
	defer a.shield()
	handler = ctx // also if it panics
	made, tell := a.cfg.Telemetry.Execute(ctx, e)
	if made != nil {
		handler = made
	}
	return handler, a.shieldEnd(tell)
}

// executionError is how an attempt ended, for who may not know this module's internals.
func (a *App) executionError(d *definition, at *worker.Attempt, err error) error {
	panicked, ok := err.(*worker.PanicError) //nolint:errorlint // made a few lines above
	if !ok {
		return err
	}
	return &RunError{
		Kind: d.kind.String(), Name: d.name, ID: at.Lease.Task, Attempt: at.Attempt,
		Message: panicked.Error(), Stack: string(panicked.Stack), code: backend.CodePanic,
	}
}

// shield keeps a panic of the telemetry from what it observes.
func (a *App) shield() {
	if r := recover(); r != nil {
		a.blame.Do(func() {
			a.cfg.Logger.Error("mn: panic in Config.Telemetry; later ones are not reported",
				"panic", r, "stack", string(debug.Stack()))
		})
	}
}

func (a *App) shieldEnd(end func(error)) func(error) {
	if end == nil {
		return nil
	}
	return func(err error) {
		defer a.shield()
		end(err)
	}
}

// logAttrs is what the telemetry adds to a handler's log.
func (a *App) logAttrs(ctx context.Context) (attrs []any) {
	t, ok := a.cfg.Telemetry.(LogAttributer)
	if !ok {
		return nil
	}
	defer a.shield()
	for _, attr := range t.LogAttrs(ctx) {
		attrs = append(attrs, attr)
	}
	return attrs
}
