package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/backendtest"
	"github.com/multinode/mn/internal/redistest"
)

// leftovers are the keys of a namespace beside what may stay for good: its pools' specs
// and statistics, counters, and what the server deletes by itself within minutes.
func leftovers(t *testing.T, c *goredis.Client, namespace string) (left []string) {
	t.Helper()
	prefix := "mn:{" + namespace + "}:"
	keys, err := c.Keys(t.Context(), prefix+"*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		switch kind, _, _ := strings.Cut(strings.TrimPrefix(key, prefix), ":"); kind {
		case "p", "st", "pools", "meta", "ep", "seq":
		case "z": // the end of an attempt whose task is gone
			if ttl := c.PTTL(t.Context(), key).Val(); ttl == -1 {
				left = append(left, key+" which never expires")
			}
		default:
			left = append(left, key)
		}
	}
	return left
}

// usage is what slots that are reserved use of the quota.
func usage(t *testing.T, c *goredis.Client, namespace string) []any {
	t.Helper()
	used, err := c.HMGet(t.Context(), "mn:{"+namespace+"}:meta", "cpu", "mem").Result()
	require.NoError(t, err)
	return used
}

// Leftovers implements apptest.Leftovers: after each case no key may be left.
func (p place) Leftovers(t *testing.T, namespace string) []string {
	t.Helper()
	return leftovers(t, redistest.NewAdmin(t, strings.TrimSuffix(strings.TrimPrefix(string(p), "redis://"), "/0")), namespace)
}

// Each history ends with the removal of its jobs and the leave of its only process.
func TestRandomHistoriesLeaveNoKeys(t *testing.T) {
	s := redistest.New(t)
	backendtest.RunHistories(t, func(t *testing.T) backend.Backend { return open(t, s.URL()) })
	c := redistest.NewAdmin(t, s.Addr())
	metas, err := c.Keys(t.Context(), "mn:{*}:meta").Result()
	require.NoError(t, err)
	ended := 0
	for _, meta := range metas {
		namespace := strings.TrimSuffix(strings.TrimPrefix(meta, "mn:{"), "}:meta")
		if c.HExists(t.Context(), "mn:{"+namespace+"}:sx", "host").Val() {
			continue // rapid gave the history up: too many of its steps had nothing to act on
		}
		ended++
		require.Empty(t, leftovers(t, c, namespace))
		for _, n := range usage(t, c, namespace) {
			require.Contains(t, []any{nil, "0"}, n, "hardware is still in use in %s", namespace)
		}
	}
	require.Greater(t, ended, len(metas)/2)
	t.Logf("%d histories", ended)
}

// A call's result waits for its acknowledgement, and where none comes the server deletes it.
func TestResultsThatNobodyFetchesAreForgotten(t *testing.T) {
	s := redistest.New(t)
	b := backendOn(t, plain(t, s.Addr(), nil))
	store, ctx, root := b.Namespace("n"), t.Context(), redistest.NewAdmin(t, s.Addr())
	joinHost(ctx, t, store, "host")
	got, err := store.Submit(ctx, "host", []backend.Submission{{ID: "a", Kind: backend.Function, Pool: "calls"}})
	require.NoError(t, err)
	slot := got[0].Slot.ID
	as, err := store.Claim(ctx, backend.ClaimRequest{Slot: slot, Session: "host", Op: 1})
	require.NoError(t, err)
	x, err := store.(backend.Exchanger).Exchange(ctx, []backend.Settlement{{Lease: as[0].Lease, Outcome: backend.Succeeded}},
		backend.ClaimRequest{Slot: slot, Session: "host", Op: 2, Cooldown: time.Minute})
	require.NoError(t, err)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = x.Claim.Wait(gone)
	require.ErrorIs(t, err, context.Canceled)
	left := root.TTL(ctx, "mn:{n}:t:a").Val()
	require.Positive(t, left)
	require.LessOrEqual(t, left, 5*time.Minute)
	require.Zero(t, root.Exists(ctx, "mn:{n}:lease", "mn:{n}:run:calls").Val(), "it is leased no more")
}
