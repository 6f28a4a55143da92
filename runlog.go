package mn

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/worker"
)

// RunLog bounds what is kept of a run's log: what its handler, and those of the calls made
// for it, write to [Logger]. When it grows beyond its bounds its oldest lines go.
type RunLog struct {
	// Level is the lowest level that is kept. Default: slog.LevelInfo.
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
	// maxLine bounds one line's message and attributes; what is longer is cut.
	maxLine = 16 * KiB
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
	FromLogger LogSource = "log"    // a handler's [Logger]
	FromOutput LogSource = "output" // what a worker process printed
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
	// Task is the run's or the call's ID, Definition its definition; "" where Source is
	// FromOutput.
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

// attrsOnly leaves out what a line has fields for.
func attrsOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
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
		h.keep(ctx, r)
	}
	if h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

// keep writes a record to the run's log.
func (h *logHandler) keep(ctx context.Context, r slog.Record) {
	a := h.attempt
	l := logLine{
		Time: r.Time.UnixMicro(), Level: int(r.Level), Message: cut(r.Message), Task: a.Lease.Task, Name: a.Pool,
		Attempt: a.Attempt, Worker: a.Lease.Slot,
	}
	h.out.mu.Lock()
	h.out.buf.Reset()
	if h.attrs.Handle(ctx, r) == nil {
		if attrs := bytes.TrimSpace(h.out.buf.Bytes()); len(attrs) > len("{}") && len(attrs) <= int(maxLine) {
			l.Attrs = bytes.Clone(attrs)
		}
	}
	h.out.mu.Unlock()
	h.app.log(root(a), "", &l)
}

// log adds a line to a run's log. slot is for lines whose run is known by it alone.
func (a *App) log(job, slot string, l *logLine) {
	data, err := a.encode(a.journalPlace(job, fieldLog), l)
	if err != nil {
		a.cfg.Logger.Warn("mn: a line of a run's log could not be encoded", "id", job, "error", err)
		return
	}
	a.process.Note(job, slot, backend.LogStream, data)
}

func cut(text string) string {
	if len(text) > int(maxLine) {
		return text[:maxLine] + "…"
	}
	return text
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
