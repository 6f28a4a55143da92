package redis_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/redistest"
)

// logOf reads the texts of a job's log.
func logOf(t *testing.T, s backend.Store, job string) (texts []string) {
	t.Helper()
	got, err := s.Journal(t.Context(), backend.JournalRequest{Job: job, Stream: backend.LogStream})
	require.NoError(t, err)
	for _, e := range got {
		texts = append(texts, fmt.Sprint(e.Number, string(e.Data)))
	}
	return texts
}

func logEntry(job, text string) []backend.Addition {
	return []backend.Addition{{
		Job: job, Stream: backend.LogStream, Data: [][]byte{[]byte(text)}, Limit: backend.Limit{Entries: 100, Bytes: 10_000},
	}}
}

func TestFullMemoryRefusesEntriesAndReportsAndChangesNothing(t *testing.T) {
	s := redistest.New(t)
	b, root := filled(t, s.Addr(), "n")
	store, ctx := b.Namespace("n"), t.Context()
	got, err := store.Submit(ctx, "host", []backend.Submission{{ID: "run", Kind: backend.Job, Pool: "jobs"}})
	require.NoError(t, err)
	a, err := store.Claim(ctx, backend.ClaimRequest{Slot: got[0].Slot.ID, Session: "host", Op: 1})
	require.NoError(t, err)
	require.NoError(t, root.ConfigSet(ctx, "maxmemory", "1").Err())
	before := dump(t, root)
	require.Equal(t, backend.ErrBackpressure, store.Append(ctx, append(logEntry("nothing", "x"), entries("run", got[0].Slot.ID)...)))
	require.Equal(t, backend.ErrBackpressure, store.Report(ctx, reports))
	require.Equal(t, before, dump(t, root))
	require.NotContains(t, before, "mn:{n}:j1:run")
	_, err = store.Heartbeat(ctx, "host", []backend.Lease{a[0].Lease})
	require.NoError(t, err)
	ends, err := store.Settle(ctx, []backend.Settlement{{Lease: a[0].Lease, Outcome: backend.Failed}})
	require.NoError(t, err)
	require.NoError(t, ends[0].Err)
	require.NoError(t, store.Remove(ctx, []string{"run", "job"}))
	require.NoError(t, root.ConfigSet(ctx, "maxmemory", "0").Err())
	require.NoError(t, store.Append(ctx, logEntry("other", "x")))
	require.Equal(t, []string{"1x"}, logOf(t, store, "other"))
}

// deaf is a connection that breaks once when the answer to an append comes.
type deaf struct {
	net.Conn
	asked  atomic.Bool
	breaks *atomic.Int64
}

func (c *deaf) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "lost reply") {
		c.asked.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *deaf) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.asked.Swap(false) && c.breaks.Add(-1) >= 0 {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// A client that repeats what failed, which others than Open's may, must not repeat an append.
func TestAClientThatRepeatsDoesNotAppendTwice(t *testing.T) {
	s := redistest.New(t)
	cluster := redistest.NewCluster(t)
	var breaks atomic.Int64
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		return &deaf{Conn: c, breaks: &breaks}, err
	}
	for name, client := range map[string]goredis.UniversalClient{
		"server": goredis.NewClient(&goredis.Options{
			Addr: s.Addr(), Dialer: dial, MaxRetries: 5, ContextTimeoutEnabled: true, MaintNotificationsConfig: noNotices,
		}),
		"cluster": goredis.NewClusterClient(&goredis.ClusterOptions{
			Addrs: cluster.Addrs(), Dialer: dial, MaxRetries: 5, ContextTimeoutEnabled: true, MaintNotificationsConfig: noNotices,
		}),
	} {
		t.Run(name, func(t *testing.T) {
			store := backendOn(t, closed(t, client)).Namespace("n")
			joinHost(t.Context(), t, store, "host")
			_, err := store.Submit(t.Context(), "host", []backend.Submission{{ID: "a", Kind: backend.Job, Pool: "jobs"}})
			require.NoError(t, err)
			require.NoError(t, store.Append(t.Context(), logEntry("a", "x"))) // the script is known from now on
			breaks.Store(1)
			require.Error(t, store.Append(t.Context(), logEntry("a", "lost reply")))
			require.Negative(t, breaks.Add(-1))
			require.Equal(t, []string{"1x", "2lost reply"}, logOf(t, store, "a"))
		})
	}
}

func TestEntriesAfterAScriptFlushAreAppendedOnce(t *testing.T) {
	s := redistest.New(t)
	b, root := filled(t, s.Addr(), "n")
	store := b.Namespace("n")
	for i := range 5 {
		require.NoError(t, root.ScriptFlush(t.Context()).Err())
		require.NoError(t, store.Append(t.Context(), logEntry("other", fmt.Sprint(" ", i))))
		require.NoError(t, root.ScriptFlush(t.Context()).Err())
		require.NoError(t, store.Report(t.Context(), reports))
	}
	require.Equal(t, []string{"1 0", "2 1", "3 2", "4 3", "5 4"}, logOf(t, store, "other"))
	pools, err := store.Pools(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 6, pools[1].Stats.Succeeded) // with the one of filled
}

func TestAStreamThatDoesNotExistIsRefused(t *testing.T) {
	b, root := filled(t, redistest.New(t).Addr(), "n")
	before := dump(t, root)
	for _, stream := range []backend.Stream{0, 3} {
		err := b.Namespace("n").Append(t.Context(), []backend.Addition{{Job: "job", Stream: stream, Data: [][]byte{{'x'}}}})
		require.ErrorContains(t, err, fmt.Sprintf("no stream %d", stream))
		_, err = b.Namespace("n").Journal(t.Context(), backend.JournalRequest{Job: "job", Stream: stream})
		require.ErrorContains(t, err, "choose backend.LogStream")
	}
	require.Equal(t, before, dump(t, root))
}

// Records of version 1 had neither root nor trace; they are what is written now for tasks
// without.
func TestATaskWithoutLinksIsStoredAsBefore(t *testing.T) {
	b, root := filled(t, redistest.New(t).Addr(), "n")
	fixed := root.HGet(t.Context(), "mn:{n}:t:call", "D").Val()
	require.Regexp(t, `^1:25:calls2:in0:1:013:\d{13}$`, fixed)
	store := b.Namespace("n")
	_, err := store.Submit(t.Context(), "host", []backend.Submission{{ID: "linked", Kind: backend.Function, Pool: "calls", Root: "r", Trace: "tr"}})
	require.NoError(t, err)
	require.Regexp(t, `^1:45:calls0:0:1:01:r2:tr13:\d{13}$`, root.HGet(t.Context(), "mn:{n}:t:linked", "D").Val())
	got, err := store.Get(t.Context(), []string{"linked", "call"})
	require.NoError(t, err)
	require.Equal(t, backend.Function, got[0].Kind)
	require.WithinDuration(t, got[1].Created, got[0].Created, time.Minute)
}

// Linked tasks and others come in one message, at once and not only when they are looked for.
func TestLinkedTasksAreHandedOverByTheirMessage(t *testing.T) {
	b, _ := filled(t, redistest.New(t).Addr(), "n")
	s, ctx := b.Namespace("n"), t.Context()
	as, err := s.Claim(ctx, backend.ClaimRequest{Slot: "call", Session: "host", Op: 1})
	require.NoError(t, err)
	x, err := s.(backend.Exchanger).Exchange(ctx, []backend.Settlement{{Lease: as[0].Lease, Outcome: backend.Succeeded}},
		backend.ClaimRequest{Slot: "call", Session: "host", Op: 2, Cooldown: patience, Max: 9, Bundle: 9})
	require.NoError(t, err)
	begin := time.Now()
	_, err = s.Submit(ctx, "host", []backend.Submission{
		{ID: "1", Kind: backend.Function, Pool: "calls", Root: "r", Trace: "t"},
		{ID: "2", Kind: backend.Function, Pool: "calls"},
		{ID: "3", Kind: backend.Function, Pool: "calls", Trace: "t"},
	})
	require.NoError(t, err)
	as, err = x.Claim.Wait(ctx)
	require.NoError(t, err)
	require.Less(t, time.Since(begin), 3*time.Second)
	require.Len(t, as, 3)
	for i, want := range []string{"rt", "", "t"} {
		require.Equal(t, fmt.Sprint(i+1), as[i].Lease.Task)
		require.Equal(t, want, as[i].Root+as[i].Trace)
	}
}
