// Package redistest starts real Redis servers for tests: alone, as a cluster, or watched
// by sentinels, and puts a proxy before one that breaks connections in the ways of
// networks. All of it listens on free ports of the loopback interface and ends with the
// test.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startBound is how long a server may take to be ready.
const startBound = 20 * time.Second

// Server is a redis-server process of a test.
type Server struct {
	Port  int
	t     testing.TB
	bin   string
	args  []string
	ready string // what the server logs once it is
	cmd   *exec.Cmd
	read  sync.WaitGroup
}

// Start starts a server and returns its URL. It ends with the test. Without a
// redis-server the test is skipped, or fails if MN_REQUIRE names redis.
func Start(t testing.TB, args ...string) string { return New(t, args...).URL() }

// New starts a server, with further arguments of redis-server.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, binary(t), args)
}

// NewOther starts a server that speaks Redis' protocol: the one that MN_REDIS_BIN names, or
// valkey-server. Without either the test is skipped, or fails if MN_REQUIRE names valkey.
func NewOther(t testing.TB, args ...string) *Server {
	t.Helper()
	bin := os.Getenv("MN_REDIS_BIN")
	if bin == "" {
		bin = "valkey-server"
	}
	require(t, bin, "valkey", bin+" is not installed; set MN_REDIS_BIN to the server to test, or install valkey-server")
	return start(t, bin, args)
}

func binary(t testing.TB) string {
	t.Helper()
	require(t, "redis-server", "redis", "redis-server is not installed; on Debian: apt-get install redis-server")
	return "redis-server"
}

// require skips the test if the program is missing, or ends it if MN_REQUIRE names it.
func require(t testing.TB, bin, name, remedy string) {
	t.Helper()
	if _, err := exec.LookPath(bin); err == nil {
		return
	}
	if slices.Contains(strings.FieldsFunc(os.Getenv("MN_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' }), name) {
		t.Fatal(remedy)
	}
	t.Skip(remedy)
}

func start(t testing.TB, bin string, args []string) *Server {
	t.Helper()
	s := &Server{t: t, bin: bin, ready: "Ready to accept connections"}
	dir := t.TempDir()
	t.Cleanup(s.Kill)
	var err error
	for range 3 { // somebody else may take the port before the server does
		s.Port = FreePort(t)
		s.args = append([]string{"--port", fmt.Sprint(s.Port), "--bind", "127.0.0.1", "--save", "", "--dir", dir}, args...)
		if err = s.up(); err == nil {
			return s
		}
		s.Kill()
	}
	t.Fatal(err)
	return nil
}

// URL is the server's address.
func (s *Server) URL() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.Port) }

// Addr is its host and port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Up starts the server and waits until it accepts connections.
func (s *Server) Up() {
	s.t.Helper()
	if err := s.up(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) up() error {
	s.cmd = exec.Command(s.bin, s.args...) //nolint:gosec // a test's own server
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ready, ended := make(chan struct{}), make(chan string, 1)
	s.read.Go(func() { // to the end, because the server must not block on a full pipe
		last := ""
		lines := bufio.NewScanner(out)
		for once := ready; lines.Scan(); {
			last = lines.Text()
			if once != nil && strings.Contains(last, s.ready) {
				close(once)
				once = nil
			}
		}
		ended <- last
	})
	select {
	case <-ready:
		return nil
	case last := <-ended:
		return fmt.Errorf("%s ended before it was ready: %s", s.bin, last)
	case <-time.After(startBound):
		return fmt.Errorf("%s is not ready after %s", s.bin, startBound)
	}
}

// Kill ends the server as a crash would. Up starts it again.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		s.read.Wait()
		_ = s.cmd.Wait()
	}
	s.cmd = nil
}

// Stop halts the server, which keeps its connections open and says nothing more, until
// Continue.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue ends Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// FreePort returns a port of the loopback interface on which nobody listens now.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// within waits until a state holds, at most for bound, or ends the test.
func within(t testing.TB, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(bound), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after %s still not: %s", bound, what)
		}
	}
}
