package redis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/backendtest"
	"github.com/multinode/mn/internal/redistest"
)

// clusterClient finds the nodes from those at the addresses.
func clusterClient(t *testing.T, addrs ...string) goredis.UniversalClient {
	t.Helper()
	return closed(t, goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs: addrs, PoolSize: 4, ContextTimeoutEnabled: true, MaintNotificationsConfig: noNotices,
	}))
}

// Every case has a namespace of its own, so the suite uses all nodes.
func TestConformanceOnACluster(t *testing.T) {
	c := redistest.NewCluster(t)
	backendtest.Run(t, func(t *testing.T) backend.Backend { return backendOn(t, clusterClient(t, c.Addrs()...)) })
	for i := range c.Nodes {
		require.Positive(t, c.Admin(i).DBSize(context.Background()).Val(), "node %d was not used", i)
	}
}

// A process may listen on a node that does not have the namespace.
func TestMessagesInAClusterArriveOverEveryNode(t *testing.T) {
	c := redistest.NewCluster(t)
	for i := range c.Nodes {
		for j := range 3 { // namespaces on different nodes
			name := fmt.Sprintf("messages-%d-%d", i, j)
			b := backendOn(t, clusterClient(t, c.Nodes[i].Addr()))
			in := newHeard()
			s := b.Namespace(name)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			require.NoError(t, s.Join(ctx, backend.Session{ID: "listener", Lease: time.Minute}, in))
			sender := backendOn(t, clusterClient(t, c.Addrs()...)).Namespace(name)
			lease := runningCall(ctx, t, s, sender, "listener")
			answers, err := sender.Settle(ctx, []backend.Settlement{{Lease: lease, Outcome: backend.Succeeded, Result: []byte("x")}})
			require.NoError(t, err)
			require.NoError(t, answers[0].Err)
			select {
			case r := <-in.results: // within the time before it would be looked for
				require.Equal(t, "x", string(r.Data))
			case <-time.After(3 * time.Second):
				t.Fatalf("no message of namespace %s, which is on node %d", name, c.Owner("{"+name+"}"))
			}
			cancel()
		}
	}
}

func TestReshardingANamespacesSlotLosesNothing(t *testing.T) {
	c := redistest.NewCluster(t)
	app := appOn(t, clusterClient(t, c.Addrs()...))
	job := tick.On(app)
	held, err := job.Start(t.Context(), 1_000_000, mn.WithLock("held"))
	require.NoError(t, err)
	key := "mn:{server-test}:meta"
	slot, from := c.Slot(key), c.Owner(key)
	for range 2 { // there and on
		to := (from + 1) % len(c.Nodes)
		l := startLoad(t, app, nil)
		refused := refusals(t, c, from) + refusals(t, c, to)
		c.Begin(slot, from, to)
		c.Move(slot, from, to, 5) // the namespace is torn apart
		require.Eventually(t, func() bool { return refusals(t, c, from)+refusals(t, c, to) > refused+20 }, patience, time.Millisecond)
		for c.Move(slot, from, to, 1) > 0 {
			continue
		}
		c.End(slot, from, to)
		l.progress()
		l.finish()
		require.Equal(t, to, c.Owner(key))
		from = to
	}
	info, err := job.Get(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, 1, info.Attempt, "the job that ran all the time was not lost")
	_, err = job.Start(t.Context(), 1, mn.WithLock("held"))
	require.ErrorIs(t, err, mn.ErrLockAlreadyInUse)
	require.NoError(t, job.Remove(t.Context(), held))
}

// refusals is how many steps a node has refused because their slot is on the way.
func refusals(t *testing.T, c *redistest.Cluster, node int) (n int) {
	t.Helper()
	stats, err := c.Admin(node).Info(t.Context(), "errorstats").Result()
	require.NoError(t, err)
	if _, after, ok := strings.Cut(stats, "errorstat_TRYAGAIN:count="); ok {
		_, err = fmt.Sscan(after, &n)
		require.NoError(t, err)
	}
	return n
}
