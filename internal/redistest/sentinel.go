package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is the name under which sentinels know the servers that they watch.
const MasterName = "mn-test"

// sentinelBound is how long sentinels may take to know each other, or to fail over.
const sentinelBound = 30 * time.Second

// Sentinel is a primary and its replica, watched by three sentinels that take a server
// which is silent for a second for dead.
type Sentinel struct {
	Primary, Replica *Server
	Sentinels        []*Server
	admin            *redis.SentinelClient
	t                testing.TB
}

// NewSentinel starts all five, with further arguments for the two that hold data, and
// waits until a failover would work.
func NewSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	w := &Sentinel{t: t, Primary: New(t, args...)}
	w.Replica = New(t, append([]string{"--replicaof", fmt.Sprintf("127.0.0.1 %d", w.Primary.Port)}, args...)...)
	within(t, sentinelBound, "the replica is in step", func() bool {
		info, err := NewAdmin(t, w.Replica.Addr()).Info(context.Background(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	for range 3 {
		w.Sentinels = append(w.Sentinels, startSentinel(t, w.Primary.Port))
	}
	w.admin = redis.NewSentinelClient(&redis.Options{Addr: w.Sentinels[0].Addr()})
	t.Cleanup(func() { _ = w.admin.Close() })
	for _, s := range w.Sentinels {
		c := redis.NewSentinelClient(&redis.Options{Addr: s.Addr()})
		within(t, sentinelBound, "a sentinel knows the others and the replica", func() bool {
			others, err := c.Sentinels(context.Background(), MasterName).Result()
			replicas, err2 := c.Replicas(context.Background(), MasterName).Result()
			return err == nil && err2 == nil && len(others) == 2 && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
		})
		_ = c.Close()
	}
	return w
}

func startSentinel(t testing.TB, primary int) *Server {
	t.Helper()
	s := &Server{t: t, bin: binary(t), ready: "Sentinel ID is", Port: FreePort(t)}
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %[4]d 2
sentinel down-after-milliseconds %[3]s 1000
sentinel failover-timeout %[3]s 6000
`, s.Port, dir, MasterName, primary)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{conf, "--sentinel"}
	t.Cleanup(s.Kill)
	s.Up()
	return s
}

// Addrs are the sentinels' hosts and ports.
func (w *Sentinel) Addrs() []string {
	addrs := make([]string, len(w.Sentinels))
	for i, s := range w.Sentinels {
		addrs[i] = s.Addr()
	}
	return addrs
}

// AwaitFailover waits until the sentinels have made the replica the primary.
func (w *Sentinel) AwaitFailover() {
	w.t.Helper()
	within(w.t, sentinelBound, "the replica is the primary", func() bool {
		addr, err := w.admin.GetMasterAddrByName(context.Background(), MasterName).Result()
		return err == nil && len(addr) == 2 && addr[1] == fmt.Sprint(w.Replica.Port)
	})
}
