package mn_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
)

func TestMaxWorkersHoldsUnderManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy, most atomic.Int64
		f := mn.NewFunction("busy", func(context.Context, int) (int, error) {
			most.Store(max(most.Load(), busy.Add(1)))
			pass(time.Second)
			busy.Add(-1)
			return 0, nil
		}, mn.MaxWorkers(7))
		p := newPlace(t)
		// Two apps share the limit.
		apps := []*mn.App{p.app(f), p.app(f)}
		var futures []*mn.Future[int]
		for i := range 200 {
			futures = append(futures, f.On(apps[i%2]).Go(t.Context(), i))
		}
		settled()
		assert.Equal(t, 7, p.pool(f).Slots)
		assert.Equal(t, 193, p.pool(f).Pending)
		for _, fut := range futures {
			_, err := fut.Wait(t.Context())
			require.NoError(t, err)
		}
		assert.EqualValues(t, 7, most.Load())
	})
}

func TestSpareWorkersAreReadyFromTheStartAndAfterUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("spared", func(_ context.Context, n int) (int, error) {
			pass(time.Second)
			return n, nil
		}, mn.SpareWorkers(2), mn.MaxWorkers(5), mn.Cooldown(time.Minute))
		p := newPlace(t)
		machines := newFragile()
		app := mntest.NewWith(t, mn.Config{Backend: p, Provisioner: machines, Definitions: []mn.Definition{f}})
		settled()
		assert.Equal(t, 2, p.pool(f).Idle, "before the first call")
		call := f.On(app).Go(t.Context(), 1)
		settled()
		assert.Equal(t, 2, p.pool(f).Idle, "a worker came for the one in use")
		_, err := call.Wait(t.Context())
		require.NoError(t, err)
		settled()
		assert.Equal(t, 3, p.pool(f).Idle)
		pass(time.Hour)
		assert.Equal(t, 2, p.pool(f).Idle)
		assert.Len(t, machines.launched.entries(), 3, "spares stay, rather than be replaced")
	})
}

func TestSparesCountWithinMaxWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("spared", func(_ context.Context, n int) (int, error) {
			pass(time.Second)
			return n, nil
		}, mn.SpareWorkers(2), mn.MaxWorkers(2))
		p := newPlace(t)
		app := p.app(f)
		call := f.On(app).Go(t.Context(), 1)
		settled()
		assert.Equal(t, 2, p.pool(f).Slots)
		_, err := call.Wait(t.Context())
		require.NoError(t, err)
	})
}

func TestIdleWorkersLeaveExactlyAfterTheirCooldown(t *testing.T) {
	for _, cooldown := range []time.Duration{0, time.Millisecond, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := mn.NewFunction("cooling", func(_ context.Context, n int) (int, error) { return n, nil }, mn.Cooldown(cooldown))
			p := newPlace(t)
			app := p.app(f)
			collect(t, f.On(app).Map(t.Context(), upTo(50)))
			if cooldown > 0 {
				pass(cooldown / 2)
				_, err := f.On(app).Call(t.Context(), 1) // keeps one worker, the others go on cooling
				require.NoError(t, err)
				pass(cooldown - cooldown/2)
				settled()
				assert.Equal(t, 1, p.pool(f).Slots)
				pass(cooldown/2 - 1)
				assert.Equal(t, 1, p.pool(f).Slots, "a nanosecond before")
				pass(1)
			}
			settled()
			assert.Zero(t, p.pool(f).Slots)
		})
	}
}

func TestWarmWorkersAreUsedAgain(t *testing.T) {
	machines := newFragile()
	app := mntest.NewWith(t, mn.Config{Provisioner: machines, Definitions: []mn.Definition{double}})
	for range 100 {
		_, err := double.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
	}
	// A call may find the worker of the last one on its way back.
	assert.Less(t, len(machines.launched.entries()), 20)
}

func TestQuotaBoundsAllPoolsTogetherAndEvictsIdleWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := func(_ context.Context, n int) (int, error) { pass(time.Second); return n, nil }
		a := mn.NewFunction("a", second, mn.CPU(1))
		b := mn.NewFunction("b", second, mn.CPU(2))
		p := newPlace(t)
		app := mntest.NewWith(t, mn.Config{
			Backend: p, Definitions: []mn.Definition{a, b}, Quota: mn.Quota{CPU: 4},
		})
		used := func() float64 { return p.cpus(map[string]float64{"a": 1, "b": 2}) }
		began := time.Now()
		collect(t, a.On(app).Map(t.Context(), upTo(8)))
		assert.Equal(t, 2*time.Second, time.Since(began).Truncate(time.Second), "four at a time")
		assert.Equal(t, 4, p.pool(a).Idle)
		began = time.Now()
		collect(t, b.On(app).Map(t.Context(), upTo(4)))
		assert.Equal(t, 2*time.Second, time.Since(began).Truncate(time.Second), "idle workers made room at once for two")
		assert.LessOrEqual(t, used(), 4.0)
		assert.Equal(t, 2, p.pool(b).Idle)
		mixed := []*mn.Future[int]{}
		for i := range 6 {
			mixed = append(mixed, a.On(app).Go(t.Context(), i), b.On(app).Go(t.Context(), i))
		}
		settled()
		assert.LessOrEqual(t, used(), 4.0)
		for _, fut := range mixed {
			_, err := fut.Wait(t.Context())
			require.NoError(t, err)
			assert.LessOrEqual(t, used(), 4.0)
		}
	})
}

func TestQuotaOfMemoryIsTheReasonOfWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("big", obedient, mn.Memory(3*mn.GiB))
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}, Quota: mn.Quota{Memory: 4 * mn.GiB}})
		first := start(t, job.On(app), 1)
		second := start(t, job.On(app), 2)
		assert.Equal(t, "quota of the app has no room for 0.1 CPU and 3072 MiB more", get(t, job.On(app), second).Reason)
		require.NoError(t, job.On(app).Cancel(t.Context(), first))
		settled()
		assert.Equal(t, mn.Running, get(t, job.On(app), second).Status)
	})
}

func TestLaptopRunsAFunctionOfSixteenCPU(t *testing.T) {
	f := mn.NewFunction("large", func(_ context.Context, n int) (int, error) { return n, nil }, mn.CPU(16), mn.Memory(512*mn.GiB))
	out, err := f.On(mntest.New(t, f)).Call(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, 1, out)
}

func TestWhatNoMachineHasIsTheReasonOfWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("large", obedient, mn.CPU(16))
		app := mntest.NewWith(t, mn.Config{
			Definitions: []mn.Definition{job, double}, Provisioner: local.New(local.Limit(4, 0)),
		})
		id := start(t, job.On(app), 1)
		info := get(t, job.On(app), id)
		assert.Equal(t, mn.Pending, info.Status)
		assert.Equal(t, "no node has 16 CPU (this machine's limit is 4)", info.Reason)
		pass(time.Hour)
		assert.Equal(t, "no node has 16 CPU (this machine's limit is 4)", get(t, job.On(app), id).Reason)
		// Others are not in its way.
		out, err := double.On(app).Call(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, 2, out)
		require.NoError(t, job.On(app).Cancel(t.Context(), id))
		assert.Equal(t, mn.Cancelled, get(t, job.On(app), id).Status)
	})
}

func TestRefusedWorkComesWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hour := func(ctx context.Context, _ int, _ func(int) bool) error {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Minute):
			}
			return nil
		}
		large := mn.NewJob("large", hour, mn.CPU(3))
		small := mn.NewJob("small", hour, mn.CPU(2))
		app := mntest.NewWith(t, mn.Config{
			Definitions: []mn.Definition{large, small}, Provisioner: local.New(local.Limit(4, 0)),
		})
		first := start(t, large.On(app), 1)
		second := start(t, small.On(app), 1)
		third := start(t, small.On(app), 1)
		assert.Equal(t, mn.Running, get(t, large.On(app), first).Status)
		assert.Equal(t, "no node has 2 CPU free (3 of 4 in use)", get(t, small.On(app), second).Reason)
		pass(10*time.Minute + 35*time.Second) // the longest rest after refusals, and a sweep
		settled()
		for _, id := range []mn.JobID{second, third} {
			info := get(t, small.On(app), id)
			assert.Equal(t, mn.Running, info.Status)
			assert.Empty(t, info.Reason)
		}
	})
}

func TestRefusedCallsWaitAndCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("wide", func(_ context.Context, n int) (int, error) { pass(time.Second); return n, nil }, mn.CPU(1))
		app := mntest.NewWith(t, mn.Config{
			Definitions: []mn.Definition{f}, Provisioner: local.New(local.Limit(3, 0)),
		})
		began := time.Now()
		assert.Len(t, collect(t, f.On(app).Map(t.Context(), upTo(30))), 30)
		assert.Equal(t, 10*time.Second, time.Since(began).Truncate(time.Second), "three at a time")
	})
}

func TestAppWithoutProvisionerLaunchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		client := mntest.NewWith(t, mn.Config{Backend: p, Definitions: []mn.Definition{double}, Provisioner: provisioner.None})
		call := double.On(client).Go(t.Context(), 4)
		pass(time.Hour)
		pool := p.pool(double)
		assert.Equal(t, 1, pool.Pending)
		assert.Zero(t, pool.Slots)
		p.app(double)
		out, err := call.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 8, out)
	})
}
