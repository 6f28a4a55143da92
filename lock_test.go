package mn_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

func lockKeys(t *testing.T, app *mn.App) (keys []string) {
	t.Helper()
	for l, err := range app.Locks(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, l.Key)
	}
	return keys
}

func TestLocksAreTakenAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("wait", obedient)
		app := mntest.New(t, job)
		j := job.On(app)
		holder := start(t, j, 0, mn.WithLock("b", "a"), mn.WithLock("b"))
		require.Equal(t, []string{"a", "b"}, get(t, j, holder).Locks, "a key given twice is held once")

		_, err := j.Start(t.Context(), 0, mn.WithLock("c", "b", "d"))
		require.ErrorIs(t, err, mn.ErrLockAlreadyInUse)
		var held *mn.LockError
		require.ErrorAs(t, err, &held)
		require.Equal(t, mn.LockError{Key: "b", Holder: holder}, *held)
		require.ErrorContains(t, err, string(holder))
		require.Equal(t, []string{"a", "b"}, lockKeys(t, app), "a refused start holds nothing")
		for id := range j.ListIDs(t.Context()) {
			require.Equal(t, holder, id, "a refused start stores nothing")
		}
		start(t, j, 0, mn.WithLock("c", "d"))
	})
}

// A lock is held while its job is PENDING, RUNNING or CANCELLING, and is free in the
// same moment in which the job's end can be read.
func TestLocksAreFreedExactlyWithTheEnding(t *testing.T) {
	type handler = func(ctx context.Context) error
	cancel := func(j *mn.Job[int, int], id mn.JobID) error { return j.Cancel(context.Background(), id) }
	for name, c := range map[string]struct {
		handle handler
		act    func(*mn.Job[int, int], mn.JobID) error
		faults []mntest.Fault
		status mn.Status
	}{
		"success":     {handle: func(context.Context) error { pass(time.Minute); return nil }, status: mn.Succeeded},
		"error":       {handle: func(context.Context) error { return errors.New("no") }, status: mn.Failed},
		"panic":       {handle: func(context.Context) error { panic("no") }, status: mn.Failed},
		"Goexit":      {handle: func(context.Context) error { runtime.Goexit(); return nil }, status: mn.Failed},
		"timeout":     {handle: func(ctx context.Context) error { <-ctx.Done(); return nil }, status: mn.Failed},
		"cancel":      {handle: func(ctx context.Context) error { <-ctx.Done(); pass(time.Minute); return nil }, act: cancel, status: mn.Cancelled},
		"worker lost": {handle: func(ctx context.Context) error { <-ctx.Done(); return nil }, faults: []mntest.Fault{mntest.KillAfterYield("locked", 1)}, status: mn.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := mn.NewJob("locked", func(ctx context.Context, _ int, yield func(int) bool) error {
					pass(time.Minute)
					yield(1)
					pass(time.Second)
					return c.handle(ctx)
				}, mn.Timeout(time.Hour+time.Minute))
				app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{job}}, c.faults...)
				j := job.On(app)
				id := start(t, j, 0, mn.WithLock("x", "y"))
				go func() {
					pass(time.Minute + 2*time.Second)
					if c.act != nil {
						_ = c.act(j, id)
					}
				}()
				var last mn.JobInfo[int]
				for info, err := range j.Watch(t.Context(), id) {
					require.NoError(t, err)
					last = info
					if info.Status.Terminal() {
						break
					}
					require.Equal(t, []string{"x", "y"}, info.Locks)
					require.Equal(t, []string{"x", "y"}, lockKeys(t, app))
				}
				require.Equal(t, c.status, last.Status)
				require.Empty(t, last.Locks)
				require.Empty(t, lockKeys(t, app))
				ended(t, j, start(t, j, 0, mn.WithLock("x", "y")))
			})
		})
	}
}

func TestRemovedJobFreesItsLocksWhenItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("slow", func(ctx context.Context, _ int, _ func(int) bool) error {
			<-ctx.Done()
			pass(time.Minute)
			return nil
		}, mn.MaxConcurrency(1))
		app := mntest.New(t, job)
		j := job.On(app)
		running, pending := start(t, j, 0, mn.WithLock("r")), start(t, j, 0, mn.WithLock("p"))
		require.NoError(t, j.Remove(t.Context(), running))
		require.NoError(t, j.Remove(t.Context(), pending))
		require.Equal(t, []string{"r"}, lockKeys(t, app))
		pass(time.Minute)
		settled()
		require.Empty(t, lockKeys(t, app))
	})
}

func TestOneOfManyConcurrentStartsGetsTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, job := memory.New(), mn.NewJob("wait", obedient)
		apps := []*mn.Job[int, int]{}
		for range 2 {
			apps = append(apps, job.On(mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}})))
		}
		var won, refused atomic.Int32
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				_, err := apps[i%2].Start(t.Context(), i, mn.WithLock("a", "b", "c"))
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, mn.ErrLockAlreadyInUse):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load())
		require.EqualValues(t, 99, refused.Load())
	})
}

func TestTryLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan []string)
		var answers log[error]
		job := mn.NewJob("tries", func(ctx context.Context, _ int, _ func(int) bool) error {
			for keys := range next {
				answers.add(mn.TryLock(ctx, keys...))
			}
			return nil
		})
		holder := mn.NewJob("wait", obedient)
		app := mntest.New(t, job, holder)
		other := start(t, holder.On(app), 0, mn.WithLock("taken"))
		id := start(t, job.On(app), 0, mn.WithLock("own"))
		try := func(keys ...string) error {
			next <- keys
			settled()
			all := answers.entries()
			return all[len(all)-1]
		}

		var held *mn.LockError
		require.ErrorAs(t, try("free", "taken"), &held)
		require.Equal(t, mn.LockError{Key: "taken", Holder: other}, *held)
		require.Equal(t, []string{"own", "taken"}, lockKeys(t, app), "all or none")
		require.NoError(t, try("free", "own", "free"))
		require.NoError(t, try("free"), "what it holds already is no error")
		require.Equal(t, []string{"free", "own"}, get(t, job.On(app), id).Locks)
		require.ErrorContains(t, try(), "at least one key")
		require.ErrorContains(t, try("fine", ""), "lock key")
		require.Equal(t, []string{"free", "own", "taken"}, lockKeys(t, app))
		close(next)
		ended(t, job.On(app), id)
		require.Equal(t, []string{"taken"}, lockKeys(t, app))
	})
}

func TestTryLockIsForRunningJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := mn.NewFunction("f", func(ctx context.Context, _ int) (string, error) {
			return fmt.Sprint(mn.TryLock(ctx, "l")), nil
		})
		var stopped, cleanup error
		job := mn.NewJob("stopped", func(ctx context.Context, _ int, _ func(int) bool) error {
			<-ctx.Done()
			stopped = mn.TryLock(ctx, "l")
			cleanup = mn.TryLock(mn.CleanupContext(ctx), "l")
			return nil
		})
		app := mntest.New(t, f, job)
		require.ErrorContains(t, mn.TryLock(app.Context(t.Context()), "l"), "in a job's handler")
		said, err := f.On(app).Call(t.Context(), 0)
		require.NoError(t, err)
		require.Contains(t, said, "in a job's handler")

		id := start(t, job.On(app), 0)
		require.NoError(t, job.On(app).Cancel(t.Context(), id))
		ended(t, job.On(app), id)
		require.ErrorIs(t, stopped, mn.ErrJobCancelled)
		require.NoError(t, cleanup)
		require.Empty(t, lockKeys(t, app))
	})
}

func TestFencingTokenGrowsWithEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tokens log[uint64]
		job := mn.NewJob("fenced", func(ctx context.Context, _ int, _ func(int) bool) error {
			tokens.add(mn.FencingToken(ctx))
			return errors.New("again")
		}, mn.Retries(4))
		j := job.On(mntest.New(t, job))
		ended(t, j, start(t, j, 0))
		ended(t, j, start(t, j, 0))
		require.Len(t, tokens.entries(), 10)
		require.IsIncreasing(t, tokens.entries())
		require.Positive(t, tokens.entries()[0])
	})
}

func TestLocksListsAllKeysInOrderWithTheirHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := mn.NewJob("wait", obedient, mn.MaxConcurrency(2))
		app := mntest.New(t, job)
		j := job.On(app)
		want := map[string]mn.JobID{}
		for i := range 5 {
			keys := make([]string, 51) // 255 in all: three pages
			for k := range keys {
				keys[k] = fmt.Sprintf("key/%03d", k*5+i)
			}
			id := start(t, j, i, mn.WithLock(keys...))
			for _, key := range keys {
				want[key] = id
			}
		}
		var keys []string
		for l, err := range app.Locks(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, want[l.Key], l.Holder)
			keys = append(keys, l.Key)
		}
		require.IsIncreasing(t, keys)
		require.Len(t, keys, 255)
		for range app.Locks(t.Context()) {
			break
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range app.Locks(gone) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}
