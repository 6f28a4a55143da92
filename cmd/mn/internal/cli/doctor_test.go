package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/cli"
	"github.com/multinode/mn/cmd/mn/internal/doctor"
	"github.com/multinode/mn/internal/redistest"
)

// sound are the settings of a server that has no faults.
var sound = []string{"--appendonly", "yes", "--maxmemory-policy", "noeviction"}

// examine executes mn doctor and returns what it found by check.
func examine(t *testing.T, environ []string, args ...string) (int, map[string]doctor.Result) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), append([]string{"doctor", "--json"}, args...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Environ: environ})
	results := make(map[string]doctor.Result)
	for line := range strings.Lines(out.String()) {
		var r doctor.Result
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		results[r.Check] = r
	}
	require.Empty(t, errs.String())
	return code, results
}

func TestDoctorIsContentWithASoundServer(t *testing.T) {
	r := newRig(t, sound...)
	code, results := examine(t, r.environ, "--strict")
	for name, result := range results {
		require.Equal(t, doctor.OK, result.Level, "%s: %s", name, result.Found)
	}
	require.Len(t, results, len(doctor.RedisChecks))
	require.Zero(t, code)
	require.Empty(t, r.ok("doctor", "--quiet"))
	require.Contains(t, r.ok("doctor"), "ok    redis-eviction      maxmemory-policy is noeviction")
	keys, err := r.admin().Keys(t.Context(), "*doctor*").Result()
	require.NoError(t, err)
	require.Empty(t, keys, "what the check of rights wrote is gone")
}

func TestDoctorFindsWrongSettings(t *testing.T) {
	for _, c := range []struct {
		check string
		level doctor.Level
		says  string
		args  []string
	}{
		{"redis-eviction", doctor.Fail, "allkeys-lru", []string{"--maxmemory-policy", "allkeys-lru"}},
		{"redis-memory", doctor.Warn, "maxmemory 1.00M", []string{"--maxmemory", "1mb"}},
		{"redis-aof", doctor.Warn, "appendonly is off", []string{"--appendonly", "no"}},
		{"redis-aof", doctor.Warn, "appendfsync is no", []string{"--appendfsync", "no"}},
		{"redis-replicas", doctor.Fail, "min-replicas-to-write is 1 and there are 0", []string{"--min-replicas-to-write", "1"}},
		{"redis-clients", doctor.Warn, "of at most 40", []string{"--maxclients", "40"}},
		{"redis-buffers", doctor.Warn, "pubsub is 1048576 1048576 60", []string{"--client-output-buffer-limit", "pubsub 1mb 1mb 60"}},
		{"redis-cluster", doctor.Fail, "it is a cluster", []string{"--cluster-enabled", "yes"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			url := redistest.Start(t, append(append([]string{}, sound...), c.args...)...)
			code, results := examine(t, []string{"MN_REDIS=" + url})
			result := results[c.check]
			require.Equal(t, c.level, result.Level, "%+v", result)
			require.Contains(t, result.Found, c.says)
			require.NotEmpty(t, result.Remedy)
			if c.level == doctor.Fail {
				require.Equal(t, cli.ExitFailed, code)
			} else {
				strict, _ := examine(t, []string{"MN_REDIS=" + url}, "--strict")
				require.Equal(t, cli.ExitFailed, strict)
			}
		})
	}
}

func TestDoctorLooksAtReplicas(t *testing.T) {
	primary := redistest.New(t, sound...)
	replica := redistest.New(t, append([]string{"--replicaof", fmt.Sprintf("127.0.0.1 %d", primary.Port)}, sound...)...)
	admin := redistest.NewAdmin(t, primary.Addr())
	require.Eventually(t, func() bool {
		info, err := admin.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "connected_slaves:1")
	}, bound, tick)
	_, results := examine(t, []string{"MN_REDIS=" + primary.URL()})
	require.Equal(t, doctor.Warn, results["redis-replicas"].Level)
	require.NoError(t, admin.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	_, results = examine(t, []string{"MN_REDIS=" + primary.URL()})
	require.Equal(t, doctor.OK, results["redis-replicas"].Level, "%+v", results["redis-replicas"])
	code, results := examine(t, []string{"MN_REDIS=" + replica.URL()})
	require.Equal(t, doctor.Fail, results["redis-role"].Level)
	require.Contains(t, results["redis-role"].Remedy, fmt.Sprintf("127.0.0.1:%d", primary.Port))
	require.Equal(t, cli.ExitFailed, code)
}

func TestDoctorNamesTheRightsThatAreMissing(t *testing.T) {
	r := newRig(t, sound...)
	ctx := t.Context()
	rules := append(documentedRights(t), "-zpopmin", "-hsetnx", "resetchannels")
	require.NoError(t, r.admin().ACLSetUser(ctx, "mn", append([]string{"on", ">secret"}, rules...)...).Err())
	r.environ = append(r.environ, "MN_REDIS="+strings.Replace(r.url, "redis://", "redis://mn@", 1))
	a := r.run("doctor")
	require.Equal(t, cli.ExitUsage, a.code)
	require.Contains(t, a.err, `user "mn" has no password: give it by MN_REDIS_PASSWORD`)
	code, results := examine(t, append(r.environ, "MN_REDIS_PASSWORD=wrong"))
	require.Equal(t, cli.ExitUnreachable, code)
	require.Contains(t, results["redis-reach"].Remedy, "MN_REDIS_PASSWORD")

	r.environ = append(r.environ, "MN_REDIS_PASSWORD=secret")
	code, results = examine(t, r.environ)
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "the user lacks +zpopmin +publish +hsetnx +subscribe and &mn:*", results["redis-rights"].Found)
	require.Equal(t, doctor.Skipped, results["redis-version"].Level, "who may not read INFO is told so")

	require.NoError(t, r.admin().ACLSetUser(ctx, "mn", append([]string{"reset", "on", ">secret"}, documentedRights(t)...)...).Err())
	code, results = examine(t, r.environ)
	require.Zero(t, code, "%+v", results)
	require.Equal(t, doctor.OK, results["redis-rights"].Level, "%+v", results["redis-rights"])
	require.Equal(t, doctor.OK, results["redis-eviction"].Level, "CONFIG GET is among the rights")
}

func TestDoctorReadsTheVersionOfWhatIsStored(t *testing.T) {
	r := newRig(t, sound...)
	for version, want := range map[string]doctor.Level{"1": doctor.Warn, "99": doctor.Fail, "text": doctor.Fail} {
		require.NoError(t, r.admin().HSet(t.Context(), "mn:{other}:meta", "v", version).Err())
		_, results := examine(t, r.environ, "--app", "other")
		require.Equal(t, want, results["redis-schema"].Level, version)
	}
	_, results := examine(t, r.environ, "--app", "unknown")
	require.Equal(t, doctor.Note, results["redis-schema"].Level)
	a := r.run("ps", "--app", "other")
	require.NotZero(t, a.code)
	require.NoError(t, r.admin().HSet(t.Context(), "mn:{other}:meta", "v", "1").Err())
	a = r.run("ps", "--app", "other")
	require.Equal(t, cli.ExitFailed, a.code)
	require.Contains(t, a.err, "older mn")
	v, err := r.admin().HGet(t.Context(), "mn:{other}:meta", "v").Result()
	require.NoError(t, err)
	require.Equal(t, "1", v, "a command must not lock out older programs")
}

func TestDoctorWithoutAServer(t *testing.T) {
	code, results := examine(t, []string{fmt.Sprintf("MN_REDIS=redis://127.0.0.1:%d", redistest.FreePort(t))})
	require.Equal(t, cli.ExitUnreachable, code)
	require.Len(t, results, 1)
	require.Equal(t, doctor.Fail, results["redis-reach"].Level)
	url := redistest.Start(t)
	code, results = examine(t, []string{"MN_REDIS=" + strings.Replace(url, "redis://", "redis+cluster://", 1)})
	require.Equal(t, cli.ExitUnreachable, code)
	require.Equal(t, "it is no cluster", results["redis-reach"].Found)
}

// admin is a client that may do everything.
func (r *rig) admin() *goredis.Client {
	o, err := goredis.ParseURL(r.url)
	require.NoError(r.t, err)
	c := goredis.NewClient(o)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAPausedCommandLeavesTheQuotaAlone(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	b := r.backend()
	app, err := mn.New(mn.Config{Name: "bounded", Definitions: []mn.Definition{double}, Backend: b, Quota: mn.Quota{CPU: 3}, Logger: quiet})
	require.NoError(t, err)
	defer func() { require.NoError(t, app.Close()) }()
	r.ok("ps", "--app", "bounded")
	q, err := r.admin().HGet(ctx, "mn:{bounded}:meta", "qcpu").Result()
	require.NoError(t, err)
	require.Equal(t, "3000", q)
}
