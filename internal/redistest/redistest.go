// Package redistest starts real Redis servers for tests.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a redis-server process of a test.
type Server struct {
	Port int
	t    testing.TB
	args []string
	cmd  *exec.Cmd
	read sync.WaitGroup
}

// Start starts a server and returns its URL. It ends with the test. Without a
// redis-server the test is skipped, or fails if MN_REQUIRE names redis.
func Start(t testing.TB, args ...string) string { return New(t, args...).URL() }

// New starts a server, with further arguments of redis-server.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const remedy = "redis-server is not installed; on Debian: apt-get install redis-server"
		if strings.Contains(os.Getenv("MN_REQUIRE"), "redis") {
			t.Fatal(remedy)
		}
		t.Skip(remedy)
	}
	s := &Server{Port: FreePort(t), t: t}
	s.args = append([]string{
		"--port", fmt.Sprint(s.Port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(),
	}, args...)
	s.Up()
	t.Cleanup(s.Kill)
	return s
}

// URL is the server's address.
func (s *Server) URL() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.Port) }

// Addr is its host and port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Up starts the server and waits until it accepts connections.
func (s *Server) Up() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...) //nolint:gosec // a test's own server
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready := make(chan struct{})
	s.read.Go(func() { // to the end, because the server must not block on a full pipe
		lines := bufio.NewScanner(out)
		for once := ready; lines.Scan(); {
			if once != nil && strings.Contains(lines.Text(), "Ready to accept connections") {
				close(once)
				once = nil
			}
		}
	})
	select {
	case <-ready:
	case <-time.After(20 * time.Second):
		s.t.Fatal("redis-server is not ready after 20 s")
	}
}

// Kill ends the server as a crash would. Up starts it again.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		s.read.Wait()
		_ = s.cmd.Wait()
		s.cmd = nil
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
