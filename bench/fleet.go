package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
)

// fleetPool is the pool of the measures with many workers.
const fleetPool = "fleet"

// fleetSample is how many of the rarer steps are measured: a crash, a departure.
const fleetSample = 50

// fleet is many workers, each in a session of its own as on a cluster, and each with a call that
// lasts. What a step of theirs costs is the server's time, not this program's.
type fleet struct {
	store    backend.Store
	medium   *medium
	host     backend.Session // launches
	caller   backend.Session
	workers  []fleetWorker
	idleSize float64 // bytes
	busySize float64 // bytes, of the call too
	claims   sync.WaitGroup
	stop     context.CancelFunc
}

type fleetWorker struct {
	session string
	slot    string
	lease   backend.Lease
	calls   chan backend.Lease
}

// fleetMeasures say what workers cost whose number is -workers. They need a server whose time can be
// read.
func (b *bench) fleetMeasures() []measure {
	if b.medium.spent == nil {
		return nil
	}
	among := fmt.Sprintf(", %d workers", b.workers)
	row := func(name, unit string, value func(*fleet, context.Context) (float64, error)) measure {
		return measure{
			name: name + among, unit: unit, once: true,
			prepare: func(ctx context.Context) (err error) {
				if b.fleet == nil {
					b.fleet, err = openFleet(ctx, b.medium, b.workers)
				}
				return err
			},
			value: func(ctx context.Context, _ time.Duration) (float64, error) { return value(b.fleet, ctx) },
		}
	}
	return []measure{
		row("memory per idle worker", "bytes", func(f *fleet, _ context.Context) (float64, error) { return f.idleSize, nil }),
		row("memory per busy worker and call", "bytes", func(f *fleet, _ context.Context) (float64, error) { return f.busySize, nil }),
		row("heartbeat, server time", "µs", (*fleet).beat),
		row("sweep with nothing lost, server time", "µs", (*fleet).sweep),
		row("reserve with nothing lacking, server time", "µs", (*fleet).reserve),
		row("crash of a busy worker, server time", "µs", (*fleet).crash),
		row("departure of a worker without a slot, server time", "µs", (*fleet).depart),
		row("departure of an idle worker, server time", "µs", (*fleet).departIdle),
	}
}

func openFleet(ctx context.Context, m *medium, n int) (f *fleet, err error) {
	spec := backend.PoolSpec{
		Name: fleetPool, Kind: backend.Function, MaxWorkers: n, Spare: n, CPU: 0.1, Memory: 256 << 20,
		Timeout: 15 * time.Minute, Grace: 5 * time.Minute, CrashBudget: 3,
	}
	session := func(id string, launches bool, pools ...backend.PoolSpec) backend.Session {
		return backend.Session{
			ID: id, Pools: pools, Launches: launches,
			Lease: 15 * time.Minute, Margin: time.Minute, Starting: 15 * time.Minute, // nobody beats meanwhile
		}
	}
	f = &fleet{
		store: m.backend.Namespace("fleet"), medium: m, host: session("host", true, spec), caller: session("caller", false),
		workers: make([]fleetWorker, n),
	}
	var claiming context.Context
	claiming, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err = errors.Join(f.store.Join(ctx, f.host, deaf{}), f.store.Join(ctx, f.caller, deaf{})); err != nil {
		return f, err
	}
	before, err := m.used()
	if err != nil {
		return f, err
	}
	if err = f.launch(ctx, claiming, session, spec); err != nil {
		return f, err
	}
	idle, err := m.used()
	if err != nil {
		return f, err
	}
	if err = f.employ(ctx); err != nil {
		return f, err
	}
	busy, err := m.used()
	f.idleSize = (float64(idle) - float64(before)) / float64(n)
	f.busySize = (float64(busy) - float64(before)) / float64(n)
	return f, err
}

// launch brings all workers to life, and returns when they wait.
func (f *fleet) launch(ctx, claiming context.Context, session func(string, bool, ...backend.PoolSpec) backend.Session, spec backend.PoolSpec) error {
	for at := 0; at < len(f.workers); {
		slots, err := f.store.Reserve(ctx, f.host.ID, []string{fleetPool}, 1000)
		if err != nil {
			return err
		}
		if len(slots) == 0 {
			return fmt.Errorf("%d workers are reserved, and no more", at)
		}
		for _, slot := range slots {
			w := &f.workers[at]
			w.session, w.slot, w.calls = fmt.Sprint("worker-", at), slot.ID, make(chan backend.Lease, 1)
			if err := f.store.Join(ctx, session(w.session, false, spec), deaf{}); err != nil {
				return err
			}
			f.claims.Go(func() {
				as, err := f.store.Claim(claiming, backend.ClaimRequest{Slot: w.slot, Session: w.session, Op: 1, Cooldown: time.Hour})
				if err == nil {
					w.calls <- as[0].Lease
				}
			})
			at++
		}
	}
	return f.awaitPool(ctx, func(p *backend.PoolInfo) bool { return p.Idle == len(f.workers) })
}

func (f *fleet) awaitPool(ctx context.Context, is func(*backend.PoolInfo) bool) error {
	for {
		pools, err := f.store.Pools(ctx)
		if err != nil || is(&pools[0]) {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// employ gives a call to each worker but the last fleetSample, which stay idle.
func (f *fleet) employ(ctx context.Context) error {
	busy := len(f.workers) - fleetSample
	for n := 0; n < busy; n += pendingBatch {
		subs := make([]backend.Submission, min(pendingBatch, busy-n))
		for i := range subs {
			subs[i] = backend.Submission{ID: "caller." + strconv.Itoa(n+i), Kind: backend.Function, Pool: fleetPool, Input: []byte("12345")}
		}
		if _, err := f.store.Submit(ctx, f.caller.ID, subs); err != nil {
			return err
		}
	}
	return f.awaitPool(ctx, func(p *backend.PoolInfo) bool { return p.Running == busy })
}

// spent is how many µs of the server each of n steps takes.
func (f *fleet) spent(n int, step func(i int) error) (float64, error) {
	before, err := f.medium.spent()
	if err != nil {
		return 0, err
	}
	for i := range n {
		if err := step(i); err != nil {
			return 0, err
		}
	}
	after, err := f.medium.spent()
	return float64((after - before).Microseconds()) / float64(n), err
}

// beat has workers beat as they do each five seconds.
func (f *fleet) beat(ctx context.Context) (float64, error) {
	var busy []*fleetWorker
	for i := range f.workers {
		w := &f.workers[i]
		select {
		case w.lease = <-w.calls:
			busy = append(busy, w)
		default:
		}
		if len(busy) == 1000 {
			break
		}
	}
	return f.spent(len(busy), func(i int) error {
		states, err := f.store.Heartbeat(ctx, busy[i].session, []backend.Lease{busy[i].lease})
		if err == nil && states[0] != backend.LeaseHeld {
			err = fmt.Errorf("a lease is not held: %v", states[0])
		}
		return err
	})
}

func (f *fleet) sweep(ctx context.Context) (float64, error) {
	return f.spent(200, func(int) error {
		n, err := f.store.Sweep(ctx, 100)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d were lost", n)
		}
		return err
	})
}

func (f *fleet) reserve(ctx context.Context) (float64, error) {
	return f.spent(200, func(int) error {
		_, err := f.store.Reserve(ctx, f.host.ID, []string{fleetPool}, 100)
		return err
	})
}

// crash ends slots of busy workers, as a provisioner that saw them die does.
func (f *fleet) crash(ctx context.Context) (float64, error) {
	var busy []*fleetWorker
	for i := range f.workers {
		if w := &f.workers[i]; w.lease.Task != "" && len(busy) < fleetSample {
			busy = append(busy, w)
		}
	}
	return f.spent(len(busy), func(i int) error {
		return f.store.Exit(ctx, []backend.SlotExit{{Slot: busy[i].slot, Note: "exit code 1"}})
	})
}

// depart ends sessions of workers whose slots have ended before, as they do after a cooldown.
func (f *fleet) depart(ctx context.Context) (float64, error) {
	var slotless []string
	for i := range f.workers {
		if w := &f.workers[i]; w.lease.Task != "" && len(slotless) < fleetSample { // those of crash
			slotless = append(slotless, w.session)
		}
	}
	return f.spent(len(slotless), func(i int) error { return f.store.Leave(ctx, slotless[i]) })
}

// departIdle ends sessions of workers that wait.
func (f *fleet) departIdle(ctx context.Context) (float64, error) {
	return f.spent(fleetSample, func(i int) error {
		return f.store.Leave(ctx, f.workers[len(f.workers)-1-i].session)
	})
}

func (f *fleet) close() error {
	f.stop()
	f.claims.Wait()
	return nil
}
