package history_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/history"
)

// opBound is how long a client waits for an answer at the most. Some are impatient, so
// that they often get none.
const opBound = 2 * time.Second

func (c *client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	d := opBound
	if c.rand.IntN(4) == 0 {
		d = time.Duration(5+c.rand.ExpFloat64()*60) * time.Millisecond
	}
	return context.WithTimeout(ctx, d)
}

// client is one goroutine that works on the jobs of a schedule.
type client struct {
	*program
	*schedule
	app   *mn.App
	name  string
	rand  *rand.Rand
	next  int64 // tick to look at for jobs that are due
	calls int
}

func newClient(g *program, s *schedule, app *mn.App, name string) *client {
	return &client{
		program: g, schedule: s, app: app, name: name, rand: s.random("client", name, os.Getpid()),
		next: max(0, s.now(history.Now())), // one that was killed is followed by one that does not begin anew
	}
}

// run works until the clock says so.
func (c *client) run(ctx context.Context, until int64) {
	for history.Now() < until && ctx.Err() == nil {
		for ; c.next <= c.now(history.Now()); c.next++ {
			if c.due(c.name, c.next) {
				c.start(ctx, c.plan(c.name, c.next))
			}
			if c.due(everyone, c.next) && c.rand.IntN(2) == 0 {
				c.start(ctx, c.plan(everyone, c.next))
			}
		}
		c.act(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(c.rand.IntN(50)) * time.Millisecond):
		}
	}
}

// act does one thing to a job of any client.
func (c *client) act(ctx context.Context) {
	p, ok := c.recent(c.rand, history.Now())
	if !ok {
		return
	}
	switch n := c.rand.IntN(100); {
	case n < 45:
		c.get(ctx, p, false)
	case n < 57:
		c.list(ctx)
	case n < 65:
		c.wait(ctx, p)
	case n < 72:
		c.watch(ctx, p)
	case n < 79:
		c.wish(ctx, history.Cancel, p)
	case n < 84 && p.Removable:
		c.wish(ctx, history.Remove, p)
	case n < 96:
		c.call(ctx)
	default:
		c.doMap(ctx)
	}
}

// ended records how an operation ended, if its error tells.
func ended(p *history.Pending, err error) history.Outcome {
	outcome := history.Unknown
	var held *mn.LockError
	switch {
	case err == nil:
		outcome = history.OK
	case errors.As(err, &held):
		outcome, p.Op.Key, p.Op.Holder = history.Refused, held.Key, string(held.Holder)
	case errors.Is(err, mn.ErrJobDoesNotExist):
		outcome = history.Missing
	default:
		p.Op.Error = err.Error()
	}
	p.End(outcome)
	return outcome
}

func (c *client) begin(op history.Op) *history.Pending {
	op.Process = c.name
	return c.rec.Begin(op)
}

func (c *client) start(ctx context.Context, p plan) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	op := c.begin(history.Op{Kind: history.Start, Job: string(p.ID), Locks: p.Locks})
	_, err := c.job(&p).On(c.app).Start(ctx, p, mn.WithID(p.ID), mn.WithLock(p.Locks...))
	ended(op, err)
}

func (c *client) get(ctx context.Context, p plan, final bool) {
	if !final {
		var cancel context.CancelFunc
		ctx, cancel = c.bound(ctx)
		defer cancel()
	}
	op := c.begin(history.Op{Kind: history.Get, Job: string(p.ID), Locks: p.mayHold(), Final: final})
	info, err := c.job(&p).On(c.app).Get(ctx, p.ID)
	op.Op.View = view(&info, err)
	ended(op, err)
}

// view is what a reader saw; nil if it saw nothing.
func view(i *mn.JobInfo[history.Value], err error) *history.View {
	if err != nil {
		return nil
	}
	v := &history.View{
		Status: string(i.Status), Attempt: i.Attempt, Yields: i.Yields, Value: i.Result, Removing: i.Removing, Locks: i.Locks,
	}
	if i.Status.Terminal() {
		v.Ended = i.Ended.UnixNano()
	}
	if i.Status == mn.Failed {
		v.Failure = history.FailureError
		if errors.Is(i.Error, mn.ErrWorkerLost) {
			v.Failure = history.FailureLost
		}
	}
	return v
}

func (c *client) list(ctx context.Context) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	now := c.now(history.Now())
	op := c.begin(history.Op{Kind: history.List, Locks: append(seasonKeys(now), seasonKeys(max(0, now-season))...)})
	held := make(map[string]string)
	var failed error
	for l, err := range c.app.Locks(ctx) {
		if err != nil {
			failed = err
			break
		}
		held[l.Key] = string(l.Holder)
	}
	op.Op.Held = held
	slices.Sort(op.Op.Locks)
	op.Op.Locks = slices.Compact(op.Op.Locks)
	ended(op, failed)
}

func (c *client) wait(ctx context.Context, p plan) {
	ctx, cancel := context.WithTimeout(ctx, opBound/2)
	defer cancel()
	op := c.begin(history.Op{Kind: history.Wait, Job: string(p.ID)})
	out, err := c.job(&p).On(c.app).Wait(ctx, p.ID)
	v := &history.View{Status: string(mn.Succeeded), Value: out, Partial: true}
	var failed *mn.RunError
	switch {
	case err == nil:
	case errors.As(err, &failed):
		v.Status, err = string(mn.Failed), nil
	case errors.Is(err, mn.ErrJobCancelled):
		v.Status, err = string(mn.Cancelled), nil
	}
	if err == nil {
		op.Op.View = v
	}
	ended(op, err)
}

// watch records each state that it is shown: it was read after the one before was.
func (c *client) watch(ctx context.Context, p plan) {
	ctx, cancel := context.WithTimeout(ctx, opBound/4)
	defer cancel()
	get := history.Op{Kind: history.Get, Job: string(p.ID), Locks: p.mayHold()}
	op := c.begin(get)
	for info, err := range c.job(&p).On(c.app).Watch(ctx, p.ID) {
		op.Op.View = view(&info, err)
		ended(op, err)
		op = c.begin(get)
	}
	op.End(history.Unknown)
}

func (c *client) wish(ctx context.Context, kind history.Kind, p plan) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	op := c.begin(history.Op{Kind: kind, Job: string(p.ID)})
	job := c.job(&p).On(c.app)
	if kind == history.Cancel {
		ended(op, job.Cancel(ctx, p.ID))
		return
	}
	ended(op, job.Remove(ctx, p.ID))
}

func (c *client) task() task {
	c.calls++
	return task{Text: fmt.Sprintf("%s-%d-%d", c.name, os.Getpid(), c.calls), Work: time.Duration(c.rand.IntN(30)) * time.Millisecond}
}

func (c *client) call(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*opBound)
	defer cancel()
	call(ctx, c.rec, c.name, c.fn.On(c.app), c.task())
}

// doMap calls the function for several inputs at once, and sees that each gets one result.
func (c *client) doMap(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*opBound)
	defer cancel()
	var ins []task
	var ops []*history.Pending
	for range 1 + c.rand.IntN(6) {
		t := c.task()
		ins = append(ins, t)
		ops = append(ops, c.rec.Begin(history.Op{Process: c.name + "/" + t.Text, Kind: history.Call, Input: t.Text}))
	}
	n := 0
	for out, err := range c.fn.On(c.app).Map(ctx, slices.Values(ins)) {
		if n == len(ops) { // one result too many: of the last, for want of a better name
			n--
			ops = append(ops, c.rec.Begin(ops[n].Op))
			n++
		}
		ops[n].Op.Result = out
		if err != nil {
			ops[n].Op.Error = err.Error()
			ops[n].End(history.Erred)
		} else {
			ops[n].End(history.OK)
		}
		n++
	}
	for ; n < len(ops); n++ {
		ops[n].End(history.Unknown)
	}
}
