package mn

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/internal/scaler"
	"github.com/multinode/mn/internal/worker"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
)

// Config says what an app is made of. Name and Definitions are required.
type Config struct {
	// Name is the namespace: apps of one name on one backend share jobs, functions
	// and locks. 1 to 128 letters, digits, '_', '.' or '-'.
	Name string
	// Definitions are the jobs and functions that the app starts, calls or executes.
	// It executes those that have a handler.
	Definitions []Definition
	// Backend holds the state. Default: this process's memory, for this app alone.
	Backend backend.Backend
	// Provisioner launches workers. Default: goroutines of this process. Use
	// provisioner.None for a program that executes nothing itself.
	Provisioner provisioner.Provisioner
	// Codec encodes inputs, results, yields and errors. Default: JSON. All apps of a
	// name must use the same.
	Codec Codec
	// PayloadLimit is the largest encoded value. Default 1 MiB.
	PayloadLimit Bytes
	// Quota bounds the hardware of all workers of the app's name together. Default:
	// no bound. Of the apps that execute something, the one that joined last counts.
	Quota Quota
	// Logger gets what the app itself has to say, and is what [Logger] builds on.
	// Default: slog.Default().
	Logger *slog.Logger
	// Telemetry is told of starts, calls and attempts, for traces and metrics. Default:
	// nothing is, and that costs nothing.
	Telemetry Telemetry
	// RunLog bounds what is kept of each run's log. Default: 1000 lines, 256 KiB, from level
	// Info on.
	RunLog RunLog
	// Timing is for tests of what takes long. Default: DefaultTiming.
	Timing Timing
}

// Quota bounds hardware. Zero fields bound nothing.
type Quota struct {
	CPU    float64
	Memory Bytes
}

// Timing is how fast lost workers are found: within Lease + Margin + Sweep.
type Timing struct {
	// Lease is how long a worker may be silent.
	Lease time.Duration
	// Heartbeat is how often it speaks: at least three times a lease.
	Heartbeat time.Duration
	// Margin is how much longer the backend waits before it acts, so that a silent
	// worker has surely given up by then.
	Margin time.Duration
	// Sweep is how often each app looks for what is lost. Processes that were launched as
	// workers look ten times less often: where none but they are left, that is what counts.
	Sweep time.Duration
	// Start is how long a worker may take from its launch to its first sign of life.
	Start time.Duration
	// Drain is how long handlers may take to return once Shutdown's context is done.
	Drain time.Duration
}

// DefaultTiming finds a lost worker within 22 s.
var DefaultTiming = Timing{
	Lease: 15 * time.Second, Heartbeat: 5 * time.Second, Margin: 5 * time.Second,
	Sweep: 2 * time.Second, Start: 5 * time.Minute, Drain: 5 * time.Second,
}

// App is a process's binding of definitions to a backend and a provisioner. Create
// it with [New] and end it with Shutdown. All methods may be called concurrently.
type App struct {
	cfg         Config
	definitions map[string]*definition
	store       backend.Store
	process     *worker.Process
	scaler      *scaler.Scaler
	calls       calls
	trail       trail
	outputs     outputs
	role        *provisioner.Worker // the slot that this process serves, if it was launched as a worker
	guest       *guest              // of its provisioner; nil if that does nothing here

	blame   sync.Once  // a fault of the telemetry was reported
	joining sync.Mutex // one Join at a time
	left    bool       // no more of them; guarded by joining
	session backend.Session

	closing  atomic.Bool   // no more starts and calls but those of handlers
	closed   chan struct{} // nothing more comes
	lifetime context.Context
	end      context.CancelCauseFunc
	loops    sync.WaitGroup // heartbeat and scaler
	errands  errands        // futures and cancels under way
	ended    chan struct{}  // Shutdown is over
	result   error          // of Shutdown
}

// Name is the app's name, which is its namespace.
func (a *App) Name() string { return a.cfg.Name }

// New checks the configuration, reporting all faults at once, and returns an app that
// is ready for use. It blocks for one exchange with the backend.
func New(cfg Config) (*App, error) {
	cfg.setDefaults()
	a := &App{cfg: cfg, definitions: make(map[string]*definition)}
	a.closed, a.ended = make(chan struct{}), make(chan struct{})
	a.assumeRole()
	if err := a.check(); err != nil {
		return nil, err
	}
	a.calls.waiting = make(map[string]receiver)
	a.store = cfg.Backend.Namespace(cfg.Name)
	a.session = a.newSession()
	a.build()
	if err := a.cfg.Provisioner.Open(cfg.Name, (*host)(a)); err != nil {
		return nil, fmt.Errorf("mn: app %q: %w", cfg.Name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), exchangeBound)
	defer cancel()
	if err := a.join(ctx); err != nil {
		_ = a.cfg.Provisioner.Close(ctx) // it has launched nothing
		return nil, fmt.Errorf("mn: app %q cannot join its backend: %w", cfg.Name, err)
	}
	if a.guest != nil {
		a.guest.Enter(*a.role, func(o provisioner.Output) { a.output(*a.role, o) })
	}
	a.lifetime, a.end = context.WithCancelCause(context.Background())
	a.loops.Go(func() { a.process.KeepAlive(a.lifetime) })
	a.loops.Go(func() { a.scaler.Run(a.lifetime) })
	a.loops.Go(func() { a.observe(a.lifetime) })
	return a, nil
}

func (c *Config) setDefaults() {
	if c.Backend == nil {
		c.Backend = memory.New()
	}
	if c.Provisioner == nil {
		c.Provisioner = local.New()
	}
	if c.Codec == nil {
		c.Codec = JSON
	}
	if c.PayloadLimit == 0 {
		c.PayloadLimit = DefaultPayloadLimit
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Timing == (Timing{}) {
		c.Timing = DefaultTiming
	}
	c.RunLog.setDefaults()
}

// check fills a.definitions and reports everything that is wrong.
func (a *App) check() error {
	var f faults
	if !legalName.MatchString(a.cfg.Name) {
		f.add("Config.Name %q: use 1 to 128 letters, digits, '_', '.' or '-'", a.cfg.Name)
	}
	if len(a.cfg.Definitions) == 0 && a.cfg.Provisioner != provisioner.None {
		f.add("Config.Definitions is empty: list the jobs and functions that the app uses; only an app that inspects, with provisioner.None, needs none")
	}
	for i, def := range a.cfg.Definitions {
		var core *definition
		if def != nil {
			core = def.core() // nil for a variable that nobody has set yet
		}
		if core == nil {
			f.add("Config.Definitions[%d] is nil", i)
			continue
		}
		a.checkDefinition(core, &f)
	}
	if a.cfg.PayloadLimit < 0 || a.cfg.PayloadLimit > GiB {
		f.add("Config.PayloadLimit(%s) must be above 0 and at most 1 GiB", a.cfg.PayloadLimit)
	}
	a.cfg.RunLog.check(&f)
	if q := a.cfg.Quota; !(q.CPU >= 0) || q.Memory < 0 {
		f.add("Config.Quota must not be negative")
	}
	a.checkSharing(&f)
	a.cfg.Timing.check(&f)
	return f.err()
}

func (a *App) checkDefinition(core *definition, f *faults) {
	core.check(f)
	if a.definitions[core.name] != nil {
		f.add("two definitions are named %q: names are unique in an app, jobs and functions together", core.name)
	}
	d := *core // later changes of the definition do not concern this app
	a.definitions[d.name] = &d
	q := a.cfg.Quota
	if q.CPU > 0 && d.settings.cpu > q.CPU || q.Memory > 0 && d.settings.memory > q.Memory {
		f.add("%s %q asks for %g CPU and %s, more than Config.Quota allows", d.kind, d.name, d.settings.cpu, d.settings.memory)
	}
}

func (t *Timing) check(f *faults) {
	for _, d := range []time.Duration{t.Lease, t.Heartbeat, t.Margin, t.Sweep, t.Start, t.Drain} {
		if d <= 0 || d > time.Hour {
			f.add("Config.Timing: all fields must be above 0 and at most 1h: %+v", *t)
			return
		}
	}
	if t.Heartbeat*3 > t.Lease {
		f.add("Config.Timing: Heartbeat (%s) must be at most a third of Lease (%s)", t.Heartbeat, t.Lease)
	}
}

func (a *App) newSession() backend.Session {
	t := a.cfg.Timing
	s := backend.Session{
		ID: rand.Text()[:20], Label: processLabel(), Launches: a.cfg.Provisioner != provisioner.None,
		Lease: t.Lease, Margin: t.Margin, Starting: t.Start,
		Quota: backend.Quota{CPU: a.cfg.Quota.CPU, Memory: int64(a.cfg.Quota.Memory)},
	}
	for _, d := range a.definitions {
		if d.invoke != nil {
			s.Pools = append(s.Pools, d.spec())
		}
	}
	return s
}

// build makes the parts that execute and scale.
func (a *App) build() {
	pools := make(map[string]*worker.Pool)
	hardware := make(map[string]provisioner.Resources)
	for name, d := range a.definitions {
		if d.invoke == nil {
			continue
		}
		hardware[name] = provisioner.Resources{CPU: d.settings.cpu, Memory: int64(d.settings.memory)}
		pools[name] = &worker.Pool{
			Spec: d.spec(), Cooldown: d.settings.cooldown, SyncYields: d.settings.syncYields,
			Invoke:     func(at *worker.Attempt) ([]byte, error) { return a.execute(d, at) },
			Invoked:    a.noteCall,
			RetryDelay: d.retryDelay,
		}
	}
	a.process = worker.NewProcess(worker.Config{
		Store: a.store, Session: a.session, Pools: pools, Owner: a, Logger: a.cfg.Logger,
		Heartbeat: a.cfg.Timing.Heartbeat, DrainGrace: a.cfg.Timing.Drain,
		Causes: worker.Causes{
			Cancelled: ErrJobCancelled, Timeout: ErrTimeout, Lost: ErrLeaseLost, Draining: ErrDraining,
		},
		Describe: a.describe, Rejoin: a.rejoin, HardExit: a.hardExit(), Limits: a.cfg.RunLog.limits(),
	})
	a.scaler = scaler.New(scaler.Config{
		Store: a.store, Session: a.session.ID, Provisioner: a.cfg.Provisioner, Pools: hardware,
		Sweep: a.cfg.Timing.Sweep, Worker: a.role != nil, Logger: a.cfg.Logger,
	})
}

// describe turns a handler's error into what is stored of it.
func (a *App) describe(at *worker.Attempt, err error) (*backend.Failure, bool) {
	f := new(backend.Failure)
	var detail failure
	var permanent bool
	f.Code, detail, permanent = examine(err)
	if err == ErrTimeout { //nolint:errorlint // the cause itself, not a handler's error that wraps it
		f.Code = backend.CodeTimeout
		detail.Message = fmt.Sprintf("timed out after %s", a.definitions[at.Pool].settings.timeout)
	}
	detail.clip(int(a.cfg.PayloadLimit))
	var encoding error
	if f.Detail, encoding = a.encode(a.definitions[at.Pool].place(a, at.Lease.Task, fieldError), detail); encoding != nil {
		f.Note = "its text could not be encoded"
		a.cfg.Logger.Error("mn: error of a handler could not be encoded", "error", err, "encoding", encoding)
	}
	return f, permanent
}

// clip shortens what would not fit into a payload, with room for its encoding.
func (f *failure) clip(limit int) {
	room := max(limit/4, 64)
	if len(f.Message) > room {
		f.Message = f.Message[:room] + "…"
	}
	if len(f.Stack) > room {
		f.Stack = f.Stack[:room] + "…"
	}
}
