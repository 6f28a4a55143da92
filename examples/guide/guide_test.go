package guide

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJobsPage(t *testing.T) {
	app := mntest.New(t, Import)
	ctx := app.Context(t.Context())
	require.NoError(t, startAndWait(ctx))
	id, err := Import.Start(ctx, Source{File: "users.csv", Rows: 20})
	require.NoError(t, err)

	var out bytes.Buffer
	require.NoError(t, show(ctx, &out, id))
	require.Contains(t, out.String(), "SUCCEEDED 20")
	out.Reset()
	require.NoError(t, showEach(ctx, &out, id))
	require.Equal(t, 20, strings.Count(out.String(), "\n"), "one line for each kept yield")
	out.Reset()
	require.NoError(t, tail(ctx, app, &out, id))
	require.Contains(t, out.String(), `WARN import row left out {`)
	require.Contains(t, out.String(), `"row":6,"error":"not a row"`)
	ids, err := failed(ctx)
	require.NoError(t, err)
	require.Empty(t, ids)
}

func TestJobsPageInspects(t *testing.T) {
	hold := mn.NewJob("import", func(ctx context.Context, _ Source, yield func(Imported) bool) error {
		yield(Imported{Progress: mn.Progress{Done: 1, Total: 4}})
		<-ctx.Done()
		return nil
	})
	app := mntest.New(t, hold)
	ctx := app.Context(t.Context())
	_, err := hold.Start(ctx, Source{}, mn.WithID(startedAt(t, time.Now())))
	require.NoError(t, err)
	long, err := hold.Start(ctx, Source{}, mn.WithID(startedAt(t, time.Now().Add(-2*time.Hour))))
	require.NoError(t, err)
	for info, err := range hold.Watch(ctx, long) {
		require.NoError(t, err)
		if info.Yields == 1 {
			break
		}
	}
	var out bytes.Buffer
	require.NoError(t, longestRuns(ctx, app, &out))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), string(long)+"  25% on ")

	old, err := hold.Start(ctx, Source{}, mn.WithID(startedAt(t, time.Now().AddDate(0, -2, 0))))
	require.NoError(t, err)
	require.NoError(t, hold.Cancel(ctx, old))
	_, err = hold.Wait(ctx, old)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	for _, dryRun := range []bool{true, false} {
		n, err := removeOld(ctx, app, dryRun)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	_, err = hold.Get(ctx, old)
	require.ErrorIs(t, err, mn.ErrJobDoesNotExist)
}

// startedAt is an ID as a job has that was started then.
func startedAt(t *testing.T, then time.Time) mn.JobID {
	id, err := uuid.NewV7()
	require.NoError(t, err)
	binary.BigEndian.PutUint32(id[:4], uint32(then.UnixMilli()>>16))
	binary.BigEndian.PutUint16(id[4:6], uint16(then.UnixMilli()))
	return mn.JobID(id.String())
}

func TestFunctionsPage(t *testing.T) {
	app := mntest.New(t, Render)
	ctx := app.Context(t.Context())
	image, err := callOnce(ctx)
	require.NoError(t, err)
	require.Equal(t, "Chapter 1", string(image))
	size, err := callTwo(ctx)
	require.NoError(t, err)
	require.Equal(t, len("CoverIndex"), size)
	images, skipped, err := renderAll(ctx, []Page{{1, "a"}, {2, ""}, {3, "c"}})
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("a"), []byte("c")}, images)
	require.Equal(t, 1, skipped)
}

func TestCancellationPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deleted := 0
		DeleteParts.Handle(func(context.Context, string) (int, error) { deleted++; return 1, nil })
		defer DeleteParts.Handle(deleteParts)
		app := mntest.New(t, Upload, DeleteParts)
		ctx := app.Context(t.Context())
		id, err := Upload.Start(ctx, "folder")
		require.NoError(t, err)
		pass(10 * time.Second)
		require.NoError(t, cancelAndWait(ctx, id))
		require.Equal(t, 1, deleted, "what the upload had left is deleted")
		info, err := Upload.Get(ctx, id)
		require.NoError(t, err)
		require.Equal(t, mn.Cancelled, info.Status)

		n, err := callForAMinute(ctx, "folder")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestLocksPage(t *testing.T) {
	guarded = new(Guarded)
	synctest.Test(t, func(t *testing.T) {
		hold := mn.NewJob("hold", func(ctx context.Context, _ int, _ func(int) bool) error {
			<-ctx.Done()
			return nil
		})
		app := mntest.New(t, Migrate, hold)
		ctx := app.Context(t.Context())
		holder, err := hold.Start(ctx, 0, mn.WithLock("table/users"))
		require.NoError(t, err)
		_, err = startMigration(ctx, "users")
		require.ErrorContains(t, err, "users is being migrated by job "+string(holder))
		var out bytes.Buffer
		require.NoError(t, showLocks(ctx, app, &out))
		require.Equal(t, "table/users is held by "+string(holder)+"\n", out.String())

		id, err := startMigration(ctx, "orders")
		require.NoError(t, err)
		last, err := Migrate.Wait(ctx, id)
		require.NoError(t, err)
		require.Equal(t, "by-date", last)
		require.Equal(t, []string{"by-name", "by-date"}, guarded.written)
		require.ErrorContains(t, guarded.Write(0, "late"), "the lock was lost")
	})
}

func TestRedisPage(t *testing.T) {
	url := redistest.Start(t, "--maxmemory-policy", "noeviction")
	state, err := redis.Open(t.Context(), url, redis.Options{Strict: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, state.Close()) }()
	client, err := newClient(state)
	require.NoError(t, err)
	defer client.Close()
	id, err := Import.On(client).Start(t.Context(), Source{Rows: 3})
	require.NoError(t, err)

	cfg, err := encrypted(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	require.NotNil(t, cfg.Codec)

	cfg.Codec, cfg.Backend = nil, state
	worker := mntest.NewWith(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- work(ctx, worker) }()
	last, err := Import.On(client).Wait(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 3, last.Done)
	stop()
	require.NoError(t, <-done)

	// No worker process is launched by a main that starts nothing.
	called := errors.New("main was called")
	err = runOnRedis(t.Context(), url, func(context.Context) error { return called })
	require.ErrorIs(t, err, called)
}

func TestRedisPageOpensACluster(t *testing.T) {
	cluster := redistest.NewCluster(t)
	state, err := openCluster(t.Context(), cluster.Addrs())
	require.NoError(t, err)
	require.NoError(t, state.Close())
}

func TestNomadPage(t *testing.T) {
	// What runs on a cluster is tested in provisioner/nomad; here the configuration is checked.
	cfg := placed(30)
	require.Equal(t, "gpu", cfg.Pools["train"].NodePool)
	app := mntest.New(t, Import)
	require.NoError(t, deploy(t.Context(), app), "an app with local workers has nothing to deploy")
	other := mntest.New(t, Import)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, schedule(ctx, other))
	t.Setenv("REDIS_URL", "not a URL")
	require.Error(t, runOnNomad(t.Context(), []mn.Definition{Import}, nil))
}

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
}
