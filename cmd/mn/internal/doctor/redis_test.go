package doctor

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/internal/redistest"
)

// liar changes what a server answers, where a real one cannot be made to.
type liar struct {
	pause time.Duration
	alter func(cmd goredis.Cmder)
}

func (l liar) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (l liar) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if l.pause > 0 {
			<-time.After(l.pause)
		}
		err := next(ctx, cmd)
		l.alter(cmd)
		return err
	}
}

func (l liar) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func TestDoctorFindsWhatATestServerCannotShow(t *testing.T) {
	url := redistest.Start(t)
	info := func(from, to string) func(goredis.Cmder) {
		return func(cmd goredis.Cmder) {
			if c, ok := cmd.(*goredis.StringCmd); ok && c.Name() == "info" {
				lines := strings.Split(c.Val(), "\r\n")
				at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, from) })
				require.GreaterOrEqual(t, at, 0, from)
				lines[at] = to
				c.SetVal(strings.Join(lines, "\r\n"))
			}
		}
	}
	for _, c := range []struct {
		check string
		level Level
		says  string
		liar
	}{
		{"redis-version", Fail, "Redis 6.2.14", liar{alter: info("redis_version:", "redis_version:6.2.14")}},
		{"redis-version", OK, "Valkey 8.0.1", liar{alter: info("redis_git_sha1:", "valkey_version:8.0.1")}},
		{"redis-eviction", Warn, "deleted 7 keys", liar{alter: info("evicted_keys:", "evicted_keys:7")}},
		{"redis-clients", Warn, "turned away 3", liar{alter: info("rejected_connections:", "rejected_connections:3")}},
		{"redis-latency", Warn, "in the median", liar{pause: 6 * time.Millisecond, alter: func(goredis.Cmder) {}}},
		{"redis-clock", Warn, "3s apart", liar{alter: func(cmd goredis.Cmder) {
			if c, ok := cmd.(*goredis.TimeCmd); ok {
				c.SetVal(time.Now().Add(-3 * time.Second))
			}
		}}},
	} {
		o, err := goredis.ParseURL(url)
		require.NoError(t, err)
		client := goredis.NewClient(o)
		client.AddHook(c.liar)
		results := make(map[string]Result)
		require.True(t, CheckRedis(t.Context(), &Redis{Client: client}, func(r Result) { results[r.Check] = r }))
		require.NoError(t, client.Close())
		require.Equal(t, c.level, results[c.check].Level, "%+v", results[c.check])
		require.Contains(t, results[c.check].Found, c.says)
	}
}

func TestDoctorLooksAtEveryNodeOfACluster(t *testing.T) {
	cluster := redistest.NewCluster(t)
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: cluster.Addrs()})
	defer func() { require.NoError(t, client.Close()) }()
	examine := func() map[string]Result {
		results := make(map[string]Result)
		require.True(t, CheckRedis(t.Context(), &Redis{Client: client, App: "x"}, func(r Result) { results[r.Check] = r }))
		return results
	}
	results := examine()
	require.Equal(t, OK, results["redis-cluster"].Level, "%+v", results)
	require.Equal(t, OK, results["redis-rights"].Level, "%+v", results)
	require.Equal(t, OK, results["redis-eviction"].Level, "%+v", results)
	require.NoError(t, cluster.Admin(1).ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	results = examine()
	require.Equal(t, Fail, results["redis-eviction"].Level)
	require.Contains(t, results["redis-eviction"].Found, cluster.Addrs()[1], "it names the node")
}

// What is tried must be what docs/operations.md lists, no more and no less.
func TestRightsAreThoseOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/operations.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(text), "-@all\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	untried := []string{"subscribe", "unsubscribe", "hello", "select", "config|get"} // tried otherwise, or not needed on their own
	var documented, tried []string
	for _, f := range strings.Fields(block) {
		if name := strings.TrimPrefix(f, "+"); !slices.Contains(untried, name) {
			documented = append(documented, name)
		}
	}
	for _, args := range slices.Concat(rights, writes) {
		tried = append(tried, args[0].(string))
	}
	require.ElementsMatch(t, documented, tried)
}
