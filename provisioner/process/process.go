// Package process runs workers as child processes of this program: a real deployment
// on one machine, where a worker can crash, be killed, or use all of its memory without
// taking others with it.
//
// A worker is this very program, started again with the variable MN_WORKER set, in which
// mn.App.Run serves one worker slot instead of running the program's main. The program
// must therefore use Run, and a backend that processes share.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/multinode/mn/provisioner"
)

// Provisioner launches child processes. Create it with New.
type Provisioner struct {
	path   string
	args   []string
	env    []string
	output io.Writer
	marks  marks // in a worker process

	mu       sync.Mutex
	host     provisioner.Host
	closed   bool
	children map[string]*child // by worker ID
	running  sync.WaitGroup
}

// child is one worker process.
type child struct {
	cmd    *exec.Cmd
	killed bool
	output *stream
}

// Option changes how a Provisioner works.
type Option func(*Provisioner)

// Command is what is run instead of this program with its own arguments.
func Command(path string, args ...string) Option {
	return func(p *Provisioner) { p.path, p.args = path, args }
}

// Env adds variables, as "KEY=value", to those of this process.
func Env(vars ...string) Option {
	return func(p *Provisioner) { p.env = append(p.env, vars...) }
}

// Output gets what all workers write to stdout and stderr. Default: os.Stderr. It goes to the logs
// of the runs that printed it as well, within bounds, see mn.App.Logs; and the last line of a
// worker that fails is in the failure's text.
func Output(w io.Writer) Option {
	return func(p *Provisioner) { p.output = &synced{w: w} }
}

// New returns a provisioner for one app.
func New(opts ...Option) *Provisioner {
	p := &Provisioner{args: os.Args[1:], output: &synced{w: os.Stderr}, children: make(map[string]*child)}
	for _, o := range opts {
		o(p)
	}
	return p
}

var (
	_ provisioner.Provisioner = (*Provisioner)(nil)
	_ provisioner.Guest       = (*Provisioner)(nil)
)

// OutOfProcess tells that its workers do not share this process's memory.
func (p *Provisioner) OutOfProcess() {}

// Open implements [provisioner.Provisioner].
func (p *Provisioner) Open(_ string, host provisioner.Host) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != nil {
		return errors.New("process: the provisioner serves another app already; give each app its own")
	}
	if p.path == "" {
		path, err := os.Executable()
		if err != nil {
			return fmt.Errorf("process: this program's path is unknown, name one with process.Command: %w", err)
		}
		p.path = path
	}
	p.host = host
	return nil
}

// Launch implements [provisioner.Provisioner].
func (p *Provisioner) Launch(w provisioner.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.children[w.ID] != nil {
		return
	}
	host := p.host
	c := &child{output: newStream(p.output, func(o provisioner.Output) { host.Output(w, o) })}
	c.cmd = exec.Command(p.path, p.args...) //nolint:gosec // the program's own choice
	c.cmd.Env = append(append(os.Environ(), p.env...), provisioner.WorkerEnv(w), c.output.variable())
	// A group of its own, so that a Ctrl-C in the terminal reaches this process, which
	// drains its workers, and not them as well.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.children[w.ID] = c
	p.running.Go(func() { p.watch(w, c) })
}

// errUnwanted is why a worker was not started after all.
var errUnwanted = errors.New("the app that launched it is shutting down, or has killed it before")

// watch starts a worker and sees it end.
func (p *Provisioner) watch(w provisioner.Worker, c *child) {
	p.mu.Lock()
	began := time.Now()
	err := errUnwanted
	if !p.closed && !c.killed { // whoever signals it from now on finds its process
		err = c.start()
	}
	host := p.host
	p.mu.Unlock()
	refused := err != nil
	if err == nil {
		err = c.wait()
	}
	p.mu.Lock()
	delete(p.children, w.ID)
	p.mu.Unlock()
	if err == nil {
		return // it ended by itself
	}
	note := "worker process could not be started: " + err.Error()
	switch {
	case errors.Is(err, errUnwanted):
		refused = false // it says nothing of the program
	case !refused:
		note = c.obituary()
		refused = c.cmd.ProcessState.ExitCode() == provisioner.ExitRefused
	}
	host.Exited(w, provisioner.Exit{Note: note, Refused: refused, Lived: time.Since(began)})
}

// start starts the process with one pipe for all that it writes. It is there under a number of its
// own too, so that whatever the process does with its stdout, it can say what it executes.
func (c *child) start() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer write.Close()
	c.cmd.Stdout, c.cmd.Stderr = write, write
	c.cmd.ExtraFiles = []*os.File{write}
	if err := c.cmd.Start(); err != nil {
		read.Close()
		return err
	}
	c.output.follow(read)
	return nil
}

// wait waits for the process's end, and for the end of its output.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.output.end()
	return err
}

// obituary words how a worker ended.
func (c *child) obituary() string {
	state := c.cmd.ProcessState
	how := fmt.Sprintf("worker process ended with exit code %d", state.ExitCode())
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		how = fmt.Sprintf("worker process was ended by signal %d (%s)", ws.Signal(), ws.Signal())
	}
	if last := c.output.last(); last != "" {
		how += ": " + last
	}
	return how
}

// Kill implements [provisioner.Provisioner]: with SIGKILL.
func (p *Provisioner) Kill(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.children[id]
	if c == nil {
		return
	}
	c.killed = true
	if c.cmd.Process != nil {
		_ = c.cmd.Process.Kill() // it may just have ended
	}
}

func (p *Provisioner) signalAll(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.children {
		if c.cmd.Process != nil {
			_ = c.cmd.Process.Signal(sig)
		}
	}
}

// Close implements [provisioner.Provisioner]: workers get SIGTERM, on which they drain,
// and SIGKILL when ctx is done.
func (p *Provisioner) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.signalAll(syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		p.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	p.signalAll(syscall.SIGKILL)
	<-done
	return fmt.Errorf("process: workers had to be killed: %w", ctx.Err())
}

// synced lets many workers write to one writer.
type synced struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *synced) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}
