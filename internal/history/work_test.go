package history_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/history"
)

// timing makes losses frequent.
var timing = mn.Timing{
	Lease: 1500 * time.Millisecond, Heartbeat: 300 * time.Millisecond, Margin: 600 * time.Millisecond,
	Sweep: 200 * time.Millisecond, Start: 20 * time.Second, Drain: time.Second,
}

const retries = 2

// grace is how long handlers may take to return when they are told to stop. Shorter than
// leases, it shows whether a lock outlives the belief of a holder that was not told.
func grace() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("MN_HISTORY_GRACE")); err == nil {
		return d
	}
	return time.Second
}

// program is what one process executes: its handlers record what they do.
type program struct {
	rec   *history.Recorder
	pulse *pulse
	sync  *mn.Job[plan, history.Value]
	async *mn.Job[plan, history.Value]
	fn    *mn.Function[task, string]
}

// task is a call's input. The text is unique in the run.
type task struct {
	Text string
	Work time.Duration
}

func newProgram(rec *history.Recorder, p *pulse) *program {
	g := &program{rec: rec, pulse: p}
	opts := []mn.JobOption{
		mn.Retries(retries), mn.Backoff(10*time.Millisecond, 50*time.Millisecond), mn.MaxConcurrency(6),
		mn.CancellationGrace(grace()),
	}
	g.async = mn.NewJob("async", g.handle, opts...)
	g.sync = mn.NewJob("sync", g.handle, append(opts, mn.SyncYields())...)
	g.fn = mn.NewFunction("fn", g.execute, mn.MaxWorkers(4), mn.Cooldown(time.Second), mn.CancellationGrace(time.Second))
	return g
}

func (g *program) definitions() []mn.Definition { return []mn.Definition{g.sync, g.async, g.fn} }

func (g *program) job(p *plan) *mn.Job[plan, history.Value] {
	if p.Sync {
		return g.sync
	}
	return g.async
}

// execute is the function: its result tells which execution made it.
func (g *program) execute(ctx context.Context, in task) (string, error) {
	p := g.rec.Begin(history.Op{
		Process: mn.TaskID(ctx), Kind: history.Execute, Input: in.Text, ID: mn.TaskID(ctx),
		Result: fmt.Sprintf("%s by %016x", in.Text, rand.Uint64()),
	})
	defer p.End(history.OK)
	select {
	case <-ctx.Done():
	case <-time.After(in.Work):
	}
	return p.Op.Result, nil
}

// run is one attempt at a job.
type run struct {
	*program
	ctx    context.Context
	in     plan
	op     history.Op // what all operations of the attempt have in common
	belief belief
}

var (
	errPlanned = errors.New("a planned failure")
	errTold    = errors.New("told to stop")
)

func (g *program) handle(ctx context.Context, in plan, yield func(history.Value) bool) error {
	last, _ := mn.LastYield[history.Value](ctx)
	r := &run{program: g, ctx: ctx, in: in, op: history.Op{
		Process: fmt.Sprintf("%s#%d", in.ID, mn.FencingToken(ctx)),
		Job:     mn.TaskID(ctx), Token: mn.FencingToken(ctx), Attempt: mn.Attempt(ctx),
	}}
	begin := r.op
	begin.Kind, begin.View = history.Begin, &history.View{Value: last, Partial: true}
	g.rec.Note(begin)
	r.belief = belief{run: r, locks: in.Locks}
	err := r.work(last.Number, yield)
	r.belief.flush()
	if ctx.Err() != nil {
		r.linger()
	}
	end := r.op
	end.Kind, end.Ending = history.Return, history.EndNil
	switch {
	case ctx.Err() != nil || errors.Is(err, errTold):
		end.Ending = history.EndTold
	case err != nil && in.Permanent:
		end.Ending = history.EndPermanent
	case err != nil:
		end.Ending = history.EndError
	}
	g.rec.Note(end)
	switch {
	case err != nil && in.Panics && ctx.Err() == nil:
		panic(err)
	case err != nil && in.Permanent:
		return mn.Permanent(err)
	}
	return err
}

// linger takes its time to clean up, if it is given any.
func (r *run) linger() {
	select {
	case <-mn.CleanupContext(r.ctx).Done():
	case <-time.After(r.in.Linger):
	}
}

func (r *run) work(done uint64, yield func(history.Value) bool) error {
	for n := done + 1; n <= r.in.Yields; n++ {
		if !r.yield(n, yield) || !r.pause(r.in.Pause) {
			return errTold
		}
		if n == r.in.TryAt {
			r.tryLock()
		}
		if r.in.Calls {
			t := task{Text: fmt.Sprintf("%s-%d-%d", r.in.ID, r.op.Token, n), Work: r.in.Pause / 4}
			call(r.ctx, r.rec, r.op.Process, r.fn, t)
		}
	}
	if !r.pause(r.in.Hang) {
		return errTold
	}
	if r.op.Attempt <= r.in.Fails {
		return errPlanned
	}
	return nil
}

func (r *run) yield(n uint64, yield func(history.Value) bool) bool {
	op := r.op
	op.Kind, op.Yield, op.Sync = history.Yield, n, r.in.Sync
	r.belief.check()
	p := r.rec.Begin(op)
	ok := yield(history.Value{Token: r.op.Token, Number: n})
	if ok {
		p.End(history.OK)
	} else {
		p.End(history.Unknown)
	}
	return ok
}

func (r *run) tryLock() {
	op := r.op
	op.Kind, op.Locks = history.TryLock, []string{r.in.Try}
	p := r.rec.Begin(op)
	switch outcome := ended(p, mn.TryLock(r.ctx, r.in.Try)); outcome {
	case history.OK:
		r.belief.flush()
		r.belief = belief{run: r, locks: r.in.mayHold()}
	}
}

// pause waits, and looks at its lease meanwhile; false if the handler is to stop.
func (r *run) pause(d time.Duration) bool {
	for end := time.Now().Add(d); time.Now().Before(end); {
		r.belief.check()
		select {
		case <-r.ctx.Done():
			return false
		case <-time.After(min(5*time.Millisecond, time.Until(end))):
		}
	}
	return r.ctx.Err() == nil
}

// call calls the function and records it.
func call(ctx context.Context, rec *history.Recorder, process string, fn *mn.Function[task, string], in task) {
	p := rec.Begin(history.Op{Process: process, Kind: history.Call, Input: in.Text})
	out, err := fn.Call(ctx, in)
	p.Op.Result = out
	if err != nil {
		p.Op.Error = err.Error()
		p.End(history.Erred)
		return
	}
	p.End(history.OK)
}

// belief is what a handler may think of its lease by its own clock.
type belief struct {
	run   *run
	locks []string
	from  int64 // 0: it does not believe
	until int64
}

// check looks whether the handler may still believe that it holds its lease.
func (b *belief) check() {
	now := history.Now()
	if b.run.ctx.Err() != nil || !b.run.pulse.steady(now) || b.from != 0 && now-b.until > maxGap {
		b.flush()
		b.from = 0
		return
	}
	if b.from == 0 {
		b.from = now
	}
	b.until = now
	if b.until-b.from > int64(50*time.Millisecond) {
		b.flush()
	}
}

// flush records the belief so far.
func (b *belief) flush() {
	if b.from == 0 || b.until <= b.from {
		return
	}
	op := b.run.op
	op.Kind, op.Locks, op.Call, op.Return, op.Outcome = history.Believe, b.locks, b.from, b.until, history.OK
	b.run.rec.Note(op)
	b.from = b.until
}

// pulse knows whether this process has been paused. A process that was, for longer than
// leases last, holds no lease any more and learns of it with its next heartbeat: until
// then its clock tells it to doubt.
type pulse struct {
	last  atomic.Int64 // the newest beat
	pause atomic.Int64 // when the newest pause ended
}

// maxGap is the longest pause that no lease minds: backends wait for Timing.Margin after
// a lease's end, and half of that is left for what else is late.
const maxGap = int64(300 * time.Millisecond)

func (p *pulse) run(ctx context.Context) {
	p.last.Store(history.Now())
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		now := history.Now()
		if now-p.last.Load() > maxGap {
			p.pause.Store(now)
		}
		p.last.Store(now)
	}
}

// steady reports whether leases that this process holds are surely extended in time.
func (p *pulse) steady(now int64) bool {
	paused := p.pause.Load()
	return now-p.last.Load() <= maxGap && (paused == 0 || now-paused > 3*int64(timing.Heartbeat))
}
