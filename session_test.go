package mn_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
)

// flaky makes the first two tries of each kind of exchange fail before they are done,
// and the next two after they are done, when their reply is lost.
func flaky() *tap {
	var mu sync.Mutex
	failed := map[string]int{}
	fail := func(op string) error {
		mu.Lock()
		defer mu.Unlock()
		if failed[op] < 2 && !strings.HasPrefix(op, "join") { // which New does not repeat
			failed[op]++
			return errDown
		}
		return nil
	}
	return &tap{
		Backend: memory.New(),
		before:  func(op string) error { return fail(op + " before") },
		after:   func(op string) error { return fail(op + " after") },
	}
}

func TestEveryExchangeIsRepeatedAndCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := log[int]{}
		double := mn.NewFunction("double", func(_ context.Context, in int) (int, error) { return 2 * in, nil })
		job := mn.NewJob("work", func(ctx context.Context, in int, yield func(int) bool) error {
			runs.add(in)
			if err := mn.TryLock(ctx, "b"); err != nil {
				return err
			}
			v, err := double.Call(ctx, in)
			yield(v)
			if in == 0 {
				<-ctx.Done()
			}
			return err
		}, mn.KeepYields(3))
		app := mntest.NewWith(t, mn.Config{Backend: flaky(), Definitions: []mn.Definition{job, double}})
		j := job.On(app)

		id, err := j.Start(t.Context(), 21, mn.WithLock("a"))
		require.NoError(t, err)
		out, err := j.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 42, out)
		require.Equal(t, 1, get(t, j, id).Attempt)
		require.Equal(t, []uint64{1}, numbers(watched(t, j, id, mn.FromYield(1))))

		waits, err := j.Start(t.Context(), 0, mn.WithLock("a"))
		require.NoError(t, err)
		require.NoError(t, j.Cancel(t.Context(), waits))
		require.ElementsMatch(t, []mn.JobID{id, waits}, listed(t, j))
		lockKeys(t, app)
		_, err = j.Wait(t.Context(), waits)
		require.ErrorIs(t, err, mn.ErrJobCancelled)
		require.NoError(t, j.Remove(t.Context(), waits))
		require.False(t, exists(t, j, waits))
		require.LessOrEqual(t, len(runs.entries()), 2, "nothing ran twice")
	})
}

func TestExchangesAreGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tap{Backend: memory.New()}
		job := mn.NewJob("count", counting)
		app := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}})
		j := job.On(app)
		store.down.Store(true)
		began := time.Now()
		_, err := j.Start(t.Context(), 1)
		require.ErrorIs(t, err, errDown)
		require.ErrorContains(t, err, `mn: start of job "count"`)
		took := time.Since(began)
		require.Greater(t, took, 10*time.Second)
		require.Less(t, took, 20*time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = j.Get(ctx, unknownID)
		require.Error(t, err)
		require.Equal(t, took+time.Second, time.Since(began), "and with the caller's context")
		store.down.Store(false)
		_, err = j.Wait(t.Context(), start(t, j, 1))
		require.NoError(t, err)
	})
}

// A process that was cut off so long that the backend has forgotten it begins anew.
func TestAppComesBackAfterItsSessionWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New()
		store := &tap{Backend: shared}
		slow := mn.NewFunction("slow", func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, mn.Timeout(1000*time.Hour))
		job := mn.NewJob("count", counting)
		app := mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job, slow}})
		other := mn.NewJob("other", counting)
		mntest.NewWith(t, mn.Config{Backend: shared, Definitions: []mn.Definition{other}}) // it sweeps
		call := slow.On(app).Go(t.Context(), 1)
		lost := start(t, job.On(app), 1000)

		store.down.Store(true)
		pass(time.Minute)
		store.down.Store(false)
		_, err := job.On(app).Wait(t.Context(), lost)
		require.ErrorIs(t, err, mn.ErrWorkerLost)
		id, err := job.On(app).Start(t.Context(), 3) // before the next heartbeat
		require.NoError(t, err)
		out, err := job.On(app).Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 3, out)
		_, err = call.Wait(t.Context())
		require.ErrorIs(t, err, mn.ErrWorkerLost)
		require.ErrorContains(t, err, "session")
	})
}

func TestHeartbeatAlsoBringsALostSessionBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New()
		store := &tap{Backend: shared}
		job := mn.NewJob("count", counting)
		client := mn.NewJob[int, int]("count", nil)
		mntest.NewWith(t, mn.Config{Backend: store, Definitions: []mn.Definition{job}})
		c := client.On(mntest.NewWith(t, mn.Config{Backend: shared, Definitions: []mn.Definition{client}}))
		store.down.Store(true)
		pass(time.Minute)
		id := start(t, c, 3)
		require.Equal(t, mn.Pending, get(t, c, id).Status)
		require.Contains(t, get(t, c, id).Reason, `no app with a handler for "count" is running`)
		store.down.Store(false)
		require.Equal(t, mn.Succeeded, ended(t, c, id).Status)
	})
}

func TestASessionThatHasLeftIsNotJoinedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ops log[string]
		place := &tap{Backend: memory.New(), before: func(op string) error {
			ops.add(op)
			return nil
		}, after: func(op string) error {
			if op == "leave" {
				pass(time.Minute) // the reply is slow, and heartbeats go on meanwhile
			}
			return nil
		}}
		app, err := mn.New(mn.Config{Name: "left", Backend: place, Definitions: []mn.Definition{mn.NewJob("count", counting)}})
		require.NoError(t, err)
		require.NoError(t, app.Close())
		all := ops.entries()
		left := slices.Index(all, "leave")
		require.Contains(t, all[left:], "heartbeat")
		require.NotContains(t, all[left:], "join")
	})
}

// late is a place whose heartbeats answer three seconds late if they bring bad news: by then
// it may no longer be so.
type late struct {
	backend.Backend
	down  atomic.Bool // heartbeats fail
	joins log[string] // sessions
}

type lateStore struct {
	backend.Store
	*late
}

func (l *late) Namespace(name string) backend.Store { return &lateStore{l.Backend.Namespace(name), l} }

func (s *lateStore) Join(ctx context.Context, ses backend.Session, in backend.Inbox) error {
	s.joins.add(ses.ID)
	return s.Store.Join(ctx, ses, in)
}

func (s *lateStore) Heartbeat(ctx context.Context, session string, leases []backend.Lease) ([]backend.LeaseState, error) {
	if s.down.Load() {
		pass(3 * time.Second)
		return nil, errDown
	}
	states, err := s.Store.Heartbeat(ctx, session, leases)
	if err != nil {
		pass(3 * time.Second)
	}
	return states, err
}

// The session is lost, a call joins anew, and only then a heartbeat tells of the loss, or
// fails after others have. What was begun meanwhile is of the new session.
func TestALateHeartbeatTakesNothingFromANewSession(t *testing.T) {
	for name, c := range map[string]struct {
		down       bool
		lost, call time.Duration // when the session is lost, and how much later the call is made
	}{
		"it tells of the loss": {false, 4 * time.Second, 2 * time.Second},
		"it fails":             {true, 14 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				place := &late{Backend: memory.New()}
				var executed atomic.Int64
				long := mn.NewFunction("long", func(ctx context.Context, in int) (int, error) {
					executed.Add(1)
					select {
					case <-time.After(time.Minute):
						return in, nil
					case <-ctx.Done():
						return 0, context.Cause(ctx)
					}
				})
				app := mntest.NewWith(t, mn.Config{Backend: place, Definitions: []mn.Definition{long}})
				place.down.Store(c.down)
				pass(c.lost)
				require.NoError(t, place.Backend.Namespace("test").Leave(t.Context(), place.joins.entries()[0]))
				pass(c.call)
				call := long.On(app).Go(t.Context(), 7)
				place.down.Store(false)
				out, err := call.Wait(t.Context())
				require.NoError(t, err)
				require.Equal(t, 7, out)
				require.Len(t, place.joins.entries(), 2)
				require.EqualValues(t, 1, executed.Load())
			})
		})
	}
}
