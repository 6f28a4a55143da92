package redis

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/internal/redistest"
)

// deaf hears nothing.
type deaf struct{}

func (deaf) Results([]backend.Result) {}
func (deaf) Cancel(backend.Lease)     {}
func (deaf) Demand(string)            {}
func (deaf) Kill(string)              {}

// joined is a store with a session "me" that launches workers of the functions a and b.
func joined(t *testing.T, s *redistest.Server) *store {
	t.Helper()
	b, err := Open(t.Context(), s.URL(), Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	st := b.Namespace("n").(*store)
	ses := backend.Session{ID: "me", Lease: time.Minute, Margin: time.Second, Starting: time.Minute, Launches: true}
	for _, name := range []string{"a", "b"} {
		ses.Pools = append(ses.Pools, backend.PoolSpec{
			Name: name, Kind: backend.Function, MaxWorkers: 1, Timeout: time.Minute, Grace: time.Minute,
		})
	}
	require.NoError(t, st.Join(t.Context(), ses, deaf{}))
	return st
}

// idle makes a worker of the pool that waits for up to n tasks at a time, and returns its claim.
func idle(t *testing.T, s *store, pool string, n int) (backend.ClaimRequest, backend.Claiming) {
	t.Helper()
	got, err := s.Submit(t.Context(), "me", []backend.Submission{{ID: "first of " + pool, Kind: backend.Function, Pool: pool}})
	require.NoError(t, err)
	req := backend.ClaimRequest{Slot: got[0].Slot.ID, Session: "me", Op: 1, Cooldown: time.Minute}
	as, err := s.Claim(t.Context(), req)
	require.NoError(t, err)
	req.Op, req.Max, req.Bundle = 2, n, n
	x, err := s.Exchange(t.Context(), []backend.Settlement{{Lease: as[0].Lease, Outcome: backend.Succeeded}}, req)
	require.NoError(t, err)
	require.NotNil(t, x.Claim)
	return req, x.Claim
}

// wants is what a Submit of one call wants done.
func wants(id, pool string) *submits {
	return &submits{session: "me", tasks: []backend.Submission{{ID: id, Kind: backend.Function, Pool: pool}}}
}

func TestARepeatThatGoesWithOthersNeedsNoMemory(t *testing.T) {
	server := redistest.New(t)
	s := joined(t, server)
	s.submitAll([]*submits{wants("stored", "a")})
	require.NoError(t, s.b.rdb.ConfigSet(t.Context(), "maxmemory", "1").Err())
	again, fresh := wants("stored", "a"), wants("new", "a")
	s.submitAll([]*submits{again, fresh})
	require.NoError(t, again.err)
	require.True(t, again.answers[0].Existing)
	require.ErrorIs(t, fresh.answers[0].Err, backend.ErrBackpressure)
}

func TestAForeignKeyOfOneCallersPoolConcernsNoOtherCaller(t *testing.T) {
	server := redistest.New(t)
	s := joined(t, server)
	_, claim := idle(t, s, "a", 1)
	require.NoError(t, s.b.rdb.Set(t.Context(), s.prefix+"idle:b", "theirs", 0).Err())
	good, bad := wants("good", "a"), wants("bad", "b")
	s.submitAll([]*submits{good, bad})
	require.ErrorIs(t, bad.err, backend.ErrForeign)
	require.NoError(t, good.err)
	as, err := claim.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "good", as[0].Lease.Task)
	require.NoError(t, s.b.rdb.ZScore(t.Context(), s.prefix+"lease", "good").Err(), "a sweep would find it")
	require.NoError(t, s.b.rdb.Del(t.Context(), s.prefix+"idle:b").Err())
}

func TestAClaimRepeatedUnderOtherSettingsWaitsOnce(t *testing.T) {
	server := redistest.New(t)
	s, other := joined(t, server), joined(t, server)
	req, claim := idle(t, s, "a", 1)
	changed := other.sessions["me"].Session
	changed.ID = "other"
	changed.Pools = []backend.PoolSpec{changed.Pools[0]}
	changed.Pools[0].Timeout = time.Hour
	require.NoError(t, other.Join(t.Context(), changed, deaf{}))
	over, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { // as after an exchange whose reply was lost
		_, err := s.Claim(over, req)
		done <- err
	}()
	members := func() []string { return s.b.rdb.ZRange(t.Context(), s.prefix+"idle:a", 0, -1).Val() }
	require.Eventually(t, func() bool {
		m := members()
		return len(m) == 1 && strings.Contains(m[0], "|3661000|") // timeout, grace and margin as they are now
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Empty(t, members(), "nobody waits any more")
	gone, end := context.WithCancel(t.Context())
	end()
	_, _ = claim.Wait(gone)
}

func TestADeadlineIsObeyedThoughTheServerDoesNotAnswer(t *testing.T) {
	server := redistest.New(t)
	s := joined(t, server)
	server.Stop()
	t.Cleanup(server.Continue)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := s.Submit(ctx, "me", []backend.Submission{{ID: "x", Kind: backend.Function, Pool: "a"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.Get(ctx, []string{"x"})
	require.Error(t, err)
	require.Less(t, time.Since(begun), exchangeTimeout)
	server.Continue()
}

// As long as a submission may be repeated, its record must be found, or the call would be
// stored and executed again.
func TestAResultIsNotAcknowledgedBeforeItsSubmissionIsAnswered(t *testing.T) {
	s := joined(t, redistest.New(t))
	ses := s.sessions["me"]
	call := wants("x", "a").tasks
	ses.calls["x"] = pendingCall{since: time.Now()} // its submission is on its way
	require.True(t, s.ends(ses, "x"))
	require.False(t, s.ends(ses, "x"), "it is delivered once")
	require.Empty(t, ses.acks)
	s.submissionsAnswered(ses, call, []backend.Submitted{{Existing: true}})
	require.Equal(t, []string{"x"}, ses.acks)
	require.Empty(t, ses.calls)
}

func TestWhatStepsKeepIsTheirOwn(t *testing.T) {
	x := submits{tasks: []backend.Submission{{ID: "a", Locks: []string{"k"}}}}
	tasks := x.tasks
	x.own()
	tasks[0].Locks[0], tasks[0].ID = "other", "other"
	require.Equal(t, []backend.Submission{{ID: "a", Locks: []string{"k"}}}, x.tasks)
	e := exchange{ends: []backend.Settlement{{Lease: backend.Lease{Task: "a"}, Yields: []backend.Yield{{Number: 1}}}}}
	ends := e.ends
	e.own()
	ends[0].Lease.Task, ends[0].Yields[0].Number = "other", 2
	require.Equal(t, "a", e.ends[0].Lease.Task)
	require.EqualValues(t, 1, e.ends[0].Yields[0].Number)
}
