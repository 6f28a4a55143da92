package redis_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/redistest"
)

// sentinelClient finds the primary by the sentinels.
func sentinelClient(t *testing.T, w *redistest.Sentinel) goredis.UniversalClient {
	t.Helper()
	return closed(t, goredis.NewFailoverClient(&goredis.FailoverOptions{
		MasterName: redistest.MasterName, SentinelAddrs: w.Addrs(), MaxRetries: -1, PoolSize: 4, ContextTimeoutEnabled: true,
	}))
}

// The primary is killed under load. Before that everything works as on a server alone;
// after it everything works on the replica, nothing hangs, and what ran has ended once.
func TestASentinelFailoverUnderLoadLosesNoMoreThanIsDocumented(t *testing.T) {
	w := redistest.NewSentinel(t)
	one, other := appOn(t, sentinelClient(t, w)), appOn(t, sentinelClient(t, w))
	works(t, one)
	job := tick.On(one)
	old, err := job.Start(t.Context(), 3)
	require.NoError(t, err)
	_, err = job.Wait(t.Context(), old)
	require.NoError(t, err)
	held, err := job.Start(t.Context(), 1_000_000, mn.WithLock("held"))
	require.NoError(t, err)
	inStep(t, w)
	l, m := startLoad(t, one, lostInFailover), startLoad(t, other, lostInFailover)
	w.Primary.Kill()
	w.AwaitFailover()
	l.progress()
	m.progress()
	l.finish()
	m.finish()
	last, err := job.Wait(t.Context(), old)
	require.NoError(t, err, "what had reached the replica is there")
	require.Equal(t, 3, last)
	_, err = job.Start(t.Context(), 1, mn.WithLock("held"))
	require.ErrorIs(t, err, mn.ErrLockAlreadyInUse)
	require.NoError(t, job.Cancel(t.Context(), held))
	_, err = job.Wait(t.Context(), held)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	works(t, other)
}

// inStep waits until the replica has what the primary has now.
func inStep(t *testing.T, w *redistest.Sentinel) {
	t.Helper()
	n, err := redistest.NewAdmin(t, w.Primary.Addr()).Do(t.Context(), "WAIT", 1, 10_000).Int()
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// A planned failover only closes connections: the old primary goes on as a replica, and
// refuses writes.
func TestAPlannedFailoverLeavesNobodyAtTheOldPrimary(t *testing.T) {
	w := redistest.NewSentinel(t)
	app := appOn(t, sentinelClient(t, w))
	l := startLoad(t, app, lostInFailover)
	require.NoError(t, redistest.NewAdmin(t, w.Sentinels[0].Addr()).Do(t.Context(), "SENTINEL", "FAILOVER", redistest.MasterName).Err())
	w.AwaitFailover()
	old := redistest.NewAdmin(t, w.Primary.Addr())
	require.Eventually(t, func() bool { // until then it takes writes, which are lost as documented
		role, err := old.Do(t.Context(), "ROLE").Slice()
		return err == nil && role[0] == "slave"
	}, 30*time.Second, 50*time.Millisecond)
	l.progress()
	l.finish()
	works(t, app)
	id, err := tick.On(app).Start(t.Context(), 1)
	require.NoError(t, err)
	at, err := redistest.NewAdmin(t, w.Replica.Addr()).Exists(t.Context(), "mn:{server-test}:t:"+string(id)).Result()
	require.NoError(t, err)
	require.Equal(t, int64(1), at)
	_, err = tick.On(app).Wait(t.Context(), id)
	require.NoError(t, err)
}
