package nomad

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/multinode/mn/provisioner"
)

// A worker reads what it has printed from its allocation's log files, where Nomad puts it within
// flushTime, and hands it over itself: no other process of the app has the right to follow
// it, or the time. So it reaches the log of its run while the run goes on. What belongs to which
// run is known to within followEvery; a job's worker executes one run alone.
const (
	// flushTime is how often Nomad writes what a task has printed to its file: 100 ms, and some time
	// for a busy machine.
	flushTime = 200 * time.Millisecond
	// followEvery is how often the files are read.
	followEvery = 500 * time.Millisecond
	// lastBound is how long the last lines of a worker that goes on printing are awaited.
	lastBound = time.Second
	// readAtOnce bounds what is read of a file at once; what is before the last so many bytes is
	// left out.
	readAtOnce = 256 << 10
	// longLine is how long a line may be before it is handed on without its end.
	longLine = 16 << 10
)

// ownOutput is what this process, a worker, has printed.
type ownOutput struct {
	hand func(provisioner.Output)
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	files []*ownFile // of stdout and stderr
	begun bool
	now   provisioner.Execution
}

// ownFile is one of its logs, which Nomad rotates: name.0, name.1, …
type ownFile struct {
	name   string
	number int
	offset int64
	line   []byte // the begin of a line
}

// Enter implements [provisioner.Guest].
func (p *Provisioner) Enter(_ provisioner.Worker, output func(provisioner.Output)) {
	dir, task := os.Getenv("NOMAD_ALLOC_DIR"), os.Getenv("NOMAD_TASK_NAME")
	if dir == "" || task == "" {
		return
	}
	own := &ownOutput{hand: output, stop: make(chan struct{}), done: make(chan struct{})}
	for _, kind := range []string{"stdout", "stderr"} {
		own.files = append(own.files, &ownFile{name: filepath.Join(dir, "logs", task+"."+kind)})
	}
	p.mu.Lock()
	p.own = own
	p.mu.Unlock()
	go own.follow()
}

// Execute implements [provisioner.Guest].
func (p *Provisioner) Execute(e provisioner.Execution) {
	if own := p.ownOutput(); own != nil {
		own.execute(e)
	}
}

// Leave implements [provisioner.Guest]. It waits until Nomad has written what was printed last.
func (p *Provisioner) Leave() {
	if own := p.ownOutput(); own != nil {
		own.end()
	}
}

func (p *Provisioner) ownOutput() *ownOutput {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.own
}

func (o *ownOutput) follow() {
	defer close(o.done)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			o.read()
		case <-o.stop:
			return
		}
	}
}

func (o *ownOutput) execute(e provisioner.Execution) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun && e.Job != o.now.Job {
		o.readNow()
	}
	o.begun, o.now = true, e
}

// end reads until nothing has come for as long as Nomad may take to write it.
func (o *ownOutput) end() {
	close(o.stop)
	<-o.done
	began, quiet := time.Now(), time.Now()
	tick := time.NewTicker(flushTime / 5)
	defer tick.Stop()
	for time.Since(quiet) < flushTime && time.Since(began) < lastBound {
		<-tick.C
		if o.read() {
			quiet = time.Now()
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.files {
		o.give(f.line)
	}
}

// read hands over what is new and reports whether there was anything.
func (o *ownOutput) read() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.readNow()
}

// readNow is read for who holds mu. What comes before the first execution waits for it.
func (o *ownOutput) readNow() (some bool) {
	for _, f := range o.files {
		for o.begun {
			text, left := f.read()
			if left > 0 {
				o.give(fmt.Appendf(nil, "(%d bytes left out)\n", left))
			}
			if len(text) == 0 {
				break
			}
			some = true
			o.give(text)
		}
	}
	return some
}

// give hands lines over, unless they belong to no run. The caller holds mu.
func (o *ownOutput) give(text []byte) {
	if len(text) > 0 && o.now.Job != "" {
		o.hand(provisioner.Output{Execution: o.now, Text: string(text)})
	}
}

// read reads the lines that are new, and says how much before them it has left out. A file that cannot be
// read has none: it may come yet.
func (f *ownFile) read() (lines []byte, left int64) {
	text, left := f.readFile()
	if len(text) == 0 {
		if _, err := os.Stat(f.path(f.number + 1)); err != nil {
			return nil, left
		}
		f.number++
		f.offset = 0
		if text, left = f.readFile(); len(text) == 0 {
			return nil, left
		}
	}
	f.line = append(f.line, text...)
	end := bytes.LastIndexByte(f.line, '\n') + 1
	if end == 0 && len(f.line) > longLine {
		end = len(f.line)
	}
	lines = bytes.Clone(f.line[:end])
	f.line = append(f.line[:0], f.line[end:]...)
	return lines, left
}

func (f *ownFile) path(number int) string { return fmt.Sprintf("%s.%d", f.name, number) }

// readFile reads what is new in the present file.
func (f *ownFile) readFile() (text []byte, left int64) {
	file, err := os.Open(f.path(f.number))
	if err != nil {
		return nil, 0
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0
	}
	if excess := info.Size() - f.offset - readAtOnce; excess > 0 {
		left = excess
		f.offset += excess
	}
	text = make([]byte, max(0, min(info.Size()-f.offset, readAtOnce)))
	n, err := file.ReadAt(text, f.offset)
	if err != nil && err != io.EOF { //nolint:errorlint // ReadAt returns it as it is
		return nil, left
	}
	f.offset += int64(n)
	return text[:n], left
}
