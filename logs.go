package mn

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/multinode/mn/backend"
)

// LogOption changes one reading of a log.
type LogOption interface{ setLog(*logOptions) }

type logOptions struct {
	after    uint64
	last     int
	noFollow bool
}

type logOption func(*logOptions)

func (o logOption) setLog(l *logOptions) { o(l) }

// LogAfter begins with the line after number n.
func LogAfter(n uint64) LogOption { return logOption(func(l *logOptions) { l.after = n }) }

// LogLast begins with the last n lines that are there.
func LogLast(n int) LogOption { return logOption(func(l *logOptions) { l.last = n }) }

// LogNoFollow ends the reading with what is there.
func LogNoFollow() LogOption { return logOption(func(l *logOptions) { l.noFollow = true }) }

const (
	// followFast and followSlow bound how often a log that is followed is read.
	followFast = 100 * time.Millisecond
	followSlow = time.Second
	// followOn is how long a log is read on after its run has ended: lines of its calls may
	// be on their way.
	followOn = 500 * time.Millisecond
)

// Logs shows the log of a run: what its handler, and those of the calls made for it, write to
// [Logger], and what worker processes print. It first shows what is kept, oldest first, and
// then follows until the run has ended, reading every second or more often. An error ends it:
// ErrJobDoesNotExist, also when the run is removed meanwhile, or ctx's.
func (a *App) Logs(ctx context.Context, id JobID, opts ...LogOption) iter.Seq2[LogEntry, error] {
	return func(yield func(LogEntry, error) bool) {
		var o logOptions
		for _, opt := range opts {
			opt.setLog(&o)
		}
		if !id.valid() {
			yield(LogEntry{}, fmt.Errorf("mn: job ID %q is not a UUID: %w", id, ErrJobDoesNotExist))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var ended <-chan struct{}
		if !o.noFollow {
			ended = a.endOf(ctx, id)
		}
		a.follow(ctx, id, o, ended, yield)
	}
}

// endOf returns a channel that is closed when the run has ended, or when nobody can tell
// any more.
func (a *App) endOf(ctx context.Context, id JobID) <-chan struct{} {
	ended := make(chan struct{})
	if !a.errands.start(func() {
		defer close(ended)
		_, _ = exchange(ctx, a, func(ctx context.Context) (*backend.Task, error) {
			return a.store.Await(ctx, string(id), backend.Until{Ended: true, Quit: a.closed})
		})
	}) {
		close(ended)
	}
	return ended
}

// follow reads page after page. ended is nil if it is to end with what is there.
func (a *App) follow(ctx context.Context, id JobID, o logOptions, ended <-chan struct{}, yield func(LogEntry, error) bool) {
	req := backend.JournalRequest{Job: string(id), Stream: backend.LogStream, After: o.after, Last: o.last}
	var until time.Time // when to stop, once the run has ended
	for wait := followFast; ; {
		page, err := a.journal(ctx, req)
		if err != nil {
			yield(LogEntry{}, err)
			return
		}
		for _, e := range page {
			if req.After = e.Number; !yield(a.logEntry(id, e)) {
				return
			}
		}
		req.Last = 0
		if len(page) == backend.DefaultPage {
			continue
		}
		if ended == nil || !until.IsZero() && time.Now().After(until) {
			return
		}
		if wait = min(wait*3/2, followSlow); len(page) > 0 || !until.IsZero() {
			wait = followFast
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-orNever(ended, !until.IsZero()):
			until = time.Now().Add(followOn)
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// orNever is a channel that is not closed if never holds.
func orNever(c <-chan struct{}, never bool) <-chan struct{} {
	if never {
		return nil
	}
	return c
}

// journal reads a page of a run's stream.
func (a *App) journal(ctx context.Context, req backend.JournalRequest) ([]backend.Entry, error) {
	page, err := exchange(ctx, a, func(ctx context.Context) ([]backend.Entry, error) {
		return a.store.Journal(ctx, req)
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctxError(ctx)
	}
	return page, outward(err, "job "+req.Job)
}

// logEntry decodes a line. One that cannot be read, for want of a key perhaps, says so.
func (a *App) logEntry(id JobID, e backend.Entry) (LogEntry, error) {
	var l logLine
	err := a.decode(a.journalPlace(string(id), fieldLog), e.Data, &l)
	if err != nil {
		l = logLine{Message: fmt.Sprintf("(this line cannot be read: %v)", err)}
	}
	return l.entry(e.Number), nil
}
