package mntest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
}

// counting yields 1 to n, from where an earlier attempt stopped, a second apart.
func counting(ctx context.Context, n int, yield func(int) bool) error {
	last, _ := mn.LastYield[int](ctx)
	for i := last + 1; i <= n; i++ {
		if !yield(i) {
			return context.Cause(ctx)
		}
		pass(time.Second)
	}
	return nil
}

func run(t *testing.T, j *mn.Job[int, int], n int) mn.JobInfo[int] {
	t.Helper()
	id, err := j.Start(t.Context(), n)
	require.NoError(t, err)
	_, _ = j.Wait(t.Context(), id)
	info, err := j.Get(t.Context(), id)
	require.NoError(t, err)
	return info
}

func TestHoursPassInABubble(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("count", counting, mn.Timeout(24*time.Hour))
		info := run(t, job.On(mntest.New(t, job)), 4*3600)
		require.Equal(t, mn.Succeeded, info.Status)
		require.Equal(t, 4*time.Hour, info.Ended.Sub(info.Started))
	})
	require.Less(t, time.Since(began), time.Minute)
}

func TestWorksWithoutABubble(t *testing.T) {
	job := mn.NewJob("count", counting)
	require.Equal(t, mn.Succeeded, run(t, job.On(mntest.New(t, job)), 0).Status)
}

func TestAppIsClosedWithTheTest(t *testing.T) {
	var app *mn.App
	var job *mn.Job[int, int]
	stopped := make(chan error, 1)
	t.Run("inner", func(t *testing.T) {
		job = mn.NewJob("wait", func(ctx context.Context, _ int, yield func(int) bool) error {
			yield(1)
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return nil
		})
		app = mntest.New(t, job)
		id, err := job.On(app).Start(t.Context(), 0)
		require.NoError(t, err)
		for info := range job.On(app).Watch(t.Context(), id) {
			if info.Yields == 1 {
				break
			}
		}
	})
	require.ErrorIs(t, <-stopped, mn.ErrDraining)
	_, err := job.On(app).Start(t.Context(), 0)
	require.ErrorIs(t, err, mn.ErrAppClosed)
}

// recorder is a test that may fail without harm.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.failed = args[0].(error).Error()
	panic(r)
}

func TestFaultyConfigurationIsFatal(t *testing.T) {
	r := &recorder{TB: t}
	require.Panics(t, func() { mntest.New(r) })
	require.Contains(t, r.failed, "Config.Definitions is empty")
}

func TestKilledWorkerIsLostOnce(t *testing.T) {
	for name, opts := range map[string][]mn.JobOption{"conflated": nil, "sync": {mn.SyncYields()}, "kept": {mn.KeepYields(9)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := mn.NewJob("count", counting, opts...)
				other := mn.NewJob("other", counting, opts...)
				app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job, other}}, mntest.KillAfterYield("count", 3))
				require.Equal(t, mn.Succeeded, run(t, other.On(app), 5).Status, "other jobs are left alone")
				require.Equal(t, mn.Succeeded, run(t, job.On(app), 2).Status, "the yield was not reached")

				killed := run(t, job.On(app), 5)
				require.Equal(t, mn.Failed, killed.Status)
				require.ErrorIs(t, killed.Error, mn.ErrWorkerLost)
				require.EqualValues(t, 3, killed.Yields, "the yield itself is stored")

				require.Equal(t, mn.Succeeded, run(t, job.On(app), 5).Status)
			})
		})
	}
}

func TestWorkerIsAlsoKilledByALaterYieldThatComesWithTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("burst", func(ctx context.Context, n int, yield func(int) bool) error {
			for i := range n {
				yield(i)
			}
			return nil
		}, mn.Retries(1))
		app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.KillAfterYield("burst", 50))
		info := run(t, job.On(app), 100)
		require.Equal(t, mn.Succeeded, info.Status)
		require.Equal(t, 2, info.Attempt)
	})
}

func TestDroppedHeartbeatsAreCounted(t *testing.T) {
	for drops, want := range map[int]mn.Status{1: mn.Succeeded, 2: mn.Succeeded, 3: mn.Failed} {
		synctest.Test(t, func(t *testing.T) {
			job := mn.NewJob("count", counting)
			app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, mntest.DropHeartbeats(drops))
			require.Equal(t, want, run(t, job.On(app), 60).Status, "%d drops", drops)
			require.Equal(t, mn.Succeeded, run(t, job.On(app), 60).Status, "afterwards all is well")
		})
	}
}

func TestFaultsOfOneAppAreNotThoseOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		job := mn.NewJob[int, int]("where", nil, mn.MaxConcurrency(100))
		job.Handle(func(ctx context.Context, n int, yield func(int) bool) error {
			for i := range n {
				if !yield(i) {
					return context.Cause(ctx)
				}
				pass(time.Second)
			}
			return errors.New("ran to its end")
		})
		faulty := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}}, mntest.DropHeartbeats(1000))
		healthy := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}})
		require.ErrorIs(t, run(t, job.On(faulty), 60).Error, mn.ErrWorkerLost)
		require.ErrorContains(t, run(t, job.On(healthy), 60).Error, "ran to its end")
	})
}
