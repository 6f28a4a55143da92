package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

var add = mn.NewFunction("add", func(_ context.Context, in [2]int) (int, error) { return in[0] + in[1], nil })

// tick yields numbers until it is told to stop or has reached its input.
var tick = mn.NewJob("tick", func(ctx context.Context, upTo int, yield func(int) bool) error {
	n, _ := mn.LastYield[int](ctx)
	for n++; n <= upTo; n++ {
		if !yield(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}, mn.Retries(3), mn.SyncYields())

func admin(t *testing.T, s *redistest.Server) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{
		Addr: s.Addr(), MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func newApp(t *testing.T, url string, o redis.Options) *mn.App {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	b, err := redis.Open(t.Context(), url, o)
	require.NoError(t, err)
	app, err := mn.New(mn.Config{
		Name: "server-test", Definitions: []mn.Definition{add, tick}, Backend: b, Logger: o.Logger,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, app.Close())
		require.NoError(t, b.Close())
	})
	return app
}

// works does a bit of everything.
func works(t *testing.T, app *mn.App) {
	t.Helper()
	sum, err := add.On(app).Call(t.Context(), [2]int{1, 2})
	require.NoError(t, err)
	require.Equal(t, 3, sum)
	id, err := tick.On(app).Start(t.Context(), 3, mn.WithLock("k"))
	require.NoError(t, err)
	last, err := tick.On(app).Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 3, last)
	require.NoError(t, tick.On(app).Remove(t.Context(), id))
}

func TestAServerThatCannotBeUsedIsAClearError(t *testing.T) {
	s := redistest.New(t, "--requirepass", "secret")
	for name, c := range map[string]struct{ url, says string }{
		"not a URL":      {"localhost:6379", "the URL must be like redis://"},
		"nobody there":   {fmt.Sprintf("redis://127.0.0.1:%d", redistest.FreePort(t)), "the server does not answer"},
		"no password":    {s.URL(), "refuses the user"},
		"wrong password": {strings.Replace(s.URL(), "//", "//:wrong@", 1), "refuses the user"},
		"wrong database": {strings.Replace(strings.Replace(s.URL(), "//", "//:secret@", 1), "/0", "/99", 1), "database"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := redis.Open(t.Context(), c.url, redis.Options{})
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestAnEvictionPolicyThatLosesJobsWarnsAndStrictRefuses(t *testing.T) {
	s := redistest.New(t, "--maxmemory-policy", "allkeys-lru")
	var log bytes.Buffer
	b, err := redis.Open(t.Context(), s.URL(), redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.Contains(t, log.String(), "set it to noeviction")
	_, err = redis.Open(t.Context(), s.URL(), redis.Options{Strict: true})
	require.ErrorContains(t, err, "set it to noeviction")
}

func TestFlushedScriptsAreLoadedAgain(t *testing.T) {
	s := redistest.New(t)
	app := newApp(t, s.URL(), redis.Options{})
	works(t, app)
	require.NoError(t, admin(t, s).ScriptFlush(t.Context()).Err())
	works(t, app)
}

func TestARestartOfTheServerLosesNothing(t *testing.T) {
	s := redistest.New(t, "--appendonly", "yes", "--appendfsync", "always")
	app := newApp(t, s.URL(), redis.Options{})
	job := tick.On(app)
	id, err := job.Start(t.Context(), 500, mn.WithLock("k"))
	require.NoError(t, err)
	for info, err := range job.Watch(t.Context(), id) {
		require.NoError(t, err)
		if info.Yields > 20 {
			break
		}
	}
	s.Kill()
	s.Up()
	last, err := job.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 500, last)
	info, err := job.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, info.Attempt)
	works(t, app)
}

func TestFullMemoryRefusesStartsAndLetsTheRestGoOn(t *testing.T) {
	s := redistest.New(t)
	app := newApp(t, s.URL(), redis.Options{})
	job, root := tick.On(app), admin(t, s)
	running, err := job.Start(t.Context(), 1_000_000, mn.WithLock("k"))
	require.NoError(t, err)
	ended, err := job.Start(t.Context(), 1)
	require.NoError(t, err)
	_, err = job.Wait(t.Context(), ended)
	require.NoError(t, err)
	require.NoError(t, root.ConfigSet(t.Context(), "maxmemory", "1").Err())
	_, err = job.Start(t.Context(), 1)
	require.ErrorIs(t, err, mn.ErrBackpressure)
	_, err = add.On(app).Call(t.Context(), [2]int{1, 2})
	require.ErrorIs(t, err, mn.ErrBackpressure)
	require.NoError(t, job.Remove(t.Context(), ended))
	require.NoError(t, job.Cancel(t.Context(), running))
	_, err = job.Wait(t.Context(), running)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	for range app.Locks(t.Context()) {
		t.Error("a lock is still held")
	}
	require.NoError(t, root.ConfigSet(t.Context(), "maxmemory", "0").Err())
	works(t, app)
}

func TestNothingIsLeftBehindButPoolsAndCounters(t *testing.T) {
	s := redistest.New(t)
	app := newApp(t, s.URL(), redis.Options{})
	for range 5 {
		works(t, app)
	}
	failed, err := tick.On(app).Start(t.Context(), 1_000_000, mn.WithLock("a", "b"))
	require.NoError(t, err)
	require.NoError(t, tick.On(app).Remove(t.Context(), failed))
	_, err = tick.On(app).Wait(t.Context(), failed)
	require.True(t, errors.Is(err, mn.ErrJobDoesNotExist) || errors.Is(err, mn.ErrJobCancelled), "%v", err)
	require.NoError(t, app.Close())
	root := admin(t, s)
	keys, err := root.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		name := strings.TrimPrefix(key, "mn:{server-test}:")
		kind, _, _ := strings.Cut(name, ":")
		switch kind {
		case "p", "st", "pools", "meta", "ep", "seq":
		case "z":
			require.Positive(t, root.PTTL(t.Context(), key).Val(), "%s has no end", key)
		default:
			t.Errorf("%s is left behind", key)
		}
	}
}

func TestTwoPrefixesShareNothing(t *testing.T) {
	s := redistest.New(t)
	one, other := newApp(t, s.URL(), redis.Options{}), newApp(t, s.URL(), redis.Options{Prefix: "other"})
	id, err := tick.On(one).Start(t.Context(), 1)
	require.NoError(t, err)
	_, err = tick.On(other).Get(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobDoesNotExist)
}
