package mn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// CallInfo is a call that was made for a run, directly or by other calls, as its worker saw it.
type CallInfo struct {
	ID         string    `json:"id"`
	Parent     string    `json:"parent"` // the run or the call whose handler made it
	Definition string    `json:"definition"`
	Worker     string    `json:"worker"`
	Attempt    int       `json:"attempt"`
	Status     Status    `json:"status"` // RUNNING, SUCCEEDED, FAILED or CANCELLED
	Error      string    `json:"error,omitempty"`
	Created    time.Time `json:"created"`
	Started    time.Time `json:"started"` // by the worker's clock, like Ended
	Ended      time.Time `json:"ended,omitzero"`
}

// CallTree is what is kept of the calls made for a run: RunLog.Calls says how many.
type CallTree struct {
	// Calls are in the order in which they ended; what still runs comes where it was last seen.
	Calls []CallInfo `json:"calls"`
	// Skipped counts by definition the calls that ended too fast after one another to be kept
	// one by one.
	Skipped map[string]int `json:"skipped,omitempty"`
}

// callRecord is a call as it is stored. With Skipped it stands for so many.
type callRecord struct {
	ID      string `json:"i,omitempty"`
	Parent  string `json:"p,omitempty"`
	Name    string `json:"n"`
	Worker  string `json:"w,omitempty"`
	Attempt int    `json:"e,omitempty"`
	Status  Status `json:"s,omitempty"`
	Error   string `json:"x,omitempty"`
	Created int64  `json:"c,omitempty"` // microseconds since 1970, like the other two
	Started int64  `json:"b,omitempty"`
	Ended   int64  `json:"z,omitempty"`
	Skipped int    `json:"k,omitempty"`
}

func (r *callRecord) info() CallInfo {
	c := CallInfo{
		ID: r.ID, Parent: r.Parent, Definition: r.Name, Worker: r.Worker, Attempt: r.Attempt, Status: r.Status, Error: r.Error,
		Created: time.UnixMicro(r.Created), Started: time.UnixMicro(r.Started),
	}
	if r.Ended != 0 {
		c.Ended = time.UnixMicro(r.Ended)
	}
	return c
}

// Calls of one process are kept one by one as long as they are no more than callRate a
// second, with so many at once: a Map over a million inputs must not cost a million writes.
const (
	callRate  = 50
	callBurst = 200
	// longCall is how long a call runs before it is shown while it still does.
	longCall = time.Second
	// maxCallError bounds the stored text of a call's error in bytes.
	maxCallError = 200
)

// trail decides which calls are kept one by one.
type trail struct {
	mu      sync.Mutex
	tokens  float64
	last    time.Time
	skipped map[skippedCall]int
	shown   map[callAttempt]bool // as running
}

type (
	skippedCall struct{ root, name string }
	callAttempt struct {
		id      string
		attempt int
	}
)

// keep reports whether the call is to be kept, and counts it if not.
func (t *trail) keep(at *worker.Attempt, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokens = min(callBurst, t.tokens+now.Sub(t.last).Seconds()*callRate)
	t.last = now
	key := callAttempt{at.Lease.Task, at.Attempt}
	if t.shown[key] { // its end must follow
		delete(t.shown, key)
		return true
	}
	if t.tokens >= 1 {
		t.tokens--
		return true
	}
	if t.skipped == nil {
		t.skipped = make(map[skippedCall]int)
	}
	t.skipped[skippedCall{at.Root, at.Pool}]++
	return false
}

// invoke executes an attempt's handler, and notes what became of a call.
func (a *App) invoke(d *definition, at *worker.Attempt) (result []byte, err error) {
	if at.Root == "" || a.cfg.RunLog.Off {
		return d.invoke(a, at)
	}
	begun, returned := time.Now(), false
	defer func() {
		if !returned {
			err = errors.New("panic") // the worker turns it into the failure
		}
		a.noteCall(at, begun, err)
	}()
	result, err = d.invoke(a, at)
	returned = true
	return result, err
}

func (a *App) noteCall(at *worker.Attempt, begun time.Time, err error) {
	now := time.Now()
	if !a.trail.keep(at, now) {
		return
	}
	r := newCallRecord(at, begun)
	r.Ended, r.Status = now.UnixMicro(), Succeeded
	cause := context.Cause(at.Context())
	switch {
	case err == nil:
	case errors.Is(cause, ErrJobCancelled):
		r.Status = Cancelled
	default:
		r.Status, r.Error = Failed, errorText(err)
	}
	a.writeCall(at.Root, &r)
}

// errorText is an error's text, whose method may panic.
func errorText(err error) string {
	_, detail, _ := examine(err)
	if len(detail.Message) > maxCallError {
		return detail.Message[:maxCallError] + "…"
	}
	return detail.Message
}

func newCallRecord(at *worker.Attempt, begun time.Time) callRecord {
	return callRecord{
		ID: at.Lease.Task, Parent: at.Parent, Name: at.Pool, Worker: at.Lease.Slot, Attempt: at.Attempt, Status: Running,
		Created: at.Created.UnixMicro(), Started: begun.UnixMicro(),
	}
}

func (a *App) writeCall(root string, r *callRecord) {
	data, err := a.encode(a.journalPlace(root, fieldCall), r)
	if err != nil {
		a.cfg.Logger.Warn("mn: a call could not be kept for its run's tree", "id", root, "error", err)
		return
	}
	a.process.Note(root, "", backend.CallStream, data)
}

// observe reports what the workers do, until ctx is done.
func (a *App) observe(ctx context.Context) {
	tick := time.NewTicker(longCall)
	defer tick.Stop()
	reported := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		a.showLongCalls()
		a.showSkipped()
		if time.Since(reported) >= a.cfg.Timing.Heartbeat {
			reported = time.Now()
			a.process.Report(ctx)
		}
	}
}

// showLongCalls writes down the calls that have run for long and are not written down yet.
func (a *App) showLongCalls() {
	if a.cfg.RunLog.Off {
		return
	}
	now := make(map[callAttempt]bool)
	for at, begun := range a.process.Longer(longCall) {
		if at.Root == "" {
			continue
		}
		key := callAttempt{at.Lease.Task, at.Attempt}
		now[key] = true
		if !a.trail.isShown(key) {
			r := newCallRecord(at, begun)
			a.writeCall(at.Root, &r)
		}
	}
	a.trail.mu.Lock()
	defer a.trail.mu.Unlock()
	a.trail.shown = now
}

func (t *trail) isShown(key callAttempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown[key]
}

// showSkipped writes down how many calls were not kept.
func (a *App) showSkipped() {
	a.trail.mu.Lock()
	skipped := a.trail.skipped
	a.trail.skipped = nil
	a.trail.mu.Unlock()
	for s, n := range skipped {
		a.writeCall(s.root, &callRecord{Name: s.name, Skipped: n})
	}
}

// Calls reads what is kept of the calls made for a run. ErrJobDoesNotExist.
func (in *Inspector) Calls(ctx context.Context, id JobID) (CallTree, error) {
	if _, _, err := in.owner(ctx, id); err != nil {
		return CallTree{}, err
	}
	tree := CallTree{}
	at := make(map[callAttempt]int)
	req := backend.JournalRequest{Job: string(id), Stream: backend.CallStream}
	for {
		page, err := in.app.journal(ctx, req)
		if err != nil {
			return tree, err
		}
		for _, e := range page {
			req.After = e.Number
			var r callRecord
			if err := in.app.decode(in.app.journalPlace(string(id), fieldCall), e.Data, &r); err != nil {
				return tree, fmt.Errorf("mn: calls of job %s: %w", id, err)
			}
			tree.add(&r, at)
		}
		if len(page) < backend.DefaultPage {
			return tree, nil
		}
	}
}

// add adds a record; a later one of the same attempt takes the place of an earlier.
func (t *CallTree) add(r *callRecord, at map[callAttempt]int) {
	if r.Skipped > 0 {
		if t.Skipped == nil {
			t.Skipped = make(map[string]int)
		}
		t.Skipped[r.Name] += r.Skipped
		return
	}
	key := callAttempt{r.ID, r.Attempt}
	if i, ok := at[key]; ok {
		if r.Status != Running { // else its end had been written first
			t.Calls[i] = r.info()
		}
		return
	}
	at[key] = len(t.Calls)
	t.Calls = append(t.Calls, r.info())
}

// processLabel tells people which process this is.
func processLabel() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
