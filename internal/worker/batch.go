package worker

import (
	"context"
	"time"

	"github.com/multinode/mn/backend"
)

// A worker whose tasks take microseconds claims several in one exchange and settles them
// in the next, because an exchange costs more than such a task. As soon as one takes
// longer the batch is dissolved: what is done is settled, and what is not begun handed back,
// uncharged, for others to take.
const (
	// batchTime is how long a batch is meant to take.
	batchTime = 500 * time.Microsecond
	// leastBundle is how long tasks may take at least that one worker is given while others are
	// idle: about as long as it takes to wake another one in this process.
	leastBundle = 10 * time.Microsecond
	// batchBound is how long one may take before it is dissolved, within as long again: so
	// long may a result wait for others, or a task for its turn while other workers are idle.
	batchBound = time.Millisecond
	// maxBatch bounds how many tasks a worker claims at once.
	maxBatch = 64
)

// pace is a moving mean of how long a worker's tasks take; 0 before the first.
type pace time.Duration

func (p *pace) add(d time.Duration) {
	if *p == 0 {
		*p = pace(max(d, 1))
		return
	}
	*p = max(*p+(pace(d)-*p)/8, 1)
}

// addBounded is add for what may be disturbed: it takes no more than twice the mean.
func (p *pace) addBounded(d time.Duration) {
	if *p > 0 {
		d = min(d, 2*time.Duration(*p))
	}
	p.add(d)
}

// tasks is how many take a time, at least one.
func (p pace) tasks(d time.Duration) int {
	if p == 0 {
		return 1
	}
	return min(max(1, int(d/time.Duration(p))), maxBatch)
}

// bundleTime is how long tasks may take that the worker is given while others are idle. Where
// an exchange takes long so does waking another worker.
func (w *worker) bundleTime() time.Duration {
	return min(max(leastBundle, time.Duration(w.cost)/8), batchTime)
}

// batch is what a worker has claimed together. Its fields are guarded by the worker's mutex.
type batch struct {
	tasks    []*Attempt // not begun
	attempts []*Attempt // done
	ends     []backend.Settlement
	spare    []backend.Settlement // room for the ends of the next batch
	begun    time.Time
	sending  chan struct{} // closed when what was dissolved is settled; nil when it is
}

// executeAll executes tasks that were claimed together, and reports whether the worker
// may go on.
func (w *worker) executeAll(as []backend.Assignment) bool {
	w.hold(as)
	var last *Attempt
	for a, told := w.begin(); a != nil; a, told = w.begin() {
		last = a
		goesOn := false
		if told {
			goesOn = w.conclude(a, nil, nil, false)
		} else {
			goesOn = w.run(a)
		}
		w.lent.Wait() // as between tasks that are claimed one by one
		if !goesOn {
			return false // nothing more is written for it, or who abandoned it dissolves the batch
		}
	}
	w.mu.Lock()
	b := &w.batch
	attempts, ends := b.attempts, b.ends
	b.attempts, b.ends = nil, nil
	w.mu.Unlock()
	if len(ends) > 0 { // the last one had nothing to settle
		w.send(last, attempts, ends)
	}
	return true
}

// hold registers the tasks of a batch.
func (w *worker) hold(as []backend.Assignment) {
	room := make([]Attempt, len(as))
	tasks := make([]*Attempt, len(as))
	for i := range as {
		a := &room[i]
		w.initAttempt(a, &as[i])
		a.batched, a.waiting = true, true
		tasks[i] = a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.batch
	w.attempts = append(w.attempts, tasks...)
	b.tasks = tasks
	b.attempts, b.ends, b.spare = tasks[:0], b.spare, nil // what is done takes the places of what is begun
	w.clock = time.Now()
	b.begun = w.clock
	w.proc.watchBatches()
}

// begin takes the next task of the batch, nil if there is none. told reports that it was
// told to stop while it waited, and is not to be executed.
func (w *worker) begin() (a *Attempt, told bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &w.batch
	if len(b.tasks) == 0 {
		return nil, false
	}
	a = b.tasks[0]
	b.tasks = b.tasks[1:]
	w.startClock(a, w.clock)
	return a, a.endWait()
}

// add keeps the end of an attempt until those of its batch are done. It returns nil, or
// what is to be settled now.
func (b *batch) add(w *worker, a *Attempt, s *backend.Settlement) ([]*Attempt, []backend.Settlement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b.attempts, b.ends = append(b.attempts, a), append(b.ends, *s)
	if len(b.tasks) > 0 {
		return nil, nil
	}
	attempts, ends := b.attempts, b.ends
	b.attempts, b.ends = nil, nil
	return attempts, ends
}

// dissolve settles what is done of the batch and hands back what is not begun. It is
// called when one of its tasks takes long, or keeps the worker for ever.
func (w *worker) dissolve() {
	w.mu.Lock()
	b := &w.batch
	tasks, attempts, ends := b.tasks, b.attempts, b.ends
	b.tasks, b.attempts, b.ends = nil, nil, nil
	if len(tasks) == 0 && len(ends) == 0 {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{}) // none is there: nothing is claimed before the last one is settled
	b.sending = done
	w.mu.Unlock()
	defer w.endSending(done)
	for _, a := range tasks {
		cause, ok := a.end(w.proc.Causes.Draining)
		switch {
		case !ok: // its worker was killed
		case cause == w.proc.Causes.Lost: //nolint:errorlint // causes are told apart by identity
			w.unregister(a)
		default:
			attempts = append(attempts, a)
			ends = append(ends, backend.Settlement{Lease: a.Lease, Outcome: backend.Released})
		}
	}
	if len(ends) > 0 && !w.silent.Load() {
		answers, err := w.proc.Store.Settle(context.Background(), ends)
		w.settled(attempts, ends, answers, err)
	}
}

func (w *worker) endSending(done chan struct{}) {
	w.mu.Lock()
	w.batch.sending = nil
	w.mu.Unlock()
	close(done)
}

// watchBatches sees to it that batches which take long are dissolved. There is one timer
// for all of them, which is set only when it has fired: to set one for each would cost more
// than a batch.
func (p *Process) watchBatches() {
	if !p.watching.Swap(true) {
		p.watch.Reset(batchBound)
	}
}

// dissolveOld is the timer.
func (p *Process) dissolveOld() {
	p.watching.Store(false)
	old := time.Now().Add(-batchBound)
	var slow []*worker
	more := false
	p.mu.Lock()
	for _, w := range p.workers {
		w.mu.Lock()
		if b := &w.batch; len(b.tasks) > 0 || len(b.ends) > 0 {
			more = true
			if b.begun.Before(old) {
				slow = append(slow, w)
			}
		}
		w.mu.Unlock()
	}
	p.mu.Unlock()
	if more {
		p.watchBatches()
	}
	for _, w := range slow {
		go w.dissolve()
	}
}

// isSettled reports whether nothing of a dissolved batch is left to be settled.
func (w *worker) isSettled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.batch.sending == nil
}

// waitSettled waits for what a dissolved batch has left to be settled: whatever may end
// the slot must come after it, because the slot's end takes what is leased to it as lost.
func (w *worker) waitSettled() {
	w.mu.Lock()
	sending := w.batch.sending
	w.mu.Unlock()
	if sending != nil {
		<-sending
	}
}
