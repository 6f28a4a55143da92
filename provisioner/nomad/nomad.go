// Package nomad runs workers as allocations of a HashiCorp Nomad cluster: machines are
// used while there is work for them.
//
// Each definition of an app is one parameterized batch job in Nomad, see [JobID]. Each worker is
// one dispatch of it, with the slot's ID as idempotency token, so that a request whose answer
// was lost starts nothing twice. How many workers there may be is mn's to say, not Nomad's: a
// slot is reserved in the backend before a worker is dispatched, and a worker whose slot is
// gone ends at once. Workers leave by themselves; nothing here ever stops a busy one
// because there are too many.
//
// A worker is the program of Config.Program with the variable MN_WORKER set, in which mn.App.Run
// serves a slot. It needs no access to Nomad. What it prints it reads from its allocation's log files
// itself, for the log of its run.
//
// A dispatch passes these states:
//
//	queued ──▶ dispatching ──▶ waiting ──▶ placed ──▶ running ──▶ gone
//	  │             │             │           │
//	  └─────────────┴─────────────┴───────────┴──▶ refused: not accepted, no node, did not start
//
// What happens in the cluster is learnt from Nomad's event stream, which may lose events and
// break; a list of allocations every 30 s is what counts.
package nomad

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// Provisioner launches allocations. Create it with New.
type Provisioner struct {
	cfg    Config
	client *api.Client
	pace   *pace
	rhythm rhythm

	// ctx is of what runs in the background. It ends when Close is done, or gives up.
	ctx    context.Context
	cancel context.CancelFunc
	// launching ends when Close begins.
	launching     context.Context
	stopLaunching context.CancelFunc

	look chan struct{} // buffered: the list is to be read now

	mu          sync.Mutex
	app         string
	host        provisioner.Host
	closed      bool
	closing     chan struct{} // closed when Close has ended; nil before it began
	watching    bool          // follow and review are running
	streaming   bool          // the event stream is connected
	idle        context.CancelFunc
	dispatchers int
	queue       []*worker
	workers     map[string]*worker // by slot: those launched and not gone
	byPrefix    map[string]*worker // by childPrefix
	pools       map[string]*pool
	changed     chan struct{} // closed and replaced when workers come and go, see waitFor
	running     sync.WaitGroup
	own         *ownOutput // in a process that is a worker
}

// pool is one definition's part.
type pool struct {
	name string
	job  string // its ID

	registering sync.RWMutex // held by dispatches; for writing, by a registration
	registered  string       // hash of the specification that Nomad has

	// The rest is guarded by Provisioner.mu.
	spec     *spec // for the resources below
	res      provisioner.Resources
	unplaced int               // dispatched or about to be, without a node
	orphans  map[string]orphan // withdrawn without success, by childPrefix: they count as unplaced
	note     string            // why there is no node
}

type state int

const (
	queued state = iota
	dispatching
	waiting // for a node
	placed
	running
)

// worker is one that was launched. It is guarded by Provisioner.mu.
type worker struct {
	provisioner.Worker
	pool   *pool
	prefix string // of child
	state  state
	since  time.Time // of the state
	child  string    // ID of the dispatched job
	alloc  string
	killed bool // by Kill or Close: nothing is reported
	// leaving: it is being withdrawn, then reported with a note of its own.
	leaving bool
	note    string
}

// New returns a provisioner for one app. Faults of the configuration are reported when the app
// opens it, so that a worker, which launches nothing, needs no correct one.
func New(cfg Config) *Provisioner {
	cfg.setDefaults()
	p := &Provisioner{
		cfg: cfg, pace: newPace(cfg.DispatchRate), rhythm: defaultRhythm,
		look: make(chan struct{}, 1), changed: make(chan struct{}),
		workers: make(map[string]*worker), byPrefix: make(map[string]*worker), pools: make(map[string]*pool),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.launching, p.stopLaunching = context.WithCancel(p.ctx)
	return p
}

var (
	_ provisioner.Provisioner = (*Provisioner)(nil)
	_ provisioner.Deployer    = (*Provisioner)(nil)
	_ provisioner.Pacer       = (*Provisioner)(nil)
	_ provisioner.Guest       = (*Provisioner)(nil)
)

// OutOfProcess tells that its workers do not share this process's memory.
func (p *Provisioner) OutOfProcess() {}

// Open implements [provisioner.Provisioner]. It reports what is wrong with the
// configuration; it does not ask the cluster.
func (p *Provisioner) Open(app string, host provisioner.Host) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != nil {
		return errors.New("nomad: the provisioner serves another app already; give each app its own")
	}
	if err := p.cfg.check(); err != nil {
		return fmt.Errorf("nomad: %w", err)
	}
	client, err := p.cfg.client()
	if err != nil {
		return fmt.Errorf("nomad: %w", err)
	}
	p.client, p.app, p.host = client, app, host
	return nil
}

// poolOf returns a pool; the caller holds mu.
func (p *Provisioner) poolOf(name string) *pool {
	pl := p.pools[name]
	if pl == nil {
		pl = &pool{name: name, job: JobID(p.cfg.Prefix, p.app, name), orphans: make(map[string]orphan)}
		p.pools[name] = pl
	}
	return pl
}

// Launch implements [provisioner.Provisioner].
func (p *Provisioner) Launch(w provisioner.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.host == nil || p.workers[w.ID] != nil {
		return
	}
	pl := p.poolOf(w.Pool)
	k := &worker{Worker: w, pool: pl, prefix: childPrefix(pl.job, w.ID), since: time.Now()}
	p.workers[w.ID] = k
	p.byPrefix[k.prefix] = k
	p.queue = append(p.queue, k)
	p.dispatchMore()
	if !p.watching {
		p.watching = true
		p.running.Go(p.follow)
		p.running.Go(p.review)
	}
	p.broadcast()
}

// enter moves a worker to its next state; the caller holds mu.
func (p *Provisioner) enter(k *worker, s state) {
	was := k.state == dispatching || k.state == waiting
	is := s == dispatching || s == waiting
	k.state, k.since = s, time.Now()
	switch {
	case is && !was:
		k.pool.unplaced++
	case was && !is:
		k.pool.unplaced--
		p.dispatchMore()
	}
}

// forget drops a worker that is gone; the caller holds mu. It reports false if that was known.
func (p *Provisioner) forget(k *worker) bool {
	if p.workers[k.ID] != k {
		return false
	}
	delete(p.workers, k.ID)
	delete(p.byPrefix, k.prefix)
	p.enter(k, queued) // gives its place among the unplaced back
	for i, q := range p.queue {
		if q == k {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			break
		}
	}
	p.broadcast()
	return true
}

// broadcast wakes who waits in waitFor; the caller holds mu.
func (p *Provisioner) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// waitFor waits for a state of the workers; false if ctx ended before.
func (p *Provisioner) waitFor(ctx context.Context, holds func() bool) bool {
	for {
		p.mu.Lock()
		ok, changed := holds(), p.changed
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// report tells the host of a worker's end, on its own goroutine; the caller holds mu.
func (p *Provisioner) report(k *worker, exit func() provisioner.Exit) {
	if k.killed || p.closed {
		return
	}
	p.running.Go(func() { p.host.Exited(k.Worker, exit()) })
}

// refuse ends a worker that never came.
func (p *Provisioner) refuse(k *worker, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.forget(k) {
		return
	}
	note = p.clean(note)
	if !k.killed && !p.closed { // those who wait for a call see no reason, as those do who watch a job
		p.cfg.Logger.Warn("mn: no worker on Nomad", "job", k.pool.job, "reason", note)
	}
	p.report(k, func() provisioner.Exit { return provisioner.Exit{Note: note, Refused: true} })
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
