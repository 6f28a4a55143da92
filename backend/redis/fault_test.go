package redis_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/redistest"
)

func TestFlushedScriptsUnderLoadAreLoadedAgain(t *testing.T) {
	s := redistest.New(t)
	app, root := appOn(t, plain(t, s.Addr(), nil)), redistest.NewAdmin(t, s.Addr())
	l := startLoad(t, app, nil)
	for range 20 {
		require.NoError(t, root.ScriptFlush(t.Context()).Err())
		calls := l.calls.Load()
		require.Eventually(t, func() bool { return l.calls.Load() > calls }, patience, time.Millisecond)
	}
	l.progress()
	l.finish()
}

// Everything is on disk before it is answered, so nothing may be lost or done twice.
func TestARestartUnderLoadWithAnAppendOnlyFileLosesNothing(t *testing.T) {
	s := redistest.New(t, "--appendonly", "yes", "--appendfsync", "always")
	app := appOn(t, plain(t, s.Addr(), nil))
	job := tick.On(app)
	held, err := job.Start(t.Context(), 1_000_000, mn.WithLock("held"))
	require.NoError(t, err)
	l := startLoad(t, app, nil)
	for range 3 {
		s.Kill()
		s.Up()
		l.progress()
	}
	l.finish()
	info, err := job.Get(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, mn.Running, info.Status)
	require.Equal(t, 1, info.Attempt)
}

// An outage longer than every lease: attempts are given up and run again, by themselves.
func TestAfterAnOutageLongerThanALeaseEverythingGoesOn(t *testing.T) {
	s := redistest.New(t, "--appendonly", "yes", "--appendfsync", "always")
	app := appOn(t, plain(t, s.Addr(), nil))
	job := tick.On(app)
	long, err := job.Start(t.Context(), 1_000_000, mn.WithLock("held"))
	require.NoError(t, err)
	var waiters sync.WaitGroup
	ended := make(chan error, 10)
	for range 10 { // who waits sees nothing of the outage
		waiters.Go(func() {
			_, err := job.Wait(t.Context(), long)
			ended <- err
		})
	}
	watchUntil(t, app, long, func(info mn.JobInfo[int]) bool { return info.Yields > 10 })
	s.Kill()
	passed := time.NewTimer(swift.Lease + swift.Margin + time.Second)
	<-passed.C // the outage itself
	s.Up()
	before := uint64(0)
	watchUntil(t, app, long, func(info mn.JobInfo[int]) bool {
		if info.Attempt == 1 {
			before = info.Yields
		}
		return info.Attempt == 2 && info.Yields > before+10 // from where it was
	})
	works(t, app)
	require.NoError(t, job.Cancel(t.Context(), long))
	waiters.Wait()
	for range 10 {
		require.ErrorIs(t, <-ended, mn.ErrJobCancelled)
	}
}

// watchUntil follows a job until a state holds.
func watchUntil(t *testing.T, app *mn.App, id mn.JobID, holds func(mn.JobInfo[int]) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for info, err := range tick.On(app).Watch(ctx, id) {
		require.NoError(t, err)
		if holds(info) {
			return
		}
	}
	t.Fatal("the job ended before")
}

// A server that is stopped accepts connections and bytes, and says nothing.
func TestAServerThatFreezesForAWhileLosesNothing(t *testing.T) {
	s := redistest.New(t)
	app := appOn(t, plain(t, s.Addr(), nil))
	l := startLoad(t, app, nil)
	s.Stop()
	frozen := time.NewTimer(swift.Lease / 2)
	<-frozen.C // the fault itself
	s.Continue()
	l.progress()
	l.finish()
}

func TestHalfOpenConnectionsAreGivenUpAndReplaced(t *testing.T) {
	s := redistest.New(t)
	p := redistest.NewProxy(t, s.Addr())
	app := appOn(t, plain(t, s.Addr(), p.Dial))
	job := tick.On(app)
	held, err := job.Start(t.Context(), 1_000_000, mn.WithLock("held"))
	require.NoError(t, err)
	waited := make(chan error, 1)
	go func() {
		_, err := job.Wait(t.Context(), held)
		waited <- err
	}()
	works(t, app)
	p.HalfOpen()
	begin := time.Now()
	works(t, app) // commands
	t.Logf("works again after %s", time.Since(begin))
	require.NoError(t, job.Cancel(t.Context(), held))
	select { // messages, and a wait that was there before
	case err := <-waited:
		require.ErrorIs(t, err, mn.ErrJobCancelled)
	case <-time.After(patience):
		t.Fatal("a wait from before hangs")
	}
	l := startLoad(t, app, nil)
	l.finish()
	require.Less(t, time.Since(begin), 20*time.Second)
}

// Requests are carried out and their replies lost, in a third of the time. Every step is
// repeated and must answer as the first time.
func TestLostRepliesLoseAndRepeatNothing(t *testing.T) {
	s := redistest.New(t)
	p := redistest.NewProxy(t, s.Addr())
	app := appOn(t, plain(t, s.Addr(), p.Dial))
	l := startLoad(t, app, nil)
	begin := time.Now()
	for range 10 {
		p.LoseReplies(5)
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // how long replies are lost: the fault itself
		p.Heal()
		calls := l.calls.Load()
		require.Eventually(t, func() bool { return l.calls.Load() > calls }, patience, time.Millisecond)
	}
	require.Less(t, time.Since(begin), 8*time.Second, "what was lost is found at once, not when its turn comes")
	l.progress()
	l.finish()
}

// The connection for messages is closed again and again, with what was under way on it.
func TestLostMessagesAreMadeUpFor(t *testing.T) {
	s := redistest.New(t)
	one, other := appOn(t, plain(t, s.Addr(), nil)), appOn(t, plain(t, s.Addr(), nil))
	root := redistest.NewAdmin(t, s.Addr())
	l, m := startLoad(t, one, nil), startLoad(t, other, nil)
	killed := int64(0)
	for range 10 {
		n, err := root.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
		require.NoError(t, err)
		killed += n
		calls := l.calls.Load()
		require.Eventually(t, func() bool { return l.calls.Load() > calls+10 }, patience, time.Millisecond)
	}
	require.Greater(t, killed, int64(5))
	l.progress()
	m.progress()
	l.finish()
	m.finish()
}

func TestFullMemoryUnderLoadIsBackpressureAndNothingElse(t *testing.T) {
	s := redistest.New(t)
	app, root := appOn(t, plain(t, s.Addr(), nil)), redistest.NewAdmin(t, s.Addr())
	job := tick.On(app)
	held, err := job.Start(t.Context(), 1_000_000, mn.WithLock("held"))
	require.NoError(t, err)
	watchUntil(t, app, held, func(info mn.JobInfo[int]) bool { return info.Yields > 0 })
	l := startLoad(t, app, func(err error) bool {
		if !errors.Is(err, mn.ErrBackpressure) {
			return false
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // a program that is told to wait waits
		return true
	})
	require.NoError(t, root.ConfigSet(t.Context(), "maxmemory", "1").Err())
	require.Eventually(t, func() bool { return l.lost.Load() > 100 }, patience, time.Millisecond)
	info, err := job.Get(t.Context(), held)
	require.NoError(t, err)
	full := info.Yields
	watchUntil(t, app, held, func(info mn.JobInfo[int]) bool { return info.Yields > full+10 && info.Attempt == 1 })
	over := time.NewTimer(swift.Lease + swift.Margin)
	<-over.C // heartbeats must go through for longer than a lease
	info, err = job.Get(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, mn.Running, info.Status)
	require.Equal(t, 1, info.Attempt)
	require.NoError(t, job.Cancel(t.Context(), held))
	_, err = job.Wait(t.Context(), held)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	require.NoError(t, job.Remove(t.Context(), held))
	require.NoError(t, root.ConfigSet(t.Context(), "maxmemory", "0").Err())
	l.progress()
	l.finish()
}
