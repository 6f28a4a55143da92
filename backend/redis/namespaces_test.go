package redis_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

func TestNamespacesAreFoundWithTheirVersions(t *testing.T) {
	url := redistest.Start(t)
	b, err := redis.Open(t.Context(), url, redis.Options{Prefix: "m*"})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	ctx := context.Background()
	names := []string{"a.b", "c d", "{x}"}
	for _, name := range names {
		v, err := b.Stored(ctx, name)
		require.NoError(t, err)
		require.Zero(t, v)
		s := b.Namespace(name)
		require.NoError(t, s.Join(ctx, backend.Session{ID: "s", Lease: time.Minute, Margin: time.Second, Starting: time.Minute}, nil))
		v, err = b.Stored(ctx, name)
		require.NoError(t, err)
		require.Equal(t, redis.Schema, v)
		require.NoError(t, s.Leave(ctx, "s"))
	}
	opts, err := goredis.ParseURL(url)
	require.NoError(t, err)
	admin := goredis.NewClient(opts)
	defer func() { _ = admin.Close() }()
	require.NoError(t, admin.HSet(ctx, "mx:{other}:meta", "v", "1").Err())
	require.NoError(t, admin.HSet(ctx, "m*:{bad}:meta", "v", "text").Err())
	require.NoError(t, admin.Set(ctx, "m*:{a.b}:t:meta", "v", 0).Err())

	found, err := b.Namespaces(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"a.b", "bad", "c d", "{x}"}, found)
	_, err = b.Stored(ctx, "bad")
	require.ErrorIs(t, err, backend.ErrForeign)
}
