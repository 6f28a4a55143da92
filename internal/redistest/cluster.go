package redistest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// slots is how many hash slots a cluster has.
const slots = 16384

// clusterBound is how long nodes may take to agree.
const clusterBound = 30 * time.Second

// Cluster is a Redis Cluster of three primaries without replicas.
type Cluster struct {
	Nodes  []*Server
	admins []*redis.Client
	ids    []string
	t      testing.TB
}

// NewCluster starts a cluster and waits until every node says that it is in order.
func NewCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	const size = 3
	c := &Cluster{t: t}
	for i := range size {
		bus := FreePort(t)
		s := New(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus), "--cluster-node-timeout", "5000",
			"--cluster-config-file", "nodes.conf",
		}, args...)...)
		c.Nodes = append(c.Nodes, s)
		c.admins = append(c.admins, NewAdmin(t, s.Addr()))
		first, last := i*slots/size, (i+1)*slots/size-1
		c.do(i, "CLUSTER", "ADDSLOTSRANGE", first, last)
		c.do(i, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		c.ids = append(c.ids, c.do(i, "CLUSTER", "MYID").(string))
		if i > 0 {
			c.do(0, "CLUSTER", "MEET", "127.0.0.1", s.Port, bus)
		}
	}
	within(t, clusterBound, "cluster_state:ok on every node", func() bool {
		for i := range c.Nodes {
			info := c.do(i, "CLUSTER", "INFO").(string)
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", size)) ||
				!strings.Contains(info, fmt.Sprintf("cluster_slots_assigned:%d", slots)) {
				return false
			}
		}
		return true
	})
	return c
}

// Addrs are the nodes' hosts and ports.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, s := range c.Nodes {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Admin is a client of one node alone.
func (c *Cluster) Admin(node int) *redis.Client { return c.admins[node] }

// Slot is the hash slot of a key.
func (c *Cluster) Slot(key string) int64 {
	c.t.Helper()
	return c.do(0, "CLUSTER", "KEYSLOT", key).(int64)
}

// Owner is the node that serves a key.
func (c *Cluster) Owner(key string) int {
	c.t.Helper()
	slot := c.Slot(key)
	for i := range c.Nodes {
		shards, err := c.admins[i].ClusterShards(context.Background()).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, s := range shards {
			serves := func(r redis.SlotRange) bool { return r.Start <= slot && slot <= r.End }
			if slices.ContainsFunc(s.Slots, serves) && s.Nodes[0].ID == c.ids[i] {
				return i
			}
		}
	}
	c.t.Fatalf("nobody serves slot %d", slot)
	return 0
}

// Begin marks a slot as moving from one node to another. From then on commands for keys
// that are not at from any more are sent to the other by from.
func (c *Cluster) Begin(slot int64, from, to int) {
	c.t.Helper()
	c.do(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from])
	c.do(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to])
}

// Move moves at most n keys of a slot that is marked, and returns how many it moved.
func (c *Cluster) Move(slot int64, from, to, n int) int {
	c.t.Helper()
	keys := c.do(from, "CLUSTER", "GETKEYSINSLOT", slot, n).([]any)
	if len(keys) > 0 {
		args := append([]any{"MIGRATE", "127.0.0.1", c.Nodes[to].Port, "", 0, 5000, "KEYS"}, keys...)
		c.do(from, args...)
	}
	return len(keys)
}

// End gives a slot whose keys have moved to its new node.
func (c *Cluster) End(slot int64, from, to int) {
	c.t.Helper()
	c.do(to, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
	c.do(from, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
}

func (c *Cluster) do(node int, args ...any) any {
	c.t.Helper()
	v, err := c.admins[node].Do(context.Background(), args...).Result()
	if err != nil {
		c.t.Fatalf("node %d: %v: %v", node, args, err)
	}
	return v
}

// NewAdmin returns a client of one server, which is closed with the test.
func NewAdmin(t testing.TB, addr string) *redis.Client {
	c := redis.NewClient(&redis.Options{
		Addr: addr, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}
