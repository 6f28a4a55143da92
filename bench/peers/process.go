package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// guardScript runs a server until the server ends, or until its own input does, which is
// when this program closes it or is gone, however it went. Then it stops the server.
// In the end it removes the server's folder. Nobody may read what the shell then says of
// the end, which must not kill it.
//
//	$1 folder, $2 signal that stops the server, $3... the server
const guardScript = `
dir=$1 signal=$2
shift 2
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
trap '' PIPE
( read -r _ <&3; kill -s "$signal" "$server" ) 2>/dev/null &
reader=$!
wait "$server"
kill "$reader" 2>/dev/null
rm -rf "$dir"
`

// process is a server that was started here.
type process struct {
	pid   int // of the guard, the server's parent
	stdin io.Closer
	ended chan struct{} // closed when the server and its guard are gone
	log   tail
}

// startProcess runs a server that is stopped by a signal of the given name, and its
// folder removed, when the process is closed or this program ends. As is the user that
// it runs as, nil for this program's.
func startProcess(dir, signal string, as *syscall.Credential, server ...string) (*process, error) {
	p := &process{ended: make(chan struct{})}
	guard := exec.Command("sh", append([]string{"-c", guardScript, "guard", dir, signal}, server...)...) //nolint:gosec // what is run is written in this program
	// A group of its own: an interrupt from the terminal must reach this program alone,
	// or the engines would lose their server before they are closed.
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	guard.Dir = dir
	guard.Stdout, guard.Stderr = &p.log, &p.log
	var err error
	if p.stdin, err = guard.StdinPipe(); err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", server[0], err)
	}
	p.pid = guard.Process.Pid
	go func() {
		defer close(p.ended)
		_ = guard.Wait() // how a server ends that was told to says nothing
	}()
	return p, nil
}

// close stops the server and waits for its end.
func (p *process) close() error {
	select {
	case <-p.ended:
		return fmt.Errorf("a server had ended by itself; its last words: %s", p.log.String())
	default:
	}
	err := p.stdin.Close()
	<-p.ended
	return err
}

// tail keeps the end of what a server writes.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-2000):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// freePort returns a port of the loopback interface that nobody uses at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// folder makes a temporary folder that belongs to the user that a server runs as.
func folder(as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", "mn-peers-")
	if err != nil || as == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(as.Uid), int(as.Gid))
}
