package mn

import (
	"context"
	"fmt"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// FunctionFunc is a function's handler. ctx ends when the call is not wanted any
// more, or timed out, with the reason as its cause.
type FunctionFunc[In, Out any] func(ctx context.Context, in In) (Out, error)

// Function is the definition of a typed remote call. Create it with [NewFunction], as
// a package variable if you like: it is inert.
//
// A handler may run more than once, if its worker is lost; its result is recorded
// once. Calls made in a job or function belong to that: when it ends for whatever
// reason, its unfinished calls are cancelled.
type Function[In, Out any] struct {
	def *functionDefinition[In, Out]
	app *App
}

type functionDefinition[In, Out any] struct {
	definition
	handler FunctionFunc[In, Out]
}

// NewFunction defines a function. handler may be nil in a program that only calls it,
// or be given later with Handle. Name and options are checked by [New].
func NewFunction[In, Out any](name string, handler FunctionFunc[In, Out], opts ...FunctionOption) *Function[In, Out] {
	d := &functionDefinition[In, Out]{definition: definition{
		name: name, kind: backend.Function, settings: newFunctionSettings(opts),
	}}
	f := &Function[In, Out]{def: d}
	return f.Handle(handler)
}

// Handle sets the handler and returns the function. It is for handlers that name
// their own definition, such as recursive ones, which Go would refuse as an
// initialization cycle in NewFunction. Call it before [New].
func (f *Function[In, Out]) Handle(handler FunctionFunc[In, Out]) *Function[In, Out] {
	f.def.handler, f.def.invoke = handler, nil
	if handler != nil {
		f.def.invoke = func(app *App, a *worker.Attempt) ([]byte, error) {
			return invokeFunction(app, &f.def.definition, handler, a)
		}
	}
	return f
}

// invokeFunction is one attempt: decode, handle, encode.
func invokeFunction[In, Out any](app *App, d *definition, handler FunctionFunc[In, Out], a *worker.Attempt) ([]byte, error) {
	var in In
	if err := app.decode(d.place(app, a.Lease.Task, fieldIn), a.Input, &in); err != nil {
		return nil, Permanent(err)
	}
	out, err := handler(a.Context(), in)
	if err != nil {
		return nil, err
	}
	return app.encode(d.place(app, a.Lease.Task, fieldOut), out)
}

// Name implements [Definition].
func (f *Function[In, Out]) Name() string { return f.def.name }

func (f *Function[In, Out]) core() *definition {
	if f == nil {
		return nil
	}
	return &f.def.definition
}

// On returns the function bound to an app. Inside handlers that is not needed,
// because their contexts carry the app.
func (f *Function[In, Out]) On(app *App) *Function[In, Out] {
	return &Function[In, Out]{def: f.def, app: app}
}

// Local calls the handler directly, without an app, for unit tests.
func (f *Function[In, Out]) Local(ctx context.Context, in In) (Out, error) {
	if f.def.handler == nil {
		var none Out
		return none, fmt.Errorf("mn: function %q: %w", f.def.name, ErrNoHandler)
	}
	return f.def.handler(ctx, in)
}

// Call calls the function and waits for its result. When ctx ends first the call is
// cancelled and its worker told; the error is then ctx's with its cause.
//
// Errors: a [RunError] if the handler failed, ErrPayloadTooLarge, ErrBackpressure,
// ErrTooDeep, ErrAppClosed, what the codec says of in, or ctx's.
//
// In a function's handler a Call that has to wait lets the worker execute nested
// calls of its pool meanwhile, so recursion needs no more workers than there are:
// even with MaxWorkers(1) it ends. ErrTooDeep bounds it at 1000 levels.
func (f *Function[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	c, err := f.begin(ctx, in)
	if err != nil {
		var none Out
		return none, err
	}
	return f.finish(ctx, c)
}

// begin encodes and submits a call.
func (f *Function[In, Out]) begin(ctx context.Context, in In) (*call, error) {
	app, err := f.def.bind(ctx, f.app)
	if err != nil {
		return nil, err
	}
	c := newCall(app, attemptFrom(ctx))
	sub, err := f.submission(ctx, c.app, c.attempt, in)
	if err != nil {
		c.free()
		return nil, err
	}
	c.id, c.end = sub.ID, app.traceSend(ctx, &f.def.definition, &sub)
	app.calls.add(c.id, c, 0)
	answers, err := app.submit(ctx, c.submission(sub))
	if err != nil { // the backend may have it nevertheless
		app.cancelCalls([]string{c.id})
	} else {
		err = answers[0].Err
	}
	c.begun.Store(true)
	if err == nil {
		err = app.open() // from here on the end of the app ends the call as well
	}
	if err != nil {
		app.calls.take(c.id) // a result that came nevertheless finds nobody
		err = outward(err, fmt.Sprintf("call of function %q", f.def.name))
		c.tell(err)
		return nil, err
	}
	return c, nil
}

// maxDepth is the bound behind ErrTooDeep.
const maxDepth = 1000

// submission encodes one call made in attempt a, which may be nil.
func (f *Function[In, Out]) submission(ctx context.Context, app *App, a *worker.Attempt, in In) (backend.Submission, error) {
	sub := backend.Submission{ID: app.newCallID(), Kind: backend.Function, Pool: f.def.name, Root: rootOf(a)}
	var err error
	switch sub.Parent, sub.Depth = parent(a); {
	case ctx.Err() != nil:
		err = ctxError(ctx)
	case sub.Depth > maxDepth:
		err = ErrTooDeep
	default:
		sub.Input, err = app.encode(f.def.place(app, sub.ID, fieldIn), in)
	}
	if err != nil {
		return sub, fmt.Errorf("mn: call of function %q: %w", f.def.name, err)
	}
	return sub, nil
}

// parent returns the task above a submission made in attempt a, and how many
// function calls are above it.
func parent(a *worker.Attempt) (id string, depth int) {
	if a == nil {
		return "", 0
	}
	depth = a.Depth
	if a.Kind == backend.Function {
		depth++
	}
	return a.Lease.Task, depth
}

// rootOf is the job for which a call made in attempt a is made, "" if there is none.
func rootOf(a *worker.Attempt) string {
	if a == nil {
		return ""
	}
	return root(a)
}

// finish waits for a call and decodes its result. It ends c.
func (f *Function[In, Out]) finish(ctx context.Context, c *call) (out Out, err error) {
	app, end := c.app, c.end
	r, err := c.wait(ctx, f.def.name)
	if err != nil {
		err = fmt.Errorf("mn: call of function %q: %w", f.def.name, err)
	} else {
		out, err = f.result(app, &r)
	}
	if end != nil {
		end(err)
	}
	return out, err
}

// result turns the end of a call into what its caller gets.
func (f *Function[In, Out]) result(app *App, r *backend.Result) (out Out, err error) {
	switch r.Status {
	case backend.StatusSucceeded:
		if err := app.decode(f.def.place(app, r.ID, fieldOut), r.Data, &out); err != nil {
			return out, fmt.Errorf("mn: function %q: %w", f.def.name, err)
		}
		return out, nil
	case backend.StatusFailed:
		if r.Failure != nil && r.Failure.Code == codeClosed {
			return out, fmt.Errorf("mn: call of function %q: %w", f.def.name, ErrAppClosed)
		}
		return out, f.def.runError(app, r.ID, r.Attempt, r.Failure)
	}
	return out, fmt.Errorf("mn: call of function %q %s: %w", f.def.name, r.ID, context.Canceled)
}

// Future is the result of [Function.Go], which may still be on its way.
type Future[Out any] struct {
	done chan struct{}
	out  Out
	err  error
}

// Go calls the function without waiting for it; it blocks only to submit the call.
// When ctx ends the call is cancelled. Its errors, all of those of Call, come with
// the Future.
func (f *Function[In, Out]) Go(ctx context.Context, in In) *Future[Out] {
	fut := &Future[Out]{done: make(chan struct{})}
	c, err := f.begin(ctx, in)
	if err != nil {
		fut.err = err
		close(fut.done)
		return fut
	}
	c.waitApart = true
	if !c.app.errands.start(func() {
		defer close(fut.done)
		fut.out, fut.err = f.finish(ctx, c)
	}) {
		fut.err = ErrAppClosed
		c.tell(fut.err)
		close(fut.done)
	}
	return fut
}

// Done is closed when the result is there.
func (f *Future[Out]) Done() <-chan struct{} { return f.done }

// Wait waits for the result. If ctx ends first it returns ctx's error, and the call
// goes on: what cancels it is the context that Go was given.
func (f *Future[Out]) Wait(ctx context.Context) (Out, error) {
	if a := attemptFrom(ctx); a != nil {
		a.BeginWait(false)
		defer a.EndWait()
	}
	select {
	case <-f.done:
		return f.out, f.err
	default:
	}
	select {
	case <-f.done:
		return f.out, f.err
	case <-ctx.Done():
		var none Out
		return none, fmt.Errorf("mn: wait for a future: %w", ctxError(ctx))
	}
}
