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
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
)

func TestAReplicaIsRefusedWithTheRemedy(t *testing.T) {
	s := redistest.New(t)
	r := redistest.New(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", s.Port))
	require.Eventually(t, func() bool {
		_, err := redis.Open(t.Context(), r.URL(), redis.Options{})
		return err != nil && strings.Contains(err.Error(), "name the primary")
	}, patience, 50*time.Millisecond)
}

// A primary that becomes a replica while it is in use.
func TestAPrimaryThatBecomesAReplicaIsNamed(t *testing.T) {
	s := redistest.New(t)
	store := backendOn(t, plain(t, s.Addr(), nil)).Namespace("n")
	joinHost(t.Context(), t, store, "host")
	require.NoError(t, redistest.NewAdmin(t, s.Addr()).Do(t.Context(), "REPLICAOF", "127.0.0.1", redistest.FreePort(t)).Err())
	_, err := store.Heartbeat(t.Context(), "host", nil)
	require.ErrorContains(t, err, "name the primary")
}

func TestANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	s := redistest.New(t)
	root := redistest.NewAdmin(t, s.Addr())
	b := backendOn(t, plain(t, s.Addr(), nil))
	joinHost(t.Context(), t, b.Namespace("n"), "host")
	require.Equal(t, "2", root.HGet(t.Context(), "mn:{n}:meta", "v").Val(), "the version is stored")
	require.NoError(t, root.HSet(t.Context(), "mn:{n}:meta", "v", "3").Err())
	before := dump(t, root)
	err := b.Namespace("n").Join(t.Context(), backend.Session{ID: "late", Lease: time.Minute, Pools: specs}, newHeard())
	require.ErrorIs(t, err, backend.ErrForeign)
	require.ErrorContains(t, err, "version 3")
	require.ErrorContains(t, err, "upgrade it")
	require.Equal(t, before, dump(t, root))
	begin := time.Now()
	_, err = mn.New(mn.Config{Name: "n", Definitions: []mn.Definition{add}, Backend: b, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "upgrade it")
	require.Less(t, time.Since(begin), 5*time.Second, "an answer is not asked for again")
}

// dump is all that a server holds.
func dump(t *testing.T, c *goredis.Client) map[string]string {
	t.Helper()
	all := make(map[string]string)
	keys, err := c.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		all[key] = c.Dump(t.Context(), key).Val()
	}
	return all
}

// filled is a namespace in which there is something of everything.
func filled(t *testing.T, addr, namespace string) (*redis.Backend, *goredis.Client) {
	t.Helper()
	ctx := t.Context()
	b := backendOn(t, plain(t, addr, nil))
	s := b.Namespace(namespace)
	joinHost(ctx, t, s, "host")
	got, err := s.Submit(ctx, "host", []backend.Submission{
		{ID: "job", Kind: backend.Job, Pool: "jobs", Input: []byte("in"), Locks: []string{"k"}},
		{ID: "other", Kind: backend.Job, Pool: "jobs", Input: []byte("in")},
		{ID: "call", Kind: backend.Function, Pool: "calls", Input: []byte("in")},
	})
	require.NoError(t, err)
	a, err := s.Claim(ctx, backend.ClaimRequest{Slot: got[0].Slot.ID, Session: "host", Op: 1})
	require.NoError(t, err)
	require.NoError(t, s.Yield(ctx, a[0].Lease, []backend.Yield{{Number: 1, Data: []byte("y")}}))
	require.NoError(t, s.Append(ctx, entries("job", "call")))
	require.NoError(t, s.Report(ctx, reports))
	return b, redistest.NewAdmin(t, addr)
}

// entries are some for both streams of the job, and for the job of a slot.
func entries(job, slot string) []backend.Addition {
	limit := backend.Limit{Entries: 2, Bytes: 100}
	return []backend.Addition{
		{Job: job, Stream: backend.LogStream, Data: [][]byte{{'a'}, {'b'}, {'c'}}, Limit: limit},
		{Job: job, Stream: backend.CallStream, Data: [][]byte{{'d'}}, Limit: limit},
		{Slot: slot, Stream: backend.LogStream, Data: [][]byte{{'e'}}, Limit: limit},
	}
}

var reports = []backend.PoolStats{{Pool: "jobs", Stats: backend.Stats{Succeeded: 1}}, {Pool: "calls", Stats: backend.Stats{Failed: 1}}}

// everyStep does each step once and returns the errors that are no answers.
func everyStep(t *testing.T, s backend.Store) (errs []error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lease := backend.Lease{Task: "job", Slot: "x", Epoch: 1, Nonce: 1}
	note := func(err error) {
		require.NoError(t, ctx.Err(), "a step hangs")
		for _, answer := range []error{backend.ErrNotFound, backend.ErrLeaseLost, backend.ErrSlotLost, backend.ErrSessionLost, backend.ErrRetired} {
			if err == nil || errors.Is(err, answer) {
				return
			}
		}
		errs = append(errs, err)
	}
	ids := []string{"job", "other", "call", "none"}
	_, err := s.Submit(ctx, "host", []backend.Submission{{ID: "new", Kind: backend.Job, Pool: "jobs", Locks: []string{"k2"}}})
	note(err)
	_, err = s.Submit(ctx, "host", []backend.Submission{{ID: "new call", Kind: backend.Function, Pool: "calls"}})
	note(err)
	_, err = s.Get(ctx, ids)
	note(err)
	_, err = s.Await(ctx, "job", backend.Until{})
	note(err)
	_, err = s.Yields(ctx, "job", 0, 10)
	note(err)
	_, err = s.List(ctx, backend.ListRequest{})
	note(err)
	_, err = s.Locks(ctx, "", 10)
	note(err)
	_, err = s.Pools(ctx)
	note(err)
	_, err = s.Workers(ctx, "calls", 0, 10)
	note(err)
	for _, stream := range []backend.Stream{backend.LogStream, backend.CallStream} {
		_, err = s.Journal(ctx, backend.JournalRequest{Job: "job", Stream: stream})
		note(err)
	}
	_, err = s.Attempts(ctx, "job")
	note(err)
	note(s.Append(ctx, entries("job", "call")))
	note(s.Report(ctx, reports))
	_, err = s.Claim(ctx, backend.ClaimRequest{Slot: "call", Session: "host", Op: 1})
	note(err)
	_, err = s.Heartbeat(ctx, "host", []backend.Lease{lease})
	note(err)
	note(s.Yield(ctx, lease, []backend.Yield{{Number: 2, Data: []byte("z")}}))
	note(s.Lock(ctx, lease, []string{"k3"}))
	_, err = s.Settle(ctx, []backend.Settlement{{Lease: lease, Outcome: backend.Succeeded}})
	note(err)
	_, err = s.Reserve(ctx, "host", []string{"jobs", "calls"})
	note(err)
	note(s.Exit(ctx, []backend.SlotExit{{Slot: "call", Note: "gone"}}))
	_, err = s.Sweep(ctx, 100)
	note(err)
	_, err = s.Cancel(ctx, ids)
	note(err)
	note(s.Remove(ctx, ids))
	note(s.Join(ctx, sessionOf("host"), newHeard()))
	note(s.Leave(ctx, "host"))
	return errs
}

// Under each of our keys stands another application's value. Every step answers, those that
// cannot do their work say which key is in the way, and the value is what it was.
func TestAnotherApplicationsKeysAreNamedAndLeftAlone(t *testing.T) {
	s := redistest.New(t)
	_, root := filled(t, s.Addr(), "n")
	state := dump(t, root)
	const theirs = "of another application"
	for key := range state {
		if strings.HasPrefix(key, "mn:{n}:y:") {
			continue // a job's kept yields are removed with it, whatever they are
		}
		t.Run(key, func(t *testing.T) {
			require.NoError(t, root.FlushAll(t.Context()).Err())
			for k, v := range state {
				require.NoError(t, root.Restore(t.Context(), k, 0, v).Err())
			}
			require.NoError(t, root.Set(t.Context(), key, theirs, 0).Err())
			errs := everyStep(t, backendOn(t, plain(t, s.Addr(), nil)).Namespace("n"))
			require.NotEmpty(t, errs)
			for _, err := range errs {
				require.ErrorIs(t, err, backend.ErrForeign)
				require.ErrorContains(t, err, fmt.Sprintf("%q", key))
				require.ErrorContains(t, err, "Options.Prefix")
			}
			if name := strings.TrimPrefix(key, "mn:{n}:"); name == "j:job" || name == "j1:job" || name == "j2:job" {
				return // a job's journals too
			}
			require.Equal(t, theirs, root.Get(t.Context(), key).Val(), "a %s", root.Type(t.Context(), key).Val())
		})
	}
}

// Our keys hold what we did not write: nothing panics, and who wrote nothing wrong goes on.
func TestCorruptValuesAreClearErrorsAndHoldUpNobodyElse(t *testing.T) {
	s := redistest.New(t)
	b, root := filled(t, s.Addr(), "n")
	state := dump(t, root)
	ctx := t.Context()
	for name, corrupt := range map[string]func() error{
		"a task without fields":      func() error { return root.HDel(ctx, "mn:{n}:t:job", "s", "v", "p").Err() },
		"a task with another status": func() error { return root.HSet(ctx, "mn:{n}:t:job", "s", "?").Err() },
		"a task without a version":   func() error { return root.HSet(ctx, "mn:{n}:t:job", "v", "x").Err() },
		"a task with odd locks":      func() error { return root.HSet(ctx, "mn:{n}:t:job", "l", "99:x").Err() },
		"a task with an odd lease":   func() error { return root.HSet(ctx, "mn:{n}:t:job", "L", "lease").Err() },
		"a slot":                     func() error { return root.HSet(ctx, "mn:{n}:slots", "call", "\x00\xff").Err() },
		"a session":                  func() error { return root.HSet(ctx, "mn:{n}:sx", "host", "{}").Err() },
		"a pool":                     func() error { return root.HSet(ctx, "mn:{n}:p:jobs", "max", "many", "re", "-").Err() },
		"the hardware in use":        func() error { return root.HSet(ctx, "mn:{n}:meta", "cpu", "much").Err() },
		"the counter of leases":      func() error { return root.Set(ctx, "mn:{n}:ep", "x", 0).Err() },
		"the version":                func() error { return root.HSet(ctx, "mn:{n}:meta", "v", "x").Err() },
		"a waiting worker":           func() error { return root.ZAdd(ctx, "mn:{n}:idle:calls", goredis.Z{Member: "me"}).Err() },
		"a queued task":              func() error { return root.ZAdd(ctx, "mn:{n}:q:jobs", goredis.Z{Member: "\x00"}).Err() },
		"the numbers of a journal":   func() error { return root.HSet(ctx, "mn:{n}:j:job", "n1", "x", "b1", "-").Err() },
		"a past attempt":             func() error { return root.RPush(ctx, "mn:{n}:at:job", "x").Err() },
		"a statistic":                func() error { return root.HSet(ctx, "mn:{n}:st:jobs", "s", "many").Err() },
		"a kept yield":               func() error { return root.ZAdd(ctx, "mn:{n}:y:job", goredis.Z{Score: 9, Member: "y"}).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, root.FlushAll(ctx).Err())
			for k, v := range state {
				require.NoError(t, root.Restore(ctx, k, 0, v).Err())
			}
			require.NoError(t, corrupt())
			for _, err := range everyStep(t, b.Namespace("n")) {
				require.ErrorIs(t, err, backend.ErrForeign)
			}
			works(t, appNamed(t, plain(t, s.Addr(), nil), "next"))
		})
	}
}

// One record that cannot be read must not keep a sweep from the others, ever again.
func TestASweepSetsAsideWhatItCannotRead(t *testing.T) {
	s := redistest.New(t)
	root := redistest.NewAdmin(t, s.Addr())
	var log bytes.Buffer
	b, err := redis.Open(t.Context(), s.URL(), redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	store, ctx := b.Namespace("n"), t.Context()
	require.NoError(t, store.Join(ctx, sessionOf("host"), newHeard()))
	for _, id := range []string{"bad", "good"} {
		got, err := store.Submit(ctx, "host", []backend.Submission{{ID: id, Kind: backend.Job, Pool: "jobs"}})
		require.NoError(t, err)
		_, err = store.Claim(ctx, backend.ClaimRequest{Slot: got[0].Slot.ID, Session: "host", Op: 1})
		require.NoError(t, err)
	}
	for _, z := range []goredis.Z{{Score: 1, Member: "bad"}, {Score: 2, Member: "good"}} { // both are lost
		require.NoError(t, root.ZAdd(ctx, "mn:{n}:lease", z).Err())
	}
	require.NoError(t, root.HSet(ctx, "mn:{n}:t:bad", "x", "x", "v", "x").Err())
	n, err := store.Sweep(ctx, 100)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	tasks, err := store.Get(ctx, []string{"good"})
	require.NoError(t, err)
	require.Equal(t, backend.StatusFailed, tasks[0].Status)
	require.Contains(t, log.String(), "bad")
	n, err = store.Sweep(ctx, 100)
	require.NoError(t, err)
	require.Zero(t, n)
}

// Anybody who may publish can send anything.
func TestForeignMessagesAreLoggedAndIgnored(t *testing.T) {
	s := redistest.New(t)
	store := backendOn(t, plain(t, s.Addr(), nil)).Namespace("n")
	in := joinHost(t.Context(), t, store, "host")
	root := redistest.NewAdmin(t, s.Addr())
	for _, message := range []string{
		"", "x", "5", "5:", "99999999999999999999:x", "-1:x", "1:A", "1:R1:x", "1:A1:s1:14:task5:lease1:21:p2:in0:1:01:10:1:01:0",
		"1:C1:t1:s5:lease", "1:D", "1:K1:x", "1:W1:x", "1:Q1:s1:15:where", "1:R1:i1:?1:d1:x0:0:0:", strings.Repeat("1:K1:x", 1000),
	} {
		heardBy, err := root.Publish(t.Context(), "mn:{n}:s:host", message).Result()
		require.NoError(t, err)
		require.Equal(t, int64(1), heardBy)
	}
	lease := runningCall(t.Context(), t, store, store, "host")
	_, err := store.Settle(t.Context(), []backend.Settlement{{Lease: lease, Outcome: backend.Succeeded, Result: []byte("x")}})
	require.NoError(t, err)
	select {
	case r := <-in.results:
		require.Equal(t, lease.Task, r.ID)
	case <-time.After(patience):
		t.Fatal("no message arrives any more")
	}
}

func TestPrefixesOfAnyBytesAreKeptApart(t *testing.T) {
	s := redistest.New(t)
	for _, prefix := range []string{"a", "a:", "a b", "a\x00", "*", "\xff"} {
		works(t, newApp(t, s.URL(), redis.Options{Prefix: prefix}))
	}
	_, err := redis.Open(t.Context(), s.URL(), redis.Options{Prefix: "{a}"})
	require.ErrorContains(t, err, "must not contain braces")
}

var mirror = mn.NewFunction("mirror", func(_ context.Context, in any) (any, error) { return in, nil })

// A message of 32 MiB is more than a server lets a listener lag behind, so it breaks the
// connection: the value arrives all the same.
func TestValuesOf32MiBGoThroughAndDeepJSONIsAnError(t *testing.T) {
	s := redistest.New(t)
	app, err := mn.New(mn.Config{
		Name: "big", Definitions: []mn.Definition{mirror, add}, Backend: backendOn(t, plain(t, s.Addr(), nil)),
		PayloadLimit: 33 * mn.MiB, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	big := strings.Repeat("x", 32<<20)
	_, err = mirror.On(app).Call(t.Context(), "") // so that a worker waits
	require.NoError(t, err)
	out, err := mirror.On(app).Call(t.Context(), big)
	require.NoError(t, err)
	require.Equal(t, len(big), len(out.(string)))
	_, err = mirror.On(app).Call(t.Context(), big+big)
	require.ErrorIs(t, err, mn.ErrPayloadTooLarge)
	var deep any
	for range 20_000 { // more than encoding/json reads
		deep = []any{deep}
	}
	_, err = mirror.On(app).Call(t.Context(), deep)
	require.ErrorContains(t, err, "exceeded max depth")
	sum, err := add.On(app).Call(t.Context(), [2]int{1, 2})
	require.NoError(t, err)
	require.Equal(t, 3, sum)
}
