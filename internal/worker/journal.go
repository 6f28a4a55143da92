package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

const (
	// journalDelay is how long an entry may wait for others before it is stored.
	journalDelay = 200 * time.Millisecond
	// journalBatch is how many bytes of entries are stored in one exchange; when so many wait
	// they are stored at once.
	journalBatch = 64 << 10
	// journalBound is how long storing may take; then it is tried again after journalRetry.
	journalBound = 3 * time.Second
	journalRetry = time.Second
	// journalRoom bounds what waits while the backend does not answer: then the oldest are dropped.
	journalRoom = 4 << 20
	// noteOverhead is what an entry takes beside its data, as far as journalRoom is concerned.
	noteOverhead = 128
	// lastTries is how often storing is tried when the process leaves.
	lastTries = 3
)

// journal collects entries for jobs' streams and stores them in batches, so that a handler
// which logs does not wait for the backend.
type journal struct {
	store   backend.Store
	limits  map[backend.Stream]backend.Limit
	failed  func(error)
	timer   *time.Timer
	waiting atomic.Int64 // entries, so that those who have none to wait for need no mutex

	storing sync.Mutex // one batch after another, so that entries stay in order
	mu      sync.Mutex
	armed   bool // the timer is set, or what it has begun is under way
	urgent  bool // it was set to fire at once
	closed  bool
	pending []note
	bytes   int
	dropped int // since they could be stored last
}

// note is one entry that waits to be stored.
type note struct {
	to   target
	data []byte
}

func (n *note) size() int { return len(n.data) + noteOverhead }

// target is where a note goes.
type target struct {
	job, slot string
	stream    backend.Stream
}

func newJournal(store backend.Store, limits map[backend.Stream]backend.Limit, failed func(error)) *journal {
	j := &journal{store: store, limits: limits, failed: failed}
	j.timer = time.AfterFunc(time.Hour, j.tick)
	j.timer.Stop()
	return j
}

// add takes an entry on. It does not block.
func (j *journal) add(to target, data []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	n := note{to, data}
	j.pending = append(j.pending, n)
	j.bytes += n.size()
	j.waiting.Add(1)
	j.trim()
	switch {
	case j.bytes >= journalBatch && !j.urgent && (!j.armed || j.timer.Stop()):
		// Else its flush is under way, which sets the timer anew when it is done.
		j.armed, j.urgent = true, true
		j.timer.Reset(0)
	case !j.armed:
		j.armed = true
		j.timer.Reset(journalDelay)
	}
}

// trim drops the oldest entries where there are too many. The caller holds mu.
func (j *journal) trim() {
	for j.bytes > journalRoom {
		j.bytes -= j.pending[0].size()
		j.pending[0] = note{}
		j.pending = j.pending[1:]
		j.waiting.Add(-1)
		j.dropped++
	}
}

// tick is the timer's flush. Only one is under way at a time: while the backend hangs, what is
// added meanwhile must not make goroutines.
func (j *journal) tick() {
	ok := j.flush(context.Background())
	j.mu.Lock()
	defer j.mu.Unlock()
	j.armed, j.urgent = false, false
	if len(j.pending) == 0 || j.closed {
		return
	}
	j.armed = true
	switch {
	case !ok:
		j.urgent = true // not before the backend has had a rest
		j.timer.Reset(journalRetry)
	case j.bytes >= journalBatch:
		j.urgent = true
		j.timer.Reset(0)
	default:
		j.timer.Reset(journalDelay)
	}
}

// flush stores what waits now. What the backend does not take is tried again later, and
// dropped if the backend is full. It reports whether the backend answered.
func (j *journal) flush(ctx context.Context) (ok bool) {
	if j.waiting.Load() == 0 {
		return true
	}
	j.storing.Lock()
	defer j.storing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, journalBound)
	defer cancel()
	j.mu.Lock()
	goal := len(j.pending) // what comes meanwhile must not keep a caller here for ever
	j.mu.Unlock()
	for goal > 0 {
		notes := j.take(goal)
		if len(notes) == 0 {
			break
		}
		goal -= len(notes)
		err := j.store.Append(ctx, j.additions(notes))
		if err != nil && !errors.Is(err, backend.ErrBackpressure) {
			j.again(notes)
			j.failed(err)
			return false
		}
		j.waiting.Add(-int64(len(notes)))
		if err != nil {
			j.failed(fmt.Errorf("%d entries are dropped: %w", len(notes), err))
		}
	}
	j.mu.Lock()
	dropped := j.dropped
	j.dropped = 0
	j.mu.Unlock()
	if dropped > 0 {
		j.failed(fmt.Errorf("%d entries were dropped because the backend did not take them in time", dropped))
	}
	return true
}

// take takes the oldest entries, at most limit of them and one batch.
func (j *journal) take(limit int) []note {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, size := 0, 0
	for n < len(j.pending) && n < limit && size < journalBatch {
		size += j.pending[n].size()
		n++
	}
	notes := j.pending[:n:n]
	j.bytes -= size
	if j.pending = j.pending[n:]; len(j.pending) == 0 {
		j.pending = nil
	}
	return notes
}

// again puts notes back that could not be stored.
func (j *journal) again(notes []note) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(notes, j.pending...)
	for i := range notes {
		j.bytes += notes[i].size()
	}
	j.trim()
}

// additions groups notes by where they go, in their order.
func (j *journal) additions(notes []note) []backend.Addition {
	var list []backend.Addition
	at := make(map[target]int)
	for _, n := range notes {
		i, ok := at[n.to]
		if !ok {
			i = len(list)
			at[n.to] = i
			list = append(list, backend.Addition{
				Job: n.to.job, Slot: n.to.slot, Stream: n.to.stream, Limit: j.limits[n.to.stream],
			})
		}
		list[i].Data = append(list[i].Data, n.data)
	}
	return list
}

// close stores what waits, or gives it up after some tries or when ctx is done. Nothing is taken
// on afterwards.
func (j *journal) close(ctx context.Context) {
	j.mu.Lock()
	j.closed = true
	j.timer.Stop()
	j.mu.Unlock()
	for try := 0; !j.flush(ctx) && try+1 < lastTries && pause(ctx, try); try++ {
	}
	if n := j.waiting.Load(); n > 0 {
		j.failed(fmt.Errorf("%d entries are given up", n))
	}
}

// Note adds an entry to one stream of a job, soon; it does not block. With job "" it is for
// the job that the slot executes now, or for which it executes a call.
func (p *Process) Note(job, slot string, stream backend.Stream, data []byte) {
	p.journal.add(target{job, slot, stream}, data)
}

// FlushNotes stores what [Process.Note] has taken on.
func (p *Process) FlushNotes(ctx context.Context) { p.journal.flush(ctx) }

// CloseNotes is the last [Process.FlushNotes].
func (p *Process) CloseNotes(ctx context.Context) { p.journal.close(ctx) }
