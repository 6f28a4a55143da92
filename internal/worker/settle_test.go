package worker

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

func TestSettleIsRepeatedWhileTheLeaseIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs(func(*Attempt) ([]byte, error) { return nil, nil }))
		tries, began := 0, time.Now()
		r.settle = func(backend.Settlement) error {
			tries++
			if time.Since(began) < 3*lease { // longer than a lease
				return errDown
			}
			return nil
		}
		go func() {
			for range 30 {
				pass2(2 * time.Second)
				if _, err := r.Sweep(t.Context(), 100); err != nil {
					t.Error(err)
				}
			}
		}()
		r.start("job", "a")
		require.Equal(t, backend.StatusRunning, r.task("a").Status)
		pass(4 * lease)
		require.Equal(t, backend.StatusSucceeded, r.task("a").Status)
		require.Greater(t, tries, 10)
		require.Zero(t, r.info("job").Slots)
	})
}

// pass2 is pass where another goroutine waits for the bubble.
func pass2(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
}

func TestSettleWhoseReplyIsLostCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		pool := jobs(func(*Attempt) ([]byte, error) { runs++; return nil, errors.New("no") })
		pool.Spec.Retries = 5
		r := newRig(t, pool)
		lost := 3
		r.settled = func() error {
			if lost--; lost >= 0 {
				return errDown
			}
			return nil
		}
		r.start("job", "a")
		pass(time.Minute)
		require.Equal(t, 1, runs, "Describe says that the error is permanent")
		require.Equal(t, backend.StatusFailed, r.task("a").Status)
		require.Equal(t, 1, r.task("a").Errors)
		require.Negative(t, lost)
	})
}

func TestSettleIsGivenUpWhenTheLeaseMustBeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs(func(*Attempt) ([]byte, error) { return nil, nil }))
		r.settle = func(backend.Settlement) error { return errDown }
		r.start("job", "a")
		pass(4*lease + time.Minute)
		require.Equal(t, backend.StatusFailed, r.task("a").Status, "its slot was given back: the task is lost")
		require.Equal(t, backend.CodeLost, r.task("a").Failure.Code)
	})
}

func TestEndOfAnAttempt(t *testing.T) {
	stop := func(r *rig, cause error) {
		for _, a := range r.running() {
			a.stop(cause)
		}
	}
	for name, c := range map[string]struct {
		handle  handler
		act     func(*rig)
		outcome backend.Outcome
		note    string
	}{
		"nil succeeds":    {handle: func(*Attempt) ([]byte, error) { return nil, nil }, outcome: backend.Succeeded},
		"an error fails":  {handle: func(*Attempt) ([]byte, error) { return nil, errors.New("no") }, outcome: backend.Failed, note: "no"},
		"a panic fails":   {handle: func(*Attempt) ([]byte, error) { panic("no") }, outcome: backend.Failed, note: "panic: no"},
		"Goexit fails":    {handle: func(*Attempt) ([]byte, error) { runtime.Goexit(); return nil, nil }, outcome: backend.Failed, note: ErrGoexit.Error()},
		"a fault fails":   {handle: func(a *Attempt) ([]byte, error) { a.Fail(errors.New("no")); return nil, nil }, outcome: backend.Failed, note: "no"},
		"a cancel gives":  {act: func(r *rig) { stop(r, errCancelled) }, outcome: backend.Released},
		"a drain gives":   {act: func(r *rig) { stop(r, errDraining) }, outcome: backend.Released},
		"a timeout fails": {act: func(*rig) { pass(time.Hour) }, outcome: backend.Failed, note: "timed out"},
		"the first cause stands": {act: func(r *rig) {
			stop(r, errTimeout)
			stop(r, errCancelled)
		}, outcome: backend.Failed, note: "timed out"},
		"a fault after a cause is none": {act: func(r *rig) {
			as := r.running()
			stop(r, errTimeout)
			as[0].Fail(errors.New("late"))
		}, outcome: backend.Failed, note: "timed out"},
		"a lost lease outdoes all": {act: func(r *rig) {
			as := r.running()
			as[0].stop(errTimeout)
			as[0].stop(errLost)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.handle == nil {
					c.handle = func(a *Attempt) ([]byte, error) {
						<-a.Context().Done()
						pass2(time.Second)
						return nil, errors.New("does not matter")
					}
				}
				r := newRig(t, jobs(c.handle))
				var ends []backend.Settlement
				r.settle = func(s backend.Settlement) error {
					ends = append(ends, s)
					return nil
				}
				r.submit("job", "a", 0)
				synctest.Wait()
				if c.act != nil {
					c.act(r)
				}
				pass(10 * time.Second)
				if c.outcome == 0 {
					require.Empty(t, ends, "somebody else decides")
					return
				}
				require.NotEmpty(t, ends)
				require.Equal(t, c.outcome, ends[0].Outcome)
				require.True(t, ends[0].Leave, "a job's worker executes one run")
				if c.note != "" {
					require.Equal(t, c.note, ends[0].Failure.Note)
				}
			})
		})
	}
}

func TestStackIsThatOfTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second *Attempt
		release := make(chan struct{})
		block := func() { <-release }
		r := newRig(t, jobs(func(a *Attempt) ([]byte, error) {
			if a.Lease.Task == "a" {
				first = a
				block()
			}
			second = a
			<-release
			return nil, nil
		}))
		r.start("job", "a")
		r.start("job", "b")
		require.Contains(t, first.stack(), "TestStackIsThatOfTheHandler.func1.1")
		require.NotEqual(t, first.stack(), second.stack())
		close(release)
		synctest.Wait()
		require.Equal(t, "not found", first.stack())
	})
}
