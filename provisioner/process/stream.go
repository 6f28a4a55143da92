package process

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/multinode/mn/provisioner"
)

// A worker process writes to one pipe: its stdout, its stderr, and marks that tell what it
// executes. A mark is written at once, so what comes before it was printed before, and after it
// after, without a doubt:
//
//	NUL "mn" SPACE token SPACE job SPACE attempt LF
//
// Nobody but the process itself knows the token. Marks are taken out before anybody sees them.
const (
	// outputVariable tells the process where to write marks, and the token: "3 TOKEN".
	outputVariable = "MN_OUTPUT"
	// markFile is the number of the pipe: that of exec.Cmd's first extra file.
	markFile = 3
)

const (
	// tailSize is how much of a worker's output is kept for the text of its failure.
	tailSize = 2048
	// longLine is how long a line may be before it is handed on without its end.
	longLine = 16 << 10
	// earlySize bounds what is held of a worker's output before it has begun anything.
	earlySize = 16 << 10
	// endBound is how long the output's end is awaited after the process's: what the process has
	// started itself may hold the pipe open.
	endBound = time.Second
)

// stream is one worker's output.
type stream struct {
	to    io.Writer // gets all of it
	hand  func(provisioner.Output)
	token string
	pipe  *os.File
	done  chan struct{} // closed when the pipe's end has come

	// What follows belongs to the goroutine that reads, until done.
	mark  []byte // how marks begin
	rest  []byte // what may be the begin of a mark
	line  []byte // the begin of a line
	early []byte // lines from before the first mark
	begun bool   // there was a mark
	now   provisioner.Execution
	tail  []byte
}

func newStream(to io.Writer, hand func(provisioner.Output)) *stream {
	s := &stream{to: to, hand: hand, token: rand.Text(), done: make(chan struct{})}
	s.mark = []byte("\x00mn " + s.token + " ")
	return s
}

// variable is the environment variable for the process, as "KEY=value".
func (s *stream) variable() string { return fmt.Sprintf("%s=%d %s", outputVariable, markFile, s.token) }

// follow reads the pipe to its end.
func (s *stream) follow(pipe *os.File) {
	s.pipe = pipe
	go func() {
		defer close(s.done)
		buf := make([]byte, 32<<10)
		for {
			n, err := pipe.Read(buf)
			s.read(buf[:n])
			if err != nil {
				s.finish()
				return
			}
		}
	}()
}

// end waits until everything that the process has written is handed on.
func (s *stream) end() {
	_ = s.pipe.SetReadDeadline(time.Now().Add(endBound))
	<-s.done
	_ = s.pipe.Close()
}

// read tells marks and text apart.
func (s *stream) read(b []byte) {
	if len(s.rest) > 0 {
		b = append(s.rest, b...)
		s.rest = nil
	}
	for len(b) > 0 {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			s.text(b)
			return
		}
		s.text(b[:i])
		b = b[i:]
		switch end := bytes.IndexByte(b, '\n'); {
		case len(b) < len(s.mark) && bytes.HasPrefix(s.mark, b), bytes.HasPrefix(b, s.mark) && end < 0:
			s.rest = bytes.Clone(b) // the rest of the mark is to come
			return
		case bytes.HasPrefix(b, s.mark):
			s.execute(string(b[len(s.mark):end]))
			b = b[end+1:]
		default: // a zero byte like any other
			s.text(b[:1])
			b = b[1:]
		}
	}
}

// execute takes in a mark.
func (s *stream) execute(what string) {
	s.flush()
	job, attempt, _ := strings.Cut(what, " ")
	n, _ := strconv.Atoi(attempt)
	s.now = provisioner.Execution{Job: job, Attempt: n}
	if !s.begun {
		s.begun = true
		s.give(s.early)
		s.early = nil
	}
}

// text takes in what the process has printed.
func (s *stream) text(b []byte) {
	if len(b) == 0 {
		return
	}
	_, _ = s.to.Write(b) // a writer that fails must not end the worker
	s.tail = appendTail(s.tail, b, tailSize)
	s.line = append(s.line, b...)
	if end := bytes.LastIndexByte(s.line, '\n') + 1; end > 0 {
		s.hands(s.line[:end])
		s.line = append(s.line[:0], s.line[end:]...)
	}
	if len(s.line) > longLine {
		s.flush()
	}
}

// flush hands on a line without its end.
func (s *stream) flush() {
	if len(s.line) > 0 {
		s.hands(s.line)
		s.line = s.line[:0]
	}
}

// hands hands lines on, or holds them if it is not known yet for what.
func (s *stream) hands(lines []byte) {
	if s.begun {
		s.give(lines)
		return
	}
	s.early = appendTail(s.early, lines, earlySize)
}

// give gives lines to the host, unless they belong to no run.
func (s *stream) give(lines []byte) {
	if len(lines) > 0 && (s.now.Job != "" || !s.begun) {
		s.hand(provisioner.Output{Execution: s.now, Text: string(lines)})
	}
}

// finish hands on what is left at the end.
func (s *stream) finish() {
	s.text(s.rest) // no mark after all
	s.rest = nil
	s.flush()
	s.give(s.early)
	s.early = nil
}

// appendTail is append that keeps the last limit bytes.
func appendTail(to, b []byte, limit int) []byte {
	to = append(to, b...)
	if excess := len(to) - limit; excess > 0 {
		to = append(to[:0], to[excess:]...)
	}
	return to
}

// last returns the last line that says something, once the output has ended.
func (s *stream) last() string {
	lines := strings.Split(strings.TrimSpace(string(s.tail)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
