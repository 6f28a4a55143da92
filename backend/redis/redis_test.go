package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/backendtest"
	"github.com/multinode/mn/backend/redis"
)

// startRedis starts a redis-server on a free port, or skips the test.
func startRedis(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if strings.Contains(os.Getenv("MN_REQUIRE"), "redis") {
			t.Fatal("redis-server is not installed: apt-get install redis-server")
		}
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	cmd := exec.Command(path, append([]string{
		"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(),
	}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ready := bufio.NewScanner(out)
	for ready.Scan() {
		if strings.Contains(ready.Text(), "Ready to accept connections") {
			go func() { // the server must not block on a full pipe
				for ready.Scan() {
				}
			}()
			return fmt.Sprintf("redis://127.0.0.1:%d/0", port)
		}
	}
	t.Fatal("redis-server ended before it was ready")
	return ""
}

func open(t *testing.T, url string) backend.Backend {
	t.Helper()
	b, err := redis.Open(t.Context(), url, redis.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestConformanceOnMiniredis(t *testing.T) {
	server := miniredis.RunT(t)
	backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t, "redis://"+server.Addr()) })
}

func TestConformanceOnRedis(t *testing.T) {
	url := startRedis(t)
	backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t, url) })
}
