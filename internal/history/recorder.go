package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Now reads CLOCK_MONOTONIC, in nanoseconds: the one clock that all processes of a machine
// share and that never goes back.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("history: the machine has no monotonic clock: " + err.Error())
	}
	return ts.Nano()
}

// Recorder writes a process's operations to a file of its own: each as it is called and
// again when it returns, so that what a killed process was doing is known. Its methods may
// be called concurrently.
type Recorder struct {
	process string

	mu   sync.Mutex
	file *os.File
	last int64
}

const suffix = ".history"

// NewRecorder makes the file of a process, whose name must be unique in dir.
func NewRecorder(dir, process string) (*Recorder, error) {
	f, err := os.OpenFile(filepath.Join(dir, process+suffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return &Recorder{process: process, file: f}, nil
}

// Close closes the file.
func (r *Recorder) Close() error { return r.file.Close() }

// Pending is an operation that was called and has not returned.
type Pending struct {
	Op Op
	r  *Recorder
}

// Begin records that an operation is called, now.
func (r *Recorder) Begin(op Op) *Pending {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name(&op)
	op.Call = Now()
	r.write(&op)
	return &Pending{Op: op, r: r}
}

func (r *Recorder) name(op *Op) {
	r.last++
	op.Number = r.last
	op.Process = strings.TrimSuffix(r.process+"/"+op.Process, "/")
}

// End records that the operation has returned, now, with what Op then says.
func (p *Pending) End(outcome Outcome) {
	p.Op.Return, p.Op.Outcome = Now(), outcome
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	p.r.write(&p.Op)
}

// Note records an instant, or an operation whose times are known.
func (r *Recorder) Note(op Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name(&op)
	if op.Call == 0 {
		op.Call = Now()
	}
	if op.Return == 0 {
		op.Return = op.Call
	}
	r.write(&op)
}

// write hands one line to the kernel, which keeps it whatever becomes of the process.
func (r *Recorder) write(op *Op) {
	line, err := json.Marshal(op)
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic("history: cannot record: " + err.Error()) // a history with gaps proves nothing
	}
}

// Read reads the operations of all processes, in the order of their calls. Those without a
// return get Never and Unknown.
func Read(dir string) ([]Op, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, err
	}
	var all []Op
	for _, name := range names {
		ops, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("history: %s: %w", name, err)
		}
		all = append(all, ops...)
	}
	slices.SortStableFunc(all, func(a, b Op) int { return int(min(max(a.Call-b.Call, -1), 1)) })
	return all, nil
}

func readFile(name string) ([]Op, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	byNumber := make(map[int64]int)
	var ops []Op
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var op Op
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		i, known := byNumber[op.Number]
		if !known {
			i = len(ops)
			byNumber[op.Number] = i
			ops = append(ops, op)
		}
		ops[i] = op
	}
	for i := range ops {
		if ops[i].Return == 0 {
			ops[i].Return, ops[i].Outcome = Never, Unknown
		}
	}
	return ops, lines.Err()
}
