package mn_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// witness is a Telemetry that remembers what it was told.
type witness struct {
	sent     log[mn.Operation]
	executed log[mn.Execution]
	sends    log[error] // their ends
	attempts log[error] // theirs
	trace    string
	wrap     func(context.Context) context.Context
}

func (w *witness) Send(_ context.Context, op mn.Operation) (string, func(error)) {
	w.sent.add(op)
	return w.trace, w.sends.add
}

func (w *witness) Execute(ctx context.Context, e mn.Execution) (context.Context, func(error)) {
	w.executed.add(e)
	if w.wrap != nil {
		ctx = w.wrap(ctx)
	}
	return ctx, w.attempts.add
}

type witnessKey struct{}

func mark(ctx context.Context) context.Context { return context.WithValue(ctx, witnessKey{}, "marked") }

func TestTelemetryIsToldOfStartsCallsAndAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{trace: "carried", wrap: mark}
		var seen log[any]
		call := mn.NewFunction("call", func(ctx context.Context, in int) (int, error) {
			seen.add(ctx.Value(witnessKey{}))
			return in, nil
		})
		job := mn.NewJob("job", func(ctx context.Context, in int, _ func(int) bool) error {
			seen.add(ctx.Value(witnessKey{}))
			seen.add(mn.CleanupContext(ctx).Value(witnessKey{}))
			_, err := call.Call(ctx, in)
			return err
		})
		j := job.On(mntest.NewWith(t, mn.Config{Name: "told", Definitions: []mn.Definition{job, call}, Telemetry: w}))
		began := time.Now()
		id := start(t, j, 1)
		require.Equal(t, mn.Succeeded, ended(t, j, id).Status)

		require.Equal(t, []any{"marked", "marked", "marked"}, seen.entries(), "handlers get the context that Execute made")
		sent := w.sent.entries()
		require.Equal(t, mn.Operation{App: "told", Kind: "job", Name: "job", ID: string(id)}, sent[0])
		called := mn.Operation{App: "told", Kind: "function", Name: "call", ID: sent[1].ID, Parent: string(id), Root: string(id)}
		require.Equal(t, called, sent[1])
		executed := w.executed.entries()
		require.Len(t, executed, 2)
		for i, e := range executed {
			require.NotEmpty(t, e.Worker)
			require.True(t, began.Equal(e.Created))
			executed[i].Worker, executed[i].Created = "", time.Time{}
		}
		require.Equal(t, []mn.Execution{
			{Operation: sent[0], Trace: "carried", Attempt: 1}, {Operation: called, Trace: "carried", Attempt: 1},
		}, executed)
		require.Equal(t, []error{nil, nil}, w.sends.entries())
		require.Equal(t, []error{nil, nil}, w.attempts.entries())
	})
}

func TestTelemetryIsToldHowStartsAndCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		fail := mn.NewFunction("fail", func(context.Context, int) (int, error) { return 0, errors.New("no") })
		wait := mn.NewFunction("wait", func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		job := mn.NewJob("job", counting)
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job, fail, wait}, Telemetry: w})
		last := func() error { e := w.sends.entries(); return e[len(e)-1] }

		_, err := fail.On(app).Call(t.Context(), 1)
		require.Equal(t, err, last())
		_, err = fail.On(app).Go(t.Context(), 1).Wait(t.Context())
		require.Equal(t, err, last())
		start(t, job.On(app), 5, mn.WithLock("l"))
		require.NoError(t, last())
		_, err = job.On(app).Start(t.Context(), 5, mn.WithLock("l"))
		require.ErrorIs(t, last(), mn.ErrLockAlreadyInUse)
		require.Equal(t, err, last())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = wait.On(app).Call(ctx, 1)
		require.ErrorIs(t, last(), context.DeadlineExceeded)
		require.Equal(t, err, last())
		require.Len(t, w.sends.entries(), 5)
		require.Len(t, w.sent.entries(), 5)
	})
}

func TestTelemetryIsToldOfEachCallOfAMapWhenItsResultComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		slow := mn.NewFunction("slow", func(_ context.Context, in int) (int, error) {
			pass(time.Duration(10-in) * time.Second)
			if in == 5 {
				return 0, errors.New("five")
			}
			return in, nil
		}, mn.MaxWorkers(10))
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{slow}, Telemetry: w})
		inputs := func(yield func(int) bool) {
			for i := range 10 {
				if !yield(i) {
					return
				}
			}
		}
		early := make(chan int, 1)
		go func() {
			pass(5500 * time.Millisecond)
			early <- len(w.sends.entries())
		}()
		n := 0
		for range slow.On(app).Map(t.Context(), inputs) {
			n++
		}
		require.Equal(t, 10, n)
		require.Equal(t, 5, <-early, "calls had ended when the first result in order was not there yet")
		ends := w.sends.entries()
		require.Len(t, ends, 10)
		failed := 0
		for _, err := range ends {
			if err != nil {
				require.ErrorContains(t, err, "five")
				failed++
			}
		}
		require.Equal(t, 1, failed)

		for range slow.On(app).Map(t.Context(), inputs) {
			break // after 10 s, when all have come
		}
		require.Len(t, w.sends.entries(), 20)
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		for range slow.On(app).Map(ctx, inputs) {
		}
		ends = w.sends.entries()[20:]
		require.Len(t, ends, 10, "those that are cancelled end as well")
		late := 0
		for _, err := range ends {
			if errors.Is(err, context.DeadlineExceeded) {
				late++
			}
		}
		require.Equal(t, 5, late)
	})
}

func TestTelemetryIsToldHowAttemptsEnd(t *testing.T) {
	handlers := map[string]struct {
		handler mn.JobFunc[int, int]
		stop    func(*testing.T, *mn.App, *mn.Job[int, int], mn.JobID)
		is      error
		text    string
	}{
		"error":   {handler: func(context.Context, int, func(int) bool) error { return errors.New("broken") }, text: "broken"},
		"panic":   {handler: func(context.Context, int, func(int) bool) error { panic("boo") }, text: "boo"},
		"goexit":  {handler: func(context.Context, int, func(int) bool) error { runtime.Goexit(); return nil }, text: "Goexit"},
		"timeout": {handler: discounted, is: mn.ErrTimeout},
		"cancelled": {handler: discounted, is: mn.ErrJobCancelled, stop: func(t *testing.T, _ *mn.App, j *mn.Job[int, int], id mn.JobID) {
			require.NoError(t, j.Cancel(t.Context(), id))
		}},
		"drained": {handler: discounted, is: mn.ErrDraining, stop: func(t *testing.T, app *mn.App, _ *mn.Job[int, int], _ mn.JobID) {
			require.NoError(t, app.Close())
		}},
		"left behind": {handler: func(context.Context, int, func(int) bool) error { pass(time.Hour); return nil }, is: mn.ErrTimeout},
	}
	for name, c := range handlers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(witness)
				job := mn.NewJob("job", c.handler, mn.Timeout(time.Minute), mn.CancellationGrace(time.Second))
				app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, Telemetry: w})
				j := job.On(app)
				id := start(t, j, 0)
				if c.stop != nil {
					c.stop(t, app, j, id)
				}
				pass(2 * time.Minute)
				ends := w.attempts.entries()
				require.Len(t, ends, 1, "two minutes later")
				if c.is != nil {
					require.Equal(t, c.is, ends[0])
				} else {
					require.ErrorContains(t, ends[0], c.text)
				}
				var run *mn.RunError
				require.Equal(t, name == "panic", errors.As(ends[0], &run) && run.Panicked() && strings.Contains(run.Stack, "telemetry_test.go"))
				pass(2 * time.Hour)
				require.Len(t, w.attempts.entries(), 1, "and never again")
			})
		})
	}
}

// discounted returns when it is told to, with an error that does not count then.
func discounted(ctx context.Context, _ int, _ func(int) bool) error {
	<-ctx.Done()
	return errors.New("not counted")
}

// broken is a Telemetry of the worst kind.
type broken struct {
	send    func() (string, func(error))
	execute func(context.Context) (context.Context, func(error))
}

func (b *broken) Send(context.Context, mn.Operation) (string, func(error)) { return b.send() }

func (b *broken) Execute(ctx context.Context, _ mn.Execution) (context.Context, func(error)) {
	return b.execute(ctx)
}

func (b *broken) LogAttrs(context.Context) []slog.Attr { panic("LogAttrs") }

func TestFaultyTelemetryHarmsNoRun(t *testing.T) {
	nothing := func() (string, func(error)) { return "", nil }
	through := func(ctx context.Context) (context.Context, func(error)) { return ctx, nil }
	explode := func(error) { panic("end") }
	for name, c := range map[string]struct {
		telemetry *broken
		said      string
	}{
		"panics in Send": {&broken{func() (string, func(error)) { panic("send") }, through}, "panic=send"},
		"panics in Execute": {
			&broken{nothing, func(context.Context) (context.Context, func(error)) { panic("execute") }}, "panic=execute",
		},
		"panics in ends": {&broken{
			func() (string, func(error)) { return "", explode },
			func(ctx context.Context) (context.Context, func(error)) { return ctx, explode },
		}, "panic=end"},
		"returns no context":    {&broken{nothing, func(context.Context) (context.Context, func(error)) { return nil, nil }}, "panic=LogAttrs"},
		"returns another's":     {&broken{nothing, func(context.Context) (context.Context, func(error)) { return context.TODO(), nil }}, "panic=LogAttrs"},
		"sends 1025 bytes":      {&broken{func() (string, func(error)) { return strings.Repeat("x", mn.MaxTrace+1), nil }, through}, "bytes=1025"},
		"panics where it can't": {&broken{nothing, through}, "panic=LogAttrs"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said logged
				f := mn.NewFunction("f", func(ctx context.Context, in int) (int, error) {
					mn.Logger(ctx).Debug("here")
					return in + 1, nil
				})
				job := mn.NewJob("job", func(ctx context.Context, in int, yield func(int) bool) error {
					for out, err := range f.Map(ctx, func(yield func(int) bool) { _ = yield(in) && yield(in+1) }) {
						if err != nil || !yield(out) {
							return err
						}
					}
					_, err := f.Call(ctx, in)
					return err
				})
				j := job.On(mntest.NewWith(t, mn.Config{
					Definitions: []mn.Definition{job, f}, Telemetry: c.telemetry, Logger: said.logger(),
				}))
				info := ended(t, j, start(t, j, 1))
				require.Equal(t, mn.Succeeded, info.Status, "%v", info.Error)
				require.Equal(t, 3, info.Result)
				require.Len(t, said.entries(), 1, "reported once")
				require.Contains(t, said.entries()[0], c.said)
			})
		})
	}
}

func TestWhatTelemetrySendsGoesToEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{trace: strings.Repeat("x", mn.MaxTrace)}
		job := mn.NewJob("job", func(context.Context, int, func(int) bool) error { return errors.New("no") }, mn.Retries(2))
		j := job.On(mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, Telemetry: w}))
		ended(t, j, start(t, j, 0))
		executed := w.executed.entries()
		require.Len(t, executed, 3)
		for i, e := range executed {
			require.Equal(t, w.trace, e.Trace)
			require.Equal(t, i+1, e.Attempt)
		}
		require.Len(t, w.sent.entries(), 1)
	})
}

// attributed is a Telemetry whose log attributes are those of the context.
type attributed struct{ witness }

func (a *attributed) LogAttrs(ctx context.Context) []slog.Attr {
	return []slog.Attr{slog.Any("value", ctx.Value(witnessKey{}))}
}

func TestLoggerHasTheAttributesOfTheTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said logged
		f := mn.NewFunction("f", func(ctx context.Context, in int) (int, error) {
			mn.Logger(ctx).Info("inside")
			return in, nil
		})
		app := mntest.NewWith(t, mn.Config{
			Definitions: []mn.Definition{f}, Telemetry: &attributed{witness{wrap: mark}}, Logger: said.logger(),
		})
		_, err := f.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		mn.Logger(app.Context(mark(t.Context()))).Info("outside")
		require.Len(t, said.entries(), 2)
		for i, where := range []string{"inside", "outside"} {
			require.Contains(t, said.entries()[i], where)
			require.Contains(t, said.entries()[i], "value=marked")
		}
	})
}

func TestKilledAttemptsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		job := mn.NewJob("job", func(ctx context.Context, _ int, yield func(int) bool) error {
			yield(1)
			pass(time.Hour) // deaf
			return nil
		}, mn.Retries(0))
		j := job.On(mntest.NewWith(t, mn.Config{Backend: memory.New(), Definitions: []mn.Definition{job}, Telemetry: w},
			mntest.KillAfterYield("job", 1)))
		require.Equal(t, mn.Failed, ended(t, j, start(t, j, 0)).Status)
		require.Equal(t, []error{mn.ErrLeaseLost}, w.attempts.entries())
		pass(2 * time.Hour)
		require.Len(t, w.attempts.entries(), 1)
	})
}
