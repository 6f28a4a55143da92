package mn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// RunLog bounds what is kept of a run's log: what its handler, and those of the calls made
// for it, write to [Logger], and what worker processes print meanwhile. When it grows beyond its
// bounds its oldest lines go.
type RunLog struct {
	// Level is the lowest level that is kept of what is logged. Default: slog.LevelInfo. What
	// is printed has no level.
	Level slog.Leveler
	// Lines is how many lines are kept. Default 1000.
	Lines int
	// Size is how many bytes all lines of a run may take. Default 256 KiB.
	Size Bytes
	// Calls is how many calls are kept for the run's call tree. Default 500.
	Calls int
	// Off keeps nothing.
	Off bool
}

// Defaults of RunLog.
const (
	DefaultLogLines = 1000
	DefaultLogSize  = 256 * KiB
	DefaultLogCalls = 500
	// callSize bounds the stored text of a call, on average.
	callSize = 512
	// maxLine bounds one line's message in bytes; what is longer is cut. It bounds the attributes
	// too, which are then left out.
	maxLine = 16 << 10
)

func (l *RunLog) setDefaults() {
	if l.Level == nil {
		l.Level = slog.LevelInfo
	}
	if l.Lines == 0 {
		l.Lines = DefaultLogLines
	}
	if l.Size == 0 {
		l.Size = DefaultLogSize
	}
	if l.Calls == 0 {
		l.Calls = DefaultLogCalls
	}
}

func (l *RunLog) check(f *faults) {
	if l.Lines < 0 || l.Lines > maxCount || l.Calls < 0 || l.Calls > maxCount {
		f.add("Config.RunLog: Lines(%d) and Calls(%d) must be from 0 to %d", l.Lines, l.Calls, maxCount)
	}
	if l.Size < 0 || l.Size > GiB {
		f.add("Config.RunLog: Size(%s) must be above 0 and at most 1 GiB", l.Size)
	}
}

func (l *RunLog) limits() map[backend.Stream]backend.Limit {
	return map[backend.Stream]backend.Limit{
		backend.LogStream:  {Entries: l.Lines, Bytes: int(l.Size)},
		backend.CallStream: {Entries: l.Calls, Bytes: l.Calls * callSize},
	}
}

// LogSource says where a line of a run's log comes from.
type LogSource string

// The sources.
const (
	FromLogger LogSource = "log" // a handler's [Logger]
	// FromOutput is what a worker process printed to stdout or stderr, but for lines that are
	// in the log as FromLogger already. Workers that are goroutines have no output of their own.
	FromOutput LogSource = "output"
)

// LogEntry is one line of a run's log.
type LogEntry struct {
	// Number counts the lines of the run from 1. Where numbers are missing, lines were
	// dropped because the log had grown beyond its bounds.
	Number  uint64          `json:"number"`
	Time    time.Time       `json:"time"` // by the worker's clock
	Level   slog.Level      `json:"level"`
	Source  LogSource       `json:"source"`
	Message string          `json:"message"`
	Attrs   json.RawMessage `json:"attrs,omitempty"` // an object
	// Task is the run's or the call's ID, Definition its definition, and Attempt its attempt.
	// Where Source is FromOutput, Definition is the worker's and the others are known only of
	// what a run's own worker printed.
	Task       string `json:"task,omitempty"`
	Definition string `json:"definition,omitempty"`
	Attempt    int    `json:"attempt,omitempty"`
	Worker     string `json:"worker,omitempty"`
}

// logLine is a LogEntry as it is stored.
type logLine struct {
	Time    int64           `json:"t"` // microseconds since 1970
	Level   int             `json:"l,omitempty"`
	Source  LogSource       `json:"s,omitempty"` // "": log
	Message string          `json:"m"`
	Attrs   json.RawMessage `json:"a,omitempty"`
	Task    string          `json:"i,omitempty"`
	Name    string          `json:"n,omitempty"`
	Attempt int             `json:"e,omitempty"`
	Worker  string          `json:"w,omitempty"`
}

func (l *logLine) entry(number uint64) LogEntry {
	e := LogEntry{
		Number: number, Time: time.UnixMicro(l.Time), Level: slog.Level(l.Level), Source: l.Source, Message: l.Message,
		Attrs: l.Attrs, Task: l.Task, Definition: l.Name, Attempt: l.Attempt, Worker: l.Worker,
	}
	if e.Source == "" {
		e.Source = FromLogger
	}
	return e
}

// root is the job whose log the attempt writes to, "" if there is none.
func root(a *worker.Attempt) string {
	if a.Kind == backend.Job {
		return a.Lease.Task
	}
	return a.Root
}

// journalPlace binds what is written to a run's streams to that run.
func (a *App) journalPlace(job, field string) Place {
	return Place{App: a.cfg.Name, Kind: backend.Job.String(), ID: job, Field: field}
}

// Fields of a Place beside those of values.
const (
	fieldLog  = "log"
	fieldCall = "call"
)

// logHandler writes records to the run's log and passes them on.
type logHandler struct {
	next    slog.Handler
	attrs   slog.Handler // writes attributes to out, as JSON
	out     *lineBuffer
	app     *App
	attempt *worker.Attempt
}

// lineBuffer takes the attributes of one record at a time.
type lineBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *lineBuffer) Write(p []byte) (int, error) { return b.buf.Write(p) }

func newLogHandler(app *App, a *worker.Attempt, next slog.Handler) *logHandler {
	out := new(lineBuffer)
	return &logHandler{next: next, app: app, attempt: a, out: out, attrs: slog.NewJSONHandler(out, &slog.HandlerOptions{
		Level: app.cfg.RunLog.Level, ReplaceAttr: attrsOnly,
	})}
}

// What the record has that is handed to logHandler.attrs: its own fields, which lines have
// fields for, are known by these values and left out.
const (
	noLevel   = slog.Level(math.MinInt32)
	noMessage = "\x00mn"
)

// attrsOnly leaves out what a line has fields for, and not attributes that are named like it.
func attrsOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.LevelKey && a.Value.Equal(slog.AnyValue(noLevel)) ||
		a.Key == slog.MessageKey && a.Value.Kind() == slog.KindString && a.Value.String() == noMessage) {
		return slog.Attr{}
	}
	return a
}

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.attrs.Enabled(ctx, l) || h.next.Enabled(ctx, l)
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.attrs.Enabled(ctx, r.Level) {
		h.keep(ctx, &r)
	}
	if h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

// keep writes a record to the run's log.
func (h *logHandler) keep(ctx context.Context, r *slog.Record) {
	a := h.attempt
	at := r.Time
	if at.IsZero() { // which handlers are to ignore
		at = time.Now()
	}
	h.app.log(root(a), "", &logLine{
		Time: at.UnixMicro(), Level: int(r.Level), Message: cut(r.Message, h.app.lineLimit()), Attrs: h.encode(ctx, r),
		Task: a.Lease.Task, Name: a.Pool, Attempt: a.Attempt, Worker: a.Lease.Slot,
	})
}

// encode writes a record's attributes as a JSON object; nil if there are none.
func (h *logHandler) encode(ctx context.Context, r *slog.Record) json.RawMessage {
	bare := slog.NewRecord(time.Time{}, noLevel, noMessage, 0)
	r.Attrs(func(a slog.Attr) bool {
		bare.AddAttrs(a)
		return true
	})
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.buf.Reset()
	if err := h.attrs.Handle(ctx, bare); err != nil {
		return nil
	}
	attrs := bytes.TrimSpace(h.out.buf.Bytes())
	switch limit := h.app.lineLimit(); {
	case len(attrs) <= len("{}"):
		return nil
	case len(attrs) > limit:
		return fmt.Appendf(nil, `{"mn.attrs":"%d bytes, which is too much for a run's log"}`, len(attrs))
	}
	return bytes.Clone(attrs)
}

// lineLimit bounds a line's message, and its attributes, in bytes: an encoded line must fit
// into a payload.
func (a *App) lineLimit() int { return min(maxLine, max(int(a.cfg.PayloadLimit)/8, 16)) }

// log adds a line to a run's log. slot is for lines whose run is known by it alone.
func (a *App) log(job, slot string, l *logLine) {
	data, err := a.encode(a.journalPlace(job, fieldLog), l)
	if err != nil {
		a.cfg.Logger.Warn("mn: a line of a run's log could not be encoded", "id", job, "error", err)
		return
	}
	a.process.Note(job, slot, backend.LogStream, data)
}

// cut shortens a text that is longer than limit bytes, and makes it valid UTF-8.
func cut(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.next, c.attrs = h.next.WithAttrs(attrs), h.attrs.WithAttrs(attrs)
	return &c
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.next, c.attrs = h.next.WithGroup(name), h.attrs.WithGroup(name)
	return &c
}
