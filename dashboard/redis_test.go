package dashboard_test

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

var callsOf = regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`)

// TestAnOpenPageCostsRedisFewCommands counts what the server executed, commands inside
// scripts included, with a run's page and the overview open, less what it executes without.
func TestAnOpenPageCostsRedisFewCommands(t *testing.T) {
	const span, bound = 4 * time.Second, 50.0
	url := redistest.Start(t)
	open := func() *redis.Backend {
		b, err := redis.Open(t.Context(), url, redis.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return b
	}
	part := mn.NewFunction("part", func(_ context.Context, n int) (int, error) { return n, nil })
	job := mn.NewJob("steady", func(ctx context.Context, _ int, yield func(int) bool) error {
		for i := 0; ctx.Err() == nil; i++ {
			mn.Logger(ctx).Info("step", "n", i)
			if _, err := part.Call(ctx, i); err != nil || !yield(i) {
				break
			}
			pause(ctx, 500*time.Millisecond)
		}
		return context.Cause(ctx)
	}, mn.KeepYields(5))
	app, err := mn.New(mn.Config{Name: "site", Definitions: []mn.Definition{job, part}, Backend: open(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	id, err := job.On(app).Start(t.Context(), 1)
	require.NoError(t, err)

	opts, err := goredis.ParseURL(url)
	require.NoError(t, err)
	client := goredis.NewClient(opts)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	rate := func() float64 {
		count := func() (n int) {
			stats, err := client.Info(t.Context(), "commandstats").Result()
			require.NoError(t, err)
			for _, m := range callsOf.FindAllStringSubmatch(stats, -1) {
				calls, err := strconv.Atoi(m[2])
				require.NoError(t, err)
				n += calls
			}
			return n
		}
		before := count()
		pause(t.Context(), span)
		return float64(count()-before) / span.Seconds()
	}
	for _, path := range []string{"/jobs/" + string(id), "/", "/jobs"} {
		s := newSite(t, open(), nil)
		without := rate() // what the app costs grows with its log
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			s.watch(ctx, path).until(t, "part")
		}
		cost := rate() - without
		for range 2 { // heartbeats and sweeps may fall into one span and not into the other
			if cost >= bound {
				cost = min(cost, rate()-without)
			}
		}
		cancel()
		require.NoError(t, s.ui.Close())
		t.Logf("%s costs %.1f commands a second beyond the app's %.1f", path, cost, without)
		require.Less(t, cost, bound, path)
	}
}
