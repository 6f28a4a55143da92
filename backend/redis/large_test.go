package redis_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/redistest"
)

// listeners are the connections that are subscribed to something.
func listeners(t *testing.T, c *goredis.Client) (ids []string) {
	t.Helper()
	all, err := c.Do(t.Context(), "CLIENT", "LIST", "TYPE", "pubsub").Text()
	require.NoError(t, err)
	for line := range strings.Lines(all) {
		ids = append(ids, strings.Fields(line)[0])
	}
	return ids
}

// plainText is a codec for strings, which does not take the time that JSON would.
type plainText struct{}

func (plainText) Encode(_ mn.Place, v any) ([]byte, error) { return []byte(v.(string)), nil }

func (plainText) Decode(_ mn.Place, data []byte, v any) error {
	*v.(*string) = string(data)
	return nil
}

// A server closes a connection for messages that lags behind by more than 32 MiB. What many
// submit, and what they settle at the same moment, may be more than that together.
func TestLargeValuesOfTheSameMomentAreNotToldAllAtOnce(t *testing.T) {
	const workers, size = 64, 1 << 20 // the default limit of a payload
	var together sync.WaitGroup
	echo := mn.NewFunction("echo", func(_ context.Context, in string) (string, error) {
		together.Done()
		together.Wait()
		return in, nil
	}, mn.MaxWorkers(workers))
	s := redistest.New(t)
	app, err := mn.New(mn.Config{
		Name: "large", Definitions: []mn.Definition{echo}, Codec: plainText{}, Backend: backendOn(t, plain(t, s.Addr(), nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	before := listeners(t, admin(t, s))
	require.Len(t, before, 1)
	inputs := slices.Repeat([]string{strings.Repeat("x", size)}, workers)
	for range 2 { // the second time for workers that wait
		together.Add(workers)
		n := 0
		for out, err := range echo.On(app).Map(t.Context(), slices.Values(inputs)) {
			require.NoError(t, err)
			require.Len(t, out, size)
			n++
		}
		require.Equal(t, workers, n)
	}
	require.Equal(t, before, listeners(t, admin(t, s)), "the connection for messages was not closed")
}
