package mn

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// DefaultMaxInFlight is how many calls of a Map are under way at a time.
const DefaultMaxInFlight = 256

// MapOption changes one Map.
type MapOption interface{ setMap(*mapOptions) }

type mapOptions struct {
	unordered bool
	max       int
}

type mapOption func(*mapOptions)

func (o mapOption) setMap(m *mapOptions) { o(m) }

// Unordered yields results as they come, instead of in the order of the inputs.
func Unordered() MapOption { return mapOption(func(m *mapOptions) { m.unordered = true }) }

// MaxInFlight is how many inputs are taken before their results: under way, or done
// and waiting for their turn. Default 256.
func MaxInFlight(n int) MapOption { return mapOption(func(m *mapOptions) { m.max = n }) }

// Map calls the function for each input, in parallel, and yields the results in the
// order of the inputs. Inputs are taken as they are needed, so there may be any number
// of them, and on the goroutine that ranges over the results: while an input is being
// made, no result is handed out. For inputs that come slowly use Go.
//
// An error belongs to its input, and the next result follows; when ctx ends, or the
// app is shut down, that is yielded once and the Map ends. Breaking out cancels what is
// under way.
func (f *Function[In, Out]) Map(ctx context.Context, inputs iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		o := mapOptions{max: DefaultMaxInFlight}
		for _, opt := range opts {
			opt.setMap(&o)
		}
		var none Out
		app, err := f.def.bind(ctx, f.app)
		if err == nil && o.max < 1 {
			err = fmt.Errorf("mn: map of function %q: MaxInFlight(%d) must be at least 1", f.def.name, o.max)
		}
		if err != nil {
			yield(none, err)
			return
		}
		m := newMapper(ctx, f, app, o, yield)
		defer m.stop()
		for in := range inputs {
			if !m.deliver(m.full) {
				return
			}
			m.put(in)
		}
		m.flush()
		m.deliver(m.unfinished)
	}
}

// mapper is one Map under way. Fields without a mutex belong to the goroutine that
// ranges over it.
type mapper[In, Out any] struct {
	f       *Function[In, Out]
	ctx     context.Context
	app     *App
	attempt *worker.Attempt
	over    <-chan struct{}
	options mapOptions
	yield   func(Out, error) bool
	// window holds the inputs from next to put, at their number modulo its length.
	window []mapItem
	next   int // the next in order to be yielded
	taken  int // inputs taken
	open   int // taken and not yet yielded
	ready  []int
	spare  []mapArrival

	arrival chan struct{} // room for one: something has arrived
	news    atomic.Bool   // likewise
	mu      sync.Mutex
	arrived []mapArrival
	under   []int               // numbers that are being submitted
	ends    map[int]func(error) // tell the telemetry of the ends of calls; nil without it

	sending sync.Mutex // guards what follows; held while a batch is submitted
	batch   []backend.Submission
	numbers []int
	bytes   int       // of the batch's inputs
	begun   time.Time // the batch
	timer   *time.Timer
	armed   bool // it is running
	stopped bool
}

type mapItem struct {
	id   string
	done bool
	res  backend.Result
	err  error
}

type mapArrival struct {
	number int
	res    backend.Result
	err    error
}

func newMapper[In, Out any](ctx context.Context, f *Function[In, Out], app *App, o mapOptions, yield func(Out, error) bool) *mapper[In, Out] {
	m := &mapper[In, Out]{
		f: f, ctx: ctx, app: app, attempt: attemptFrom(ctx), options: o, yield: yield,
		window: make([]mapItem, min(o.max, DefaultMaxInFlight)), arrival: make(chan struct{}, 1),
	}
	if m.attempt != nil {
		m.over = m.attempt.Cleanup().Done()
	}
	return m
}

func (m *mapper[In, Out]) full() bool {
	if m.options.unordered {
		return m.open >= m.options.max
	}
	return m.taken-m.next >= m.options.max
}

func (m *mapper[In, Out]) unfinished() bool { return m.open > 0 }

// item is the place of an input; the window grows to MaxInFlight as need be.
func (m *mapper[In, Out]) item(number int) *mapItem { return &m.window[number%len(m.window)] }

// grow makes room for one more input. In an unordered Map finished inputs may be
// far ahead of the oldest unfinished one, so there the window is as long as that needs.
func (m *mapper[In, Out]) grow() {
	if m.taken-m.next < len(m.window) {
		return
	}
	longer := make([]mapItem, 2*len(m.window))
	for n := m.next; n < m.taken; n++ {
		longer[n%len(longer)] = *m.item(n)
	}
	m.window = longer
}

func (m *mapper[In, Out]) receive(numbers []int, rs []backend.Result) {
	if m.app.cfg.Telemetry != nil {
		m.traceResults(numbers, rs)
	}
	m.mu.Lock()
	for i, number := range numbers {
		m.arrived = append(m.arrived, mapArrival{number: number, res: rs[i]})
	}
	m.mu.Unlock()
	m.signal()
	// Let the Map run now rather than when this goroutine has nothing left to do: it makes the
	// inputs for all others.
	runtime.Gosched()
}

func (m *mapper[In, Out]) arrive(a mapArrival) {
	if m.app.cfg.Telemetry != nil {
		m.traceEnd(a.number, a.err)
	}
	m.mu.Lock()
	m.arrived = append(m.arrived, a)
	m.mu.Unlock()
	m.signal()
}

// signal tells that something has arrived.
func (m *mapper[In, Out]) signal() {
	m.news.Store(true)
	select {
	case m.arrival <- struct{}{}:
	default:
	}
}

// deliver yields what is ready, and goes on waiting for more while that holds. It
// reports whether the Map goes on.
func (m *mapper[In, Out]) deliver(while func() bool) bool {
	for {
		m.collect()
		if !m.yieldReady() {
			return false
		}
		if !while() {
			return true
		}
		if err := m.await(); err != nil {
			return m.giveUp(err)
		}
	}
}

// giveUp yields why the Map ends before its inputs do.
func (m *mapper[In, Out]) giveUp(err error) bool {
	var none Out
	m.yield(none, fmt.Errorf("mn: map of function %q: %w", m.f.def.name, err))
	return false
}

// collect takes over what has arrived.
func (m *mapper[In, Out]) collect() {
	if !m.news.Load() { // asked for every input
		return
	}
	m.news.Store(false)
	m.mu.Lock()
	m.arrived, m.spare = m.spare[:0], m.arrived
	m.mu.Unlock()
	for i := range m.spare {
		a := &m.spare[i]
		it := m.item(a.number)
		it.done, it.res, it.err = true, a.res, a.err
		if m.options.unordered {
			m.ready = append(m.ready, a.number)
		}
	}
	clear(m.spare)
}

func (m *mapper[In, Out]) yieldReady() bool {
	if m.options.unordered {
		ready := m.ready
		m.ready = nil
		for _, n := range ready {
			if !m.yieldItem(n) {
				return false
			}
		}
		for m.next < m.taken && m.item(m.next).id == "" {
			m.next++
		}
		return true
	}
	for m.next < m.taken && m.item(m.next).done {
		m.next++
		if !m.yieldItem(m.next - 1) {
			return false
		}
	}
	return true
}

// yieldItem hands a finished item out and forgets it.
func (m *mapper[In, Out]) yieldItem(n int) bool {
	it := m.item(n)
	err := it.err
	m.open--
	if err == nil {
		out, err := m.f.result(m.app, &it.res)
		*it = mapItem{}
		return m.yield(out, err)
	}
	*it = mapItem{}
	switch {
	case m.ctx.Err() != nil: // then no other input would fare better
		return m.giveUp(ctxError(m.ctx))
	case errors.Is(err, ErrAppClosed):
		return m.giveUp(ErrAppClosed)
	}
	var none Out
	return m.yield(none, err)
}

// await waits until something has arrived.
func (m *mapper[In, Out]) await() error {
	m.flush()
	if a := m.attempt; a != nil {
		a.BeginWait(a.Pool == m.f.def.name)
		defer a.EndWait()
	}
	select {
	case <-m.arrival:
		return nil
	case <-m.ctx.Done():
		return ctxError(m.ctx)
	case <-m.over:
		return errAttemptOver
	case <-m.app.closed:
		return ErrAppClosed
	}
}

// stop cancels what is under way. It is also called when all is done.
func (m *mapper[In, Out]) stop() {
	m.sending.Lock()
	m.stopped = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.sending.Unlock()
	var ids []string
	for n := m.next; n < m.taken; n++ {
		if id := m.item(n).id; id != "" && !m.item(n).done {
			if _, ok := m.app.calls.take(id); ok {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) > 0 {
		m.app.cancelCalls(ids)
	}
	if m.app.cfg.Telemetry != nil {
		m.traceStop()
	}
}
