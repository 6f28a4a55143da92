package mn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// Definition is a [Job] or a [Function], for Config.Definitions.
type Definition interface {
	// Name is the name it was defined with.
	Name() string
	core() *definition
}

// definition is the part of a job or function that has no types.
type definition struct {
	name     string
	kind     backend.Kind
	settings settings
	untyped  bool // an Inspector's view of what another program may define
	// invoke decodes the input, calls the handler and encodes the result. It is nil
	// where this program has no handler.
	invoke func(*App, *worker.Attempt) ([]byte, error)
}

var legalName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

func (d *definition) check(f *faults) {
	if !legalName.MatchString(d.name) {
		f.add("%s name %q: use 1 to 128 letters, digits, '_', '.' or '-'", d.kind, d.name)
	}
	d.settings.check(f, fmt.Sprintf("%s %q", d.kind, d.name))
}

func (d *definition) spec() backend.PoolSpec {
	s := &d.settings
	spec := backend.PoolSpec{
		Name: d.name, Kind: d.kind, MaxWorkers: s.maxWorkers, Spare: s.spare, CPU: s.cpu,
		Memory: int64(s.memory), Timeout: s.timeout, Grace: s.grace, Retries: s.retries,
		KeepYields: s.keepYields, MaxPending: s.maxPending,
	}
	if d.kind == backend.Function {
		spec.CrashBudget = CrashBudget
	}
	return spec
}

// retryDelay is exponential with half of it random, so that what failed together
// does not come back together.
func (d *definition) retryDelay(n int) time.Duration {
	delay := d.settings.backoffMax
	if shift := n - 1; shift < 30 && d.settings.backoffFirst<<shift < delay && d.settings.backoffFirst<<shift >= 0 {
		delay = d.settings.backoffFirst << shift
	}
	if delay <= 1 {
		return delay
	}
	return delay/2 + rand.N(delay/2)
}

func (d *definition) place(app *App, id, field string) Place {
	return Place{App: app.cfg.Name, Kind: d.kind.String(), Name: d.name, ID: id, Field: field}
}

// bind finds the app for a method: the one it was bound to, or the one of ctx.
func (d *definition) bind(ctx context.Context, bound *App) (*App, error) {
	app := bound
	if app == nil {
		app = appFrom(ctx)
	}
	if app == nil {
		return nil, fmt.Errorf("mn: %s %q: %w", d.kind, d.name, ErrNoApp)
	}
	if app.definitions[d.name] == nil && !d.untyped {
		return nil, fmt.Errorf("mn: %s %q in app %q: %w", d.kind, d.name, app.cfg.Name, ErrUnknownDefinition)
	}
	return app, nil
}

// failure is what travels of a handler's error.
type failure struct {
	Message string `json:"message"`
	Stack   string `json:"stack,omitempty"`
	// Permanent says that the handler marked the error so.
	Permanent bool `json:"permanent,omitempty"`
}

// examine reads a handler's error. Its methods may panic, for example because it is a
// nil pointer: that fails the task like any panic.
func examine(err error) (code string, f failure, permanent bool) {
	defer func() {
		if r := recover(); r != nil {
			code, f.Stack = backend.CodePanic, string(debug.Stack())
			f.Message = fmt.Sprintf("panic in a method of the handler's error, a %T: %v", err, r)
		}
	}()
	f.Message = err.Error()
	var marked *permanentError
	permanent = errors.As(err, &marked)
	f.Permanent = permanent
	var panicked *worker.PanicError
	if errors.As(err, &panicked) {
		return backend.CodePanic, failure{Message: f.Message, Stack: string(panicked.Stack), Permanent: permanent}, permanent
	}
	return backend.CodeError, f, permanent
}

// runError is a failure as its reader sees it.
func (d *definition) runError(app *App, id string, attempt int, f *backend.Failure) *RunError {
	e := &RunError{Kind: d.kind.String(), Name: d.name, ID: id, Attempt: attempt, Message: "unknown error"}
	if f == nil {
		return e
	}
	e.code, e.Message = f.Code, f.Code
	if f.Note != "" {
		e.Message += ": " + f.Note
	}
	if f.Detail != nil {
		var detail failure
		if err := app.decode(d.place(app, id, fieldError), f.Detail, &detail); err != nil {
			e.Message += fmt.Sprintf(" (its text cannot be read: %v)", err)
			return e
		}
		e.Message, e.Stack, e.Permanent = detail.Message, detail.Stack, detail.Permanent
	}
	return e
}
