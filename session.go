package mn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/provisioner"
)

// inbox gets what the backend has to tell this process.
type inbox App

// Results implements [backend.Inbox].
func (i *inbox) Results(rs []backend.Result) { i.calls.deliver(rs) }

// Cancel implements [backend.Inbox].
func (i *inbox) Cancel(l backend.Lease) { i.process.Cancel(l) }

// Demand implements [backend.Inbox].
func (i *inbox) Demand(pool string) { i.scaler.Demand(pool) }

// Kill implements [backend.Inbox].
func (i *inbox) Kill(slot string) { i.scaler.Kill(slot) }

// host is what the provisioner launches workers for.
type host App

// Serve implements [provisioner.Host].
func (h *host) Serve(w provisioner.Worker) error {
	h.scaler.Served(w.Pool)
	return h.process.Serve(backend.Slot{ID: w.ID, Pool: w.Pool})
}

// Abandon implements [provisioner.Host].
func (h *host) Abandon(id string) { h.process.Kill(id) }

// Exited implements [provisioner.Host].
func (h *host) Exited(w provisioner.Worker, e provisioner.Exit) { h.scaler.Exited(w, e) }

// join makes the session present, with what it can execute now.
func (a *App) join(ctx context.Context) error {
	a.joining.Lock()
	defer a.joining.Unlock()
	return a.joinNow(ctx)
}

// joinNow is join for who holds joining.
func (a *App) joinNow(ctx context.Context) error {
	if a.left {
		return ErrAppClosed
	}
	return a.store.Join(ctx, a.session, (*inbox)(a))
}

// leave ends the session. A heartbeat that finds it gone from now on must not join anew:
// that session would live until it expires, and be given work.
func (a *App) leave(ctx context.Context) error {
	a.joining.Lock()
	a.left = true
	a.joining.Unlock()
	return a.store.Leave(ctx, a.session.ID)
}

// rejoin joins anew after the backend had ended the session. The results of calls
// made before will never come. known is how often the session had been joined anew when
// what told of the loss was sent: if that is no longer so, somebody has seen to it, and what
// was begun since is of the new session.
func (a *App) rejoin(ctx context.Context, known uint64) error {
	a.joining.Lock()
	defer a.joining.Unlock()
	if a.process.Joins() != known {
		return nil
	}
	sent := time.Now()
	if err := a.joinNow(ctx); err != nil {
		return err
	}
	a.process.Joined(sent)
	a.calls.failAll(backend.CodeLost, "the backend lost this process's session")
	return nil
}

// serveOnly makes the session execute only definitions of the kind, or none.
func (a *App) serveOnly(ctx context.Context, kind backend.Kind) {
	a.joining.Lock()
	var pools []backend.PoolSpec
	for _, p := range a.session.Pools {
		if p.Kind == kind {
			pools = append(pools, p)
		}
	}
	a.session.Pools = pools
	a.session.Launches = a.session.Launches && len(pools) > 0
	a.joining.Unlock()
	if err := a.join(ctx); err != nil {
		a.cfg.Logger.Warn("mn: shutdown could not be announced", "error", err)
	}
}

// exchangeBound is how long an exchange with the backend is repeated.
const exchangeBound = 15 * time.Second

// exchange repeats do while it fails for reasons of the transport: every step of a
// backend may be repeated.
func exchange[T any](ctx context.Context, a *App, do func(context.Context) (T, error)) (T, error) {
	v, err := do(ctx)
	for begin, try := time.Now(), 0; err != nil && transient(ctx, err) && time.Since(begin) < exchangeBound; try++ {
		if a.lifetime.Err() != nil {
			return v, ErrAppClosed
		}
		if !pause(ctx, try) {
			break
		}
		v, err = do(ctx)
	}
	return v, err
}

func transient(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	for _, answer := range []error{
		backend.ErrNotFound, backend.ErrTaskExists, backend.ErrWrongKind, backend.ErrLeaseLost, backend.ErrBackpressure,
		backend.ErrQuit, backend.ErrForeign,
	} {
		if errors.Is(err, answer) {
			return false
		}
	}
	var held *backend.LockError
	return !errors.As(err, &held)
}

// pause waits before a repeat: 20 ms doubling to 1 s, half of it random.
func pause(ctx context.Context, try int) bool {
	d := min(20*time.Millisecond<<min(try, 10), time.Second)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// submit submits tasks and launches the workers that the backend reserved for them.
func (a *App) submit(ctx context.Context, subs []backend.Submission) ([]backend.Submitted, error) {
	if a.closing.Load() && (attemptFrom(ctx) == nil || a.lifetime.Err() != nil) {
		return nil, ErrAppClosed
	}
	joins := a.process.Joins()
	answers, err := a.store.Submit(ctx, a.session.ID, subs)
	if err != nil {
		answers, err = a.submitAgain(ctx, joins, subs, err)
	}
	for i := range answers {
		if slot := answers[i].Slot; slot.ID != "" {
			a.scaler.Launch(slot)
		}
	}
	return answers, err
}

func (a *App) submitAgain(ctx context.Context, joins uint64, subs []backend.Submission, err error) ([]backend.Submitted, error) {
	if ctx.Err() != nil {
		return nil, ctxError(ctx)
	}
	if errors.Is(err, backend.ErrSessionLost) {
		if err := a.rejoin(ctx, joins); err != nil {
			return nil, err
		}
	}
	return exchange(ctx, a, func(ctx context.Context) ([]backend.Submitted, error) {
		return a.store.Submit(ctx, a.session.ID, subs)
	})
}

// open returns ErrAppClosed once the app has ended.
func (a *App) open() error {
	select {
	case <-a.closed:
		return ErrAppClosed
	default:
		return nil
	}
}

// errands are goroutines that the app waits for before it ends.
type errands struct {
	mu     sync.Mutex
	closed bool
	wait   sync.WaitGroup
}

// start runs f on a goroutine, unless the app has ended.
func (e *errands) start(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.wait.Go(f)
	}
	return !e.closed
}

func (e *errands) finish() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wait.Wait()
}

// Shutdown ends the app's part in its namespace. No more starts and calls are
// accepted; jobs that run here may finish, then functions may. When ctx is done what
// still runs is told to stop, with ErrDraining as its context's cause, and is handed
// back: PENDING again, with its attempt not counted. Handlers that do not return
// within Timing.Drain are left behind; nothing they do is stored. Pending jobs stay
// for other apps of the name. Worker processes drain themselves, with ten seconds for what
// runs. Later calls wait for the first and return its result.
//
// It returns ctx's error if not everything had finished by itself.
func (a *App) Shutdown(ctx context.Context) error {
	if a.closing.CompareAndSwap(false, true) {
		a.result = a.drain(ctx)
		close(a.ended)
	}
	<-a.ended // a channel, not a mutex: waiting must not stop the clock of a synctest bubble
	return a.result
}

// Close is Shutdown without waiting for running work: it is handed back at once.
func (a *App) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := a.Shutdown(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil // handing back is what Close, or an earlier Shutdown, was told to do
	}
	return err
}

func (a *App) drain(ctx context.Context) error {
	a.serveOnly(closing(ctx, exchangeBound), backend.Function)
	err := a.process.DrainJobs(ctx)
	if err == nil {
		err = a.process.DrainCalls(ctx)
	}
	a.serveOnly(closing(ctx, exchangeBound), 0)
	a.scaler.Pause()
	err = a.process.Drain(ctx, err)
	if failed := a.cfg.Provisioner.Close(closing(ctx, a.workersBound())); failed != nil {
		a.cfg.Logger.Warn("mn: workers left behind", "error", failed)
	}
	a.process.Report(closing(ctx, exchangeBound))
	a.process.CloseNotes(closing(ctx, exchangeBound))
	if failed := a.leave(closing(ctx, exchangeBound)); failed != nil {
		a.cfg.Logger.Warn("mn: session not ended, it will expire", "error", failed)
	}
	close(a.closed)
	a.end(ErrAppClosed)
	a.calls.failAll(codeClosed, "")
	a.loops.Wait()
	a.errands.finish()
	if err != nil {
		return fmt.Errorf("mn: shutdown of app %q: work was handed back unfinished: %w", a.cfg.Name, err)
	}
	return nil
}

// workersBound is how long workers may take to leave. Those of this process have been
// drained by then; worker processes drain themselves when they are told to, as Run does.
func (a *App) workersBound() time.Duration {
	if _, out := a.cfg.Provisioner.(outOfProcess); out {
		return runDrain + a.cfg.Timing.Drain + 2*time.Second
	}
	return a.cfg.Timing.Drain
}

// closing is a context for what must be tried even though ctx is done.
func closing(ctx context.Context, d time.Duration) context.Context {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	time.AfterFunc(d, cancel)
	return bounded
}
