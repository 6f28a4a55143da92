package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multinode/mn/backend"
)

const (
	// journalDelay is how long an entry may wait for others before it is stored.
	journalDelay = 200 * time.Millisecond
	// journalBatch is how many bytes of entries are stored at once, without waiting further.
	journalBatch = 64 << 10
	// journalBound is how long storing may take; then it is tried again later.
	journalBound = 3 * time.Second
	// journalRoom bounds what waits while the backend does not answer: then the oldest are dropped.
	journalRoom = 4 << 20
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
	armed   bool
	closed  bool
	pending []note
	bytes   int
	dropped int
}

// note is one entry that waits to be stored.
type note struct {
	to   target
	data []byte
}

// target is where a note goes.
type target struct {
	job, slot string
	stream    backend.Stream
}

func newJournal(store backend.Store, limits map[backend.Stream]backend.Limit, failed func(error)) *journal {
	j := &journal{store: store, limits: limits, failed: failed}
	j.timer = time.AfterFunc(time.Hour, func() { j.flush(context.Background()) })
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
	j.pending = append(j.pending, note{to, data})
	j.bytes += len(data)
	j.waiting.Add(1)
	for j.bytes > journalRoom {
		j.bytes -= len(j.pending[0].data)
		j.pending = j.pending[1:]
		j.waiting.Add(-1)
		j.dropped++
	}
	switch {
	case j.bytes >= journalBatch:
		j.armed = true
		j.timer.Reset(0)
	case !j.armed:
		j.armed = true
		j.timer.Reset(journalDelay)
	}
}

// flush stores what waits now. What the backend does not take is tried again later, and
// dropped if the backend is full.
func (j *journal) flush(ctx context.Context) {
	if j.waiting.Load() == 0 {
		return
	}
	j.storing.Lock()
	defer j.storing.Unlock()
	j.mu.Lock()
	notes := j.pending
	j.pending, j.bytes, j.armed = nil, 0, false
	j.mu.Unlock()
	if len(notes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, journalBound)
	defer cancel()
	err := j.store.Append(ctx, j.additions(notes))
	if err == nil || errors.Is(err, backend.ErrBackpressure) {
		j.waiting.Add(-int64(len(notes)))
	}
	if err != nil {
		j.failed(err)
		if !errors.Is(err, backend.ErrBackpressure) {
			j.again(notes)
		}
	}
}

// again puts notes back that could not be stored.
func (j *journal) again(notes []note) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(notes, j.pending...)
	for i := range notes {
		j.bytes += len(notes[i].data)
	}
	if !j.closed {
		j.armed = true
		j.timer.Reset(time.Second)
	}
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

// close stores what waits, or gives it up when ctx is done. Nothing is taken on afterwards.
func (j *journal) close(ctx context.Context) {
	j.mu.Lock()
	j.closed = true
	j.timer.Stop()
	j.mu.Unlock()
	j.flush(ctx)
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
