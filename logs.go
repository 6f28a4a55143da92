package mn

import (
	"context"
	"errors"
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
	// followOn is how long a log is read on after its run has ended, and after each line that
	// came since, but not for longer than followAtMost: lines of its calls, and what its worker
	// has printed, may be on their way.
	followOn     = 500 * time.Millisecond
	followAtMost = 5 * time.Second
)

// Logs shows the log of a run: what its handler, and those of the calls made for it, write to
// [Logger], and what worker processes print meanwhile (LogEntry.Source tells). It first shows what
// is kept, oldest first, and then follows until the run has ended, reading every second or more
// often. An error ends it: ErrJobDoesNotExist, also when the run is removed meanwhile,
// ErrAppClosed, or ctx's.
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
		var ended <-chan error
		if !o.noFollow {
			ended = a.endOf(ctx, id)
		}
		a.follow(ctx, id, o, ended, yield)
	}
}

// endOf returns a channel that gets nil when the run has ended, or why nobody can tell any more.
func (a *App) endOf(ctx context.Context, id JobID) <-chan error {
	ended := make(chan error, 1)
	if !a.errands.start(func() { ended <- a.awaitEnd(ctx, id) }) {
		ended <- ErrAppClosed
	}
	return ended
}

func (a *App) awaitEnd(ctx context.Context, id JobID) error {
	_, err := exchange(ctx, a, func(ctx context.Context) (*backend.Task, error) {
		return a.store.Await(ctx, string(id), backend.Until{Ended: true, Quit: a.closed})
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctxError(ctx)
	case errors.Is(err, backend.ErrQuit):
		return ErrAppClosed
	}
	return outward(err, "job "+string(id))
}

// follow reads page after page. ended is nil if it is to end with what is there.
func (a *App) follow(ctx context.Context, id JobID, o logOptions, ended <-chan error, yield func(LogEntry, error) bool) {
	req := backend.JournalRequest{Job: string(id), Stream: backend.LogStream, After: o.after, Last: o.last}
	rhythm := &logRhythm{ended: ended, over: ended == nil, wait: followFast}
	for {
		page, err := a.journal(ctx, req)
		if err != nil {
			yield(LogEntry{}, err)
			return
		}
		for _, e := range page {
			if req.After = e.Number; !yield(a.logEntry(id, e), nil) {
				return
			}
		}
		req.Last = 0
		if len(page) == backend.DefaultPage {
			continue
		}
		if rhythm.done(len(page) > 0) {
			return
		}
		if err := rhythm.pause(ctx); err != nil {
			yield(LogEntry{}, err)
			return
		}
	}
}

// logRhythm is how often a log is read, and until when.
type logRhythm struct {
	ended <-chan error
	over  bool      // the run has ended, or its end does not matter
	until time.Time // reading goes on, after the run's end
	last  time.Time // for how long that may be put off
	wait  time.Duration
}

// done reports whether all has been read. some: there was something new.
func (r *logRhythm) done(some bool) bool {
	now := time.Now()
	if r.over && !now.Before(r.until) {
		return true
	}
	if r.wait = min(r.wait*3/2, followSlow); some || r.over {
		r.wait = followFast
	}
	if r.over && some && now.Before(r.last) {
		r.until = now.Add(followOn) // more may follow
	}
	return false
}

// pause waits until the log is to be read again. It returns why nobody can tell of the run's end.
func (r *logRhythm) pause(ctx context.Context) error {
	timer := time.NewTimer(r.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case err := <-r.ended:
		now := time.Now()
		r.ended, r.over = nil, true
		r.until, r.last = now.Add(followOn), now.Add(followAtMost)
		return err
	case <-ctx.Done():
		return ctxError(ctx)
	}
	return nil
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
func (a *App) logEntry(id JobID, e backend.Entry) LogEntry {
	var l logLine
	err := a.decode(a.journalPlace(string(id), fieldLog), e.Data, &l)
	if err != nil && a.decode(a.journalPlace("", fieldLog), e.Data, &l) == nil {
		err = nil // who wrote it knew the worker and not the run
	}
	if err != nil {
		l = logLine{Message: fmt.Sprintf("(this line cannot be read: %v)", err)}
	}
	return l.entry(e.Number)
}
