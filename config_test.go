package mn_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner/local"
)

func nothing(context.Context, int) (int, error) { return 0, nil }

func TestNewNamesEachFaultOfTheConfiguration(t *testing.T) {
	f := func(opts ...mn.FunctionOption) mn.Definition { return mn.NewFunction("f", nothing, opts...) }
	j := func(opts ...mn.JobOption) mn.Definition { return mn.NewJob("j", obedient, opts...) }
	one := func(d mn.Definition) mn.Config { return mn.Config{Name: "app", Definitions: []mn.Definition{d}} }
	timing := func(change func(*mn.Timing)) mn.Config {
		c := one(f())
		c.Timing = mn.DefaultTiming
		change(&c.Timing)
		return c
	}
	with := func(change func(*mn.Config)) mn.Config {
		c := one(f(mn.CPU(2), mn.Memory(mn.GiB)))
		change(&c)
		return c
	}
	for _, c := range []struct {
		cfg  mn.Config
		says string
	}{
		{mn.Config{Definitions: []mn.Definition{f()}}, `Config.Name ""`},
		{mn.Config{Name: "a b", Definitions: []mn.Definition{f()}}, `Config.Name "a b": use 1 to 128 letters`},
		{mn.Config{Name: strings.Repeat("x", 129), Definitions: []mn.Definition{f()}}, "Config.Name"},
		{mn.Config{Name: "app"}, "Config.Definitions is empty"},
		{one(nil), "Config.Definitions[0] is nil"},
		{one((*mn.Function[int, int])(nil)), "Config.Definitions[0] is nil"},
		{one((*mn.Job[int, int])(nil)), "Config.Definitions[0] is nil"},
		{one(mn.NewFunction("", nothing)), `function name "": use 1 to 128 letters`},
		{one(mn.NewFunction("naïve", nothing)), `function name "naïve"`},
		{one(mn.NewFunction("a/b", nothing)), `function name "a/b"`},
		{one(mn.NewFunction("a\n", nothing)), `function name "a\n"`},
		{one(mn.NewJob(strings.Repeat("x", 129), obedient)), `job name "xxx`},
		{mn.Config{Name: "app", Definitions: []mn.Definition{f(), f()}}, `two definitions are named "f"`},
		{mn.Config{Name: "app", Definitions: []mn.Definition{f(), mn.NewJob("f", obedient)}}, `two definitions are named "f"`},

		{one(f(mn.CPU(0))), `function "f": CPU(0)`},
		{one(f(mn.CPU(-1))), `CPU(-1)`},
		{one(f(mn.CPU(math.NaN()))), `CPU(NaN)`},
		{one(f(mn.CPU(math.Inf(1)))), `CPU(+Inf)`},
		{one(f(mn.CPU(10_001))), `CPU(10001)`},
		{one(f(mn.Memory(512))), `Memory(512 B) must be from 1 MiB to`},
		{one(f(mn.Memory(-mn.GiB))), `Memory(-1 GiB)`},
		{one(f(mn.Memory(2 << 20 * mn.GiB))), `Memory(`},
		{one(j(mn.Timeout(0))), `job "j": Timeout(0s)`},
		{one(j(mn.Timeout(15))), `Timeout(15ns) must be from 1ms`},
		{one(j(mn.Timeout(366 * 24 * time.Hour))), `Timeout(8784h0m0s)`},
		{one(j(mn.CancellationGrace(-1))), `CancellationGrace(-1ns)`},
		{one(f(mn.Cooldown(-1))), `Cooldown(-1ns)`},
		{one(f(mn.Backoff(-1, 0))), `Backoff(-1ns)`},
		{one(f(mn.Backoff(time.Minute, time.Second))), `Backoff(1s) must be from 1m0s`},
		{one(j(mn.Retries(-1))), `Retries(-1)`},
		{one(j(mn.Retries(1_000_001))), `Retries(1000001)`},
		{one(j(mn.MaxPending(-1))), `MaxPending(-1)`},
		{one(j(mn.MaxConcurrency(0))), `(0) must be from 1`},
		{one(j(mn.KeepYields(-1))), `KeepYields(-1)`},
		{one(f(mn.MaxWorkers(0))), `(0) must be from 1`},
		{one(f(mn.SpareWorkers(-1))), `SpareWorkers(-1)`},
		{one(f(mn.SpareWorkers(3), mn.MaxWorkers(2))), `SpareWorkers(3) exceeds MaxWorkers(2)`},

		{with(func(c *mn.Config) { c.PayloadLimit = -1 }), "Config.PayloadLimit(-1 B)"},
		{with(func(c *mn.Config) { c.PayloadLimit = 2 * mn.GiB }), "Config.PayloadLimit(2 GiB)"},
		{with(func(c *mn.Config) { c.Quota.CPU = -1 }), "Config.Quota"},
		{with(func(c *mn.Config) { c.Quota.CPU = math.NaN() }), "Config.Quota"},
		{with(func(c *mn.Config) { c.Quota.Memory = -1 }), "Config.Quota"},
		{with(func(c *mn.Config) { c.Quota.CPU = 1 }), `function "f" asks for 2 CPU and 1 GiB, more than Config.Quota allows`},
		{with(func(c *mn.Config) { c.Quota.Memory = mn.MiB }), "more than Config.Quota allows"},
		{timing(func(x *mn.Timing) { x.Lease = 0 }), "Config.Timing"},
		{timing(func(x *mn.Timing) { x.Sweep = -1 }), "Config.Timing"},
		{timing(func(x *mn.Timing) { x.Drain = 2 * time.Hour }), "Config.Timing"},
		{timing(func(x *mn.Timing) { x.Heartbeat = 6 * time.Second }), "Heartbeat (6s) must be at most a third of Lease (15s)"},
	} {
		t.Run(c.says, func(t *testing.T) {
			_, err := mn.New(c.cfg)
			require.ErrorContains(t, err, c.says)
			assert.True(t, strings.HasPrefix(err.Error(), "mn: "), err)
			assert.NotContains(t, err.Error(), "faults", "it is the only one")
		})
	}
}

func TestNewListsAllFaultsAtOnce(t *testing.T) {
	_, err := mn.New(mn.Config{
		Name: "",
		Definitions: []mn.Definition{
			nil,
			mn.NewJob("a b", obedient, mn.CPU(-1), mn.Retries(-1)),
			mn.NewFunction("f", nothing, mn.MaxWorkers(0)),
		},
		PayloadLimit: -1,
	})
	require.ErrorContains(t, err, "mn: 7 faults in the configuration:")
	for _, part := range []string{"Config.Name", "Definitions[0]", "a b", "CPU", "Retries", "MaxWorkers", "PayloadLimit"} {
		assert.ErrorContains(t, err, part)
	}
	assert.Equal(t, 7, strings.Count(err.Error(), "\n  - "))
}

func TestBoundsOfSettingsAreAllowed(t *testing.T) {
	mntest.New(t,
		mn.NewJob(strings.Repeat("x", 128), obedient, mn.CPU(10_000), mn.Memory(mn.MiB), mn.Timeout(time.Millisecond),
			mn.CancellationGrace(0), mn.Backoff(0, 0), mn.MaxConcurrency(1), mn.KeepYields(0), mn.MaxPending(0)),
		mn.NewFunction("A-Z_a.z-0", nothing, mn.CPU(0.001), mn.Memory(1<<20*mn.GiB), mn.Timeout(365*24*time.Hour),
			mn.Cooldown(0), mn.SpareWorkers(2), mn.MaxWorkers(2), mn.Retries(1_000_000)),
	)
}

func TestAppThatFailsToOpenItsProvisionerIsNotMade(t *testing.T) {
	shared := local.New()
	mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{double}, Provisioner: shared})
	_, err := mn.New(mn.Config{Name: "second", Definitions: []mn.Definition{double}, Provisioner: shared})
	require.ErrorContains(t, err, `mn: app "second": local: the provisioner serves another app already`)
}

func TestHandlersLoggerNamesTheTask(t *testing.T) {
	var out bytes.Buffer
	f := mn.NewFunction("logs", func(ctx context.Context, _ int) (string, error) {
		mn.Logger(ctx).Info("here")
		return mn.TaskID(ctx), nil
	})
	app := mntest.NewWith(t, mn.Config{
		Definitions: []mn.Definition{f}, Logger: slog.New(slog.NewJSONHandler(&out, nil)).With("mine", 1),
	})
	id, err := f.On(app).Call(t.Context(), 1)
	require.NoError(t, err)
	line := out.String()
	for _, attr := range []string{
		`"msg":"here"`, `"mine":1`, `"mn.kind":"function"`, `"mn.name":"logs"`, `"mn.id":"` + id + `"`, `"mn.attempt":1`,
	} {
		assert.Contains(t, line, attr)
	}
	assert.Same(t, slog.Default(), mn.Logger(t.Context()), "outside of handlers")
	assert.NotSame(t, slog.Default(), mn.Logger(app.Context(t.Context())), "with the app's context it is the app's")
}

func TestContextFunctionsOutsideAHandler(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, mn.CleanupContext(ctx).Err())
	assert.Equal(t, 1, mn.Attempt(ctx))
	assert.Empty(t, mn.TaskID(ctx))
	assert.Zero(t, mn.FencingToken(ctx))
	_, ok := mn.LastYield[int](ctx)
	assert.False(t, ok)
	require.Error(t, mn.TryLock(ctx, "key"))
}

func TestPayloadLimitIsCheckedWhereValuesAreMade(t *testing.T) {
	text := mn.NewFunction("text", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
	size := mn.NewFunction("size", func(_ context.Context, s string) (int, error) { return len(s), nil })
	long := mn.NewFunction("long", func(_ context.Context, n int) (int, error) { return 0, errors.New(strings.Repeat("y", n)) })
	app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{text, size, long}, PayloadLimit: mn.KiB})
	const fits = 1024 - 2 // with quotes

	n, err := size.On(app).Call(t.Context(), strings.Repeat("x", fits))
	require.NoError(t, err)
	assert.Equal(t, fits, n)
	_, err = size.On(app).Call(t.Context(), strings.Repeat("x", fits+1))
	require.ErrorIs(t, err, mn.ErrPayloadTooLarge)
	assert.ErrorContains(t, err, `"in" of function "size" has 1025 bytes, the limit is 1 KiB`)

	s, err := text.On(app).Call(t.Context(), fits)
	require.NoError(t, err)
	assert.Len(t, s, fits)
	_, err = text.On(app).Call(t.Context(), fits+1)
	var run *mn.RunError
	require.ErrorAs(t, err, &run)
	assert.Contains(t, run.Message, `payload too large: "out" of function "text" has 1025 bytes`)

	_, err = long.On(app).Call(t.Context(), 10_000)
	require.ErrorAs(t, err, &run)
	assert.Equal(t, strings.Repeat("y", 256)+"…", run.Message, "an error's text is clipped")
}

func TestDefaultPayloadLimitIsOneMiB(t *testing.T) {
	size := mn.NewFunction("size", func(_ context.Context, s string) (int, error) { return len(s), nil })
	f := size.On(mntest.New(t, size))
	_, err := f.Call(t.Context(), strings.Repeat("x", 1<<20-2))
	require.NoError(t, err)
	_, err = f.Call(t.Context(), strings.Repeat("x", 1<<20-1))
	require.ErrorIs(t, err, mn.ErrPayloadTooLarge)
}
