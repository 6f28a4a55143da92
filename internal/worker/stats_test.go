package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
)

func TestAttemptsAreCountedByTheirOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, jobs(func(a *Attempt) ([]byte, error) {
			time.Sleep(time.Second) //nolint:forbidigo // synctest clock
			switch a.Lease.Task {
			case "fails":
				return nil, errors.New("as told")
			case "panics":
				panic("as told")
			case "hangs":
				<-a.Context().Done()
			}
			return nil, nil
		}))
		for _, id := range []string{"well", "fails", "panics", "hangs"} {
			r.start("job", id)
		}
		pass(2 * time.Second)
		_, err := r.Store().Cancel(t.Context(), []string{"hangs"})
		require.NoError(t, err)
		pass(time.Second)
		require.Zero(t, r.info("job").Stats, "nothing is reported yet")
		r.Process.Report(t.Context())
		s := r.info("job").Stats
		require.Equal(t, []uint64{1, 2, 1}, []uint64{s.Succeeded, s.Failed, s.Released})
		require.EqualValues(t, 4, s.Run.Count())
		require.EqualValues(t, 3, s.Run[backend.Bucket(time.Second)])
		require.EqualValues(t, 4, s.Wait[0], "they did not wait")
		r.Process.Report(t.Context())
		require.Equal(t, s, r.info("job").Stats, "each is reported once")
	})
}

// Workers of jobs leave after one run each, and idle ones of functions after their cooldown.
func TestNothingIsLostWhenWorkersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := calls("f", 3, func(*Attempt) ([]byte, error) { return nil, nil })
		f.Cooldown = time.Second
		r := newRig(t, f, jobs(func(*Attempt) ([]byte, error) { return nil, nil }))
		const n = 20
		for i := range n {
			r.start("f", fmt.Sprint("call", i))
			r.start("job", fmt.Sprint("run", i))
			if i%5 == 0 {
				pass(2 * time.Second) // all leave
				require.Zero(t, r.info("f").Slots)
			}
			if i == n/2 {
				r.Process.Report(t.Context())
			}
		}
		pass(2 * time.Second)
		r.Process.Report(t.Context())
		require.EqualValues(t, n, r.info("f").Stats.Succeeded)
		require.EqualValues(t, n, r.info("job").Stats.Succeeded)
		s := r.info("f").Stats
		require.EqualValues(t, n, s.Wait.Count())
	})
}

func TestATaskThatWaitsIsCountedWithItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, calls("f", 1, func(*Attempt) ([]byte, error) {
			time.Sleep(time.Minute) //nolint:forbidigo // synctest clock
			return nil, nil
		}))
		r.start("f", "one")
		r.start("f", "two")
		pass(3 * time.Minute)
		r.Process.Report(context.Background())
		s := r.info("f").Stats
		require.EqualValues(t, 1, s.Wait[0])
		require.EqualValues(t, 1, s.Wait[backend.Bucket(time.Minute)])
		require.EqualValues(t, 2, s.Run[backend.Bucket(time.Minute)])
		r.Process.Report(context.Background()) // by a worker that stays
		require.Equal(t, s, r.info("f").Stats, "each is reported once")
	})
}
