package dashboard

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/multinode/mn"
)

const (
	// maxOperations bounds the bulk operations that run at the same time.
	maxOperations = 4
	// keptOperations is how many ended ones stay readable.
	keptOperations = 20
	// keptSteps is how many of an operation's newest steps, and of its failures, are shown.
	keptSteps = 50
)

// operations are the bulk operations of this dashboard.
type operations struct {
	d    *Dashboard
	mu   sync.Mutex
	list []*operation // oldest first
}

func newOperations(d *Dashboard) *operations { return &operations{d: d} }

// operation is one bulk action under way, or one that was.
type operation struct {
	id     string
	verb   Verb
	filter filter
	dryRun bool
	stop   context.CancelFunc

	mu sync.Mutex
	operationState
}

// operationState is what the page shows of an operation.
type operationState struct {
	Total    int // runs there were when it began, 0 if that is not known
	Done     int
	Failed   int
	Steps    []mn.BulkStep // the newest, newest first
	Failures []mn.BulkStep
	Started  time.Time
	Ended    time.Time
	Stopped  bool
	Fault    string // why it ended early
}

// start begins an operation, which only Close and stop end early.
func (o *operations) start(verb Verb, f filter, dryRun bool, total int) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	live, ended := 0, 0
	for _, op := range o.list {
		if op.live() {
			live++
		} else {
			ended++
		}
	}
	if live >= maxOperations {
		return nil, problem{http.StatusServiceUnavailable, fmt.Sprintf("%d bulk operations are running. Wait for one, or stop one.", live)}
	}
	for i := 0; i < len(o.list) && ended > keptOperations; i++ {
		if !o.list[i].live() {
			o.list = append(o.list[:i], o.list[i+1:]...)
			i--
			ended--
		}
	}
	ctx, cancel := context.WithCancel(o.d.lifetime)
	op := &operation{id: rand.Text()[:12], verb: verb, filter: f, dryRun: dryRun, stop: cancel}
	op.Started, op.Total = time.Now(), total
	if !o.d.spawn(func(context.Context) { op.run(ctx, o.d.inspect) }) {
		cancel()
		return nil, problem{http.StatusServiceUnavailable, "This dashboard was closed."}
	}
	o.list = append(o.list, op)
	return op, nil
}

func (o *operations) find(id string) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.list {
		if op.id == id {
			return op, nil
		}
	}
	return nil, problem{http.StatusNotFound, "This bulk operation is not known here: it is forgotten, or another replica runs it."}
}

func (op *operation) run(ctx context.Context, in *mn.Inspector) {
	defer op.stop()
	for step, err := range in.Bulk(ctx, mn.BulkAction(op.verb), op.filter.now(), op.dryRun) {
		op.note(step, err, ctx.Err() != nil)
		if ctx.Err() != nil {
			break
		}
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	op.Ended = time.Now()
	op.Stopped = op.Stopped || ctx.Err() != nil
}

func (op *operation) note(step mn.BulkStep, err error, stopped bool) {
	op.mu.Lock()
	defer op.mu.Unlock()
	switch {
	case stopped:
		op.Stopped = true
		return
	case err != nil:
		op.Fault = err.Error()
		return
	case step.Err != nil && !errors.Is(step.Err, mn.ErrJobDoesNotExist):
		op.Failed++
		op.Failures = prepend(op.Failures, step)
	default:
		op.Done++
	}
	op.Steps = prepend(op.Steps, step)
}

// prepend makes a new slice: readers hold the old one.
func prepend(steps []mn.BulkStep, step mn.BulkStep) []mn.BulkStep {
	out := make([]mn.BulkStep, 1, keptSteps+1)
	out[0] = step
	return append(out, steps[:min(len(steps), keptSteps-1)]...)
}

func (op *operation) live() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.Ended.IsZero()
}

// bulkPost begins a bulk operation.
func (d *Dashboard) bulkPost(w http.ResponseWriter, r *http.Request) {
	var a Action
	var f filter
	err := d.permit(w, r, func() (Action, error) {
		q := &query{Values: r.PostForm}
		f = q.filter()
		chosen := f.now()
		a = Action{Verb: Verb(r.PostForm.Get("verb")), Bulk: &chosen, DryRun: r.PostForm.Get("dry") != ""}
		if q.err != nil {
			return a, q.err
		}
		if a.Verb.check() != nil {
			return a, badQuery("verb=%.80q is no bulk action: use cancel, retry or remove.", a.Verb)
		}
		return a, nil
	})
	var op *operation
	if err == nil {
		op, err = d.bulk.start(a.Verb, f, a.DryRun, formCount(r))
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	redirect(w, r, "bulk/"+op.id)
}

// formCount is how many runs the dry run before has counted.
func formCount(r *http.Request) int {
	var n int
	if _, err := fmt.Sscanf(r.PostForm.Get("total"), "%d", &n); err != nil || n < 0 {
		return 0
	}
	return n
}

// bulkStop ends a bulk operation early.
func (d *Dashboard) bulkStop(w http.ResponseWriter, r *http.Request) {
	var op *operation
	err := d.permit(w, r, func() (a Action, err error) {
		if op, err = d.bulk.find(r.PathValue("op")); err != nil {
			return a, err
		}
		chosen := op.filter.RunFilter
		return Action{Verb: op.verb, Bulk: &chosen, DryRun: op.dryRun}, nil
	})
	if err != nil {
		d.fail(w, r, err)
		return
	}
	op.stop()
	redirect(w, r, "bulk/"+op.id)
}
