package mn

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/multinode/mn/internal/worker"
	"github.com/multinode/mn/provisioner"
)

// What of a worker's output goes to runs' logs is bounded, so that a worker that prints without
// end harms nobody: outputLines lines and outputBytes bytes a second, with so many times outputBurst
// at once. Of what is left out the newest leftLines are kept for when there is room again.
const (
	outputLines = 100
	outputBytes = 64 << 10
	outputBurst = 4
	leftLines   = 50
	leftLine    = 1 << 10 // bytes of each
	// heldFor is how long lines that a Logger has printed are held: if the worker dies so soon
	// after them, they may not have been stored otherwise.
	heldFor   = time.Second
	heldLines = 50
)

// outputs takes what workers have printed.
type outputs struct {
	mu      sync.Mutex
	workers map[string]*printer // by slot
}

// printer is one worker's part.
type printer struct {
	worker provisioner.Worker
	lines  float64 // there is room for
	bytes  float64
	last   time.Time // when that was measured
	left   []printed // out: the newest
	leftN  int       // how many in all
	held   []printed // written by Loggers, the newest
}

// printed is a line.
type printed struct {
	at   time.Time
	by   provisioner.Execution
	text string
}

// Output implements [provisioner.Host].
func (h *host) Output(w provisioner.Worker, o provisioner.Output) { (*App)(h).output(w, o) }

// output writes what a worker has printed to its run's log.
func (a *App) output(w provisioner.Worker, o provisioner.Output) {
	if a.cfg.RunLog.Off || o.Text == "" {
		return
	}
	now := time.Now()
	a.outputs.mu.Lock() // while writing, so that lines stay in order
	defer a.outputs.mu.Unlock()
	p := a.outputs.of(w, now)
	if o.Tail {
		a.writeOutput(p, printed{now, o.Execution, "the last output of this worker, of which lines above may come again:"})
	}
	for line := range strings.Lines(o.Text) {
		l := printed{now, o.Execution, cut(strings.TrimRight(line, "\r\n"), a.lineLimit())}
		switch {
		case !o.Tail && writtenByLogger(line, w.ID):
			p.hold(l)
		case p.leftN == 0 && p.room(len(l.text)):
			a.writeOutput(p, l)
		default:
			p.leave(l)
		}
	}
}

// writtenByLogger reports whether a line was written by a [Logger]'s own handler: the line is in
// the run's log already. It is known by an attribute that each of them has.
func writtenByLogger(line, slot string) bool {
	return strings.Contains(line, workerAttr) && strings.Contains(line, slot)
}

// of returns a worker's part. The caller holds mu.
func (o *outputs) of(w provisioner.Worker, now time.Time) *printer {
	p := o.workers[w.ID]
	if p == nil {
		p = &printer{worker: w, last: now, lines: outputLines * outputBurst, bytes: outputBytes * outputBurst}
		if o.workers == nil {
			o.workers = make(map[string]*printer)
		}
		o.workers[w.ID] = p
	}
	passed := now.Sub(p.last).Seconds()
	p.last = now
	p.lines = min(outputLines*outputBurst, p.lines+passed*outputLines)
	p.bytes = min(outputBytes*outputBurst, p.bytes+passed*outputBytes)
	return p
}

// room takes room for a line; false if there is none.
func (p *printer) room(size int) bool {
	if p.lines < 1 || p.bytes < 0 {
		return false
	}
	p.lines--
	p.bytes -= float64(size)
	return true
}

// leave leaves a line out, for now.
func (p *printer) leave(l printed) {
	p.leftN++
	l.text = strings.Clone(cut(l.text, leftLine)) // not the chunk that it is a part of
	p.left = appendLast(p.left, l, leftLines)
}

// hold keeps a line that a Logger has written.
func (p *printer) hold(l printed) {
	l.text = strings.Clone(l.text)
	p.held = appendLast(p.held, l, heldLines)
}

// appendLast is append that keeps at most limit elements, the last.
func appendLast(all []printed, l printed, limit int) []printed {
	if len(all) >= limit {
		all = append(all[:0], all[len(all)-limit+1:]...)
	}
	return append(all, l)
}

// writeOutput writes a line to its run's log.
func (a *App) writeOutput(p *printer, l printed) {
	line := logLine{
		Time: l.at.UnixMicro(), Source: FromOutput, Message: l.text, Name: p.worker.Pool, Attempt: l.by.Attempt, Worker: p.worker.ID,
	}
	if l.by.Attempt > 0 {
		line.Task = l.by.Job
	}
	a.log(l.by.Job, p.worker.ID, &line)
}

// makeUp writes what was left out of a worker's output, as far as it is kept, with a line that
// says how much is not.
func (a *App) makeUp(p *printer) {
	if missing := p.leftN - len(p.left); missing > 0 {
		text := fmt.Sprintf("(%d lines left out: the worker prints more than %d lines or %d KiB a second)", missing, outputLines, outputBytes>>10)
		a.writeOutput(p, printed{p.left[0].at, p.left[0].by, text})
	}
	for _, l := range p.left {
		a.writeOutput(p, l)
	}
	p.left, p.leftN = nil, 0
}

// showOutput writes what has room again, and forgets workers that were silent for long.
func (a *App) showOutput() {
	a.outputs.mu.Lock()
	defer a.outputs.mu.Unlock()
	for id, p := range a.outputs.workers {
		idle := time.Since(p.last) > 2*heldFor*outputBurst
		if p.leftN > 0 {
			p = a.outputs.of(p.worker, time.Now())
			if p.lines >= leftLines && p.bytes >= leftLines*leftLine {
				p.lines -= leftLines
				p.bytes -= leftLines * leftLine
				a.makeUp(p)
			}
		}
		if idle {
			delete(a.outputs.workers, id)
		}
	}
}

// outputEnds writes what is left of a worker's output. Where it was lost, this includes what its
// Loggers have printed last, for they may not have got further.
func (a *App) outputEnds(id string, lost bool) {
	a.outputs.mu.Lock()
	defer a.outputs.mu.Unlock()
	p := a.outputs.workers[id]
	if p == nil {
		return
	}
	delete(a.outputs.workers, id)
	a.makeUp(p)
	for _, l := range p.held {
		if lost && time.Since(l.at) < heldFor {
			a.writeOutput(p, l)
		}
	}
}

// guest tells a worker process's provisioner what the worker executes.
type guest struct {
	provisioner.Guest
	mu     sync.Mutex
	active int // handlers
	now    provisioner.Execution
	told   bool
}

// begin says that a handler begins, and returns what the worker executed before.
func (g *guest) begin(at *worker.Attempt) (before provisioner.Execution) {
	e := provisioner.Execution{Job: root(at)}
	if e.Job == at.Lease.Task {
		e.Attempt = at.Attempt
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	before = g.now
	g.active++
	g.tell(e)
	return before
}

// end says that a handler has ended. If it had run while another waited, that one goes on.
func (g *guest) end(before provisioner.Execution) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active--; g.active > 0 {
		g.tell(before)
	}
}

// tell tells what is executed now, if that is new. The caller holds mu.
func (g *guest) tell(e provisioner.Execution) {
	if !g.told || e != g.now {
		g.told, g.now = true, e
		g.Execute(e)
	}
}

// invoke executes an attempt's handler.
func (a *App) invoke(d *definition, at *worker.Attempt) ([]byte, error) {
	if a.guest != nil {
		defer a.guest.end(a.guest.begin(at))
	}
	return d.invoke(a, at)
}
