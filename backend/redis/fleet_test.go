package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/redistest"
)

// commands is how many commands the server has executed, those of scripts too.
func commands(t *testing.T, c *goredis.Client) (n int) {
	t.Helper()
	stats, err := c.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	for line := range strings.Lines(stats) {
		if _, rest, ok := strings.Cut(line, "calls="); ok {
			digits, _, _ := strings.Cut(rest, ",")
			calls, err := strconv.Atoi(digits)
			require.NoError(t, err)
			n += calls
		}
	}
	return n
}

// Of a fleet whose workers are busy or idle, one leaves: what that costs the server does not grow with
// the fleet, but for reading the slots in one command.
func TestAWorkerLeavesALargeFleetAtLittleCost(t *testing.T) {
	const workers = 300
	server := redistest.New(t)
	store := backendOn(t, plain(t, server.Addr(), nil)).Namespace("fleet")
	session := sessionOf("caller")
	session.Pools = []backend.PoolSpec{{Name: "calls", Kind: backend.Function, MaxWorkers: workers}}
	require.NoError(t, store.Join(t.Context(), session, newHeard()))
	subs := make([]backend.Submission, workers)
	for i := range subs {
		subs[i] = backend.Submission{ID: fmt.Sprint("call-", i), Kind: backend.Function, Pool: "calls"}
	}
	answers, err := store.Submit(t.Context(), "caller", subs)
	require.NoError(t, err)
	for i, a := range answers {
		require.NotEmpty(t, a.Slot.ID)
		session.ID, session.Launches = fmt.Sprint("worker-", i), false
		require.NoError(t, store.Join(t.Context(), session, newHeard()))
		_, err := store.Claim(t.Context(), backend.ClaimRequest{Slot: a.Slot.ID, Session: session.ID, Op: 1})
		require.NoError(t, err)
	}
	c := admin(t, server)
	cost := func(do func()) int {
		before := commands(t, c)
		do()
		return commands(t, c) - before
	}
	require.Less(t, cost(func() { require.NoError(t, store.Leave(t.Context(), "worker-0")) }), 60, "with its slot")
	require.NoError(t, store.Exit(t.Context(), []backend.SlotExit{{Slot: answers[1].Slot.ID}}))
	require.Less(t, cost(func() { require.NoError(t, store.Leave(t.Context(), "worker-1")) }), 30, "without it")
	stats, err := c.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	require.Contains(t, stats, "cmdstat_hgetall:calls=3,", "a worker whose slot has ended reads no slots")
	pools, err := store.Pools(t.Context())
	require.NoError(t, err)
	for _, p := range pools {
		if p.Spec.Name == "calls" {
			require.Equal(t, workers-2, p.Running, "calls are lost with their workers, and wait")
		}
	}
	require.NoError(t, store.Leave(t.Context(), "caller"))
	pools, err = store.Pools(t.Context())
	require.NoError(t, err)
	for _, p := range pools {
		require.Zero(t, p.Pending, "the calls of a session that leaves are cancelled")
	}
}
