package redis_test

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/backendtest"
	"github.com/multinode/mn/backend/backendtest/apptest"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, // toxiproxy leaves these behind where a connection was reset
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		// The client's probe of a server that was gone looks only each second whether it is closed.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func open(t *testing.T, url string) backend.Backend {
	t.Helper()
	b, err := redis.Open(t.Context(), url, redis.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestConformanceOnMiniredis(t *testing.T) {
	if underRace {
		t.Skip("miniredis runs Lua in Go, which is too slow under the race detector; run: go test -run Miniredis ./backend/redis")
	}
	server := miniredis.RunT(t)
	backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t, "redis://"+server.Addr()) })
}

func TestConformanceOnRedis(t *testing.T) {
	url := redistest.Start(t)
	backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t, url) })
}

// place is one server, to which each Open makes a backend of its own.
type place string

func (p place) Open(t *testing.T) backend.Backend { return open(t, string(p)) }

func TestAppsOnRedis(t *testing.T) {
	server := place(redistest.Start(t))
	apptest.Run(t, func(*testing.T) apptest.Place { return server })
}

// Valkey, or what MN_REDIS_BIN names.
func TestConformanceOnAnotherServer(t *testing.T) {
	url := redistest.NewOther(t).URL()
	backendtest.Run(t, func(t *testing.T) backend.Backend { return open(t, url) })
}
