package dashboard_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
)

// TestAnOpenPageCostsFewExchanges keeps pages of a busy app open, each by several watchers
// who share what is read. The bound is the issue's: 50 commands a second for a page.
func TestAnOpenPageCostsFewExchanges(t *testing.T) {
	const seconds, bound = 4, 20.0
	store := memory.New()
	part := mn.NewFunction("part", func(ctx context.Context, n int) (int, error) {
		mn.Logger(ctx).Info("part", "n", n)
		return n, nil
	})
	busy := mn.NewJob("busy", func(ctx context.Context, _ int, yield func(int) bool) error {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := part.Call(ctx, i); err != nil || !yield(i) {
				break
			}
			pause(ctx, 5*time.Millisecond)
		}
		return context.Cause(ctx)
	}, mn.KeepYields(5))
	app, err := mn.New(mn.Config{Name: "site", Definitions: []mn.Definition{busy, part}, Backend: store, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	id, err := busy.On(app).Start(t.Context(), 1, mn.WithLock("a"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, busy.On(app).Cancel(context.Background(), id)) })
	for _, path := range []string{"/", "/jobs", "/jobs?text=e", "/jobs/" + string(id), "/definitions", "/definitions/busy", "/workers", "/locks"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			counted := &counting{Backend: store}
			s := newSite(t, counted, nil)
			ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
			defer cancel()
			counted.take()
			for range 3 {
				s.watch(ctx, path).until(t, "part")
			}
			<-ctx.Done()
			calls, all := counted.take()
			t.Logf("%.1f exchanges a second: %v", float64(all)/seconds, calls)
			require.Positive(t, all)
			require.Less(t, float64(all)/seconds, bound)
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestPagesCostTheSameWithManyRuns compares every page with 100 stored runs and with many:
// 3000, or as many as MN_STORED says. The exchanges must be the same. From a million on, the
// times are compared too:
//
//	MN_STORED=1000000 go test -run ManyRuns -v ./dashboard
func TestPagesCostTheSameWithManyRuns(t *testing.T) {
	many := 3_000
	if v := os.Getenv("MN_STORED"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		many = n
	}
	few, lots := storedSite(t, 100), storedSite(t, many)
	visits := 3
	if many >= 1_000_000 {
		visits = 60
	}
	for _, path := range []string{
		"/", "/jobs", "/jobs?status=cancelled", "/jobs?definition=stored&since=24h", "/jobs?before=%s", "/jobs/%s", "/definitions",
		"/definitions/stored", "/workers", "/locks",
	} {
		a, b := few.visit(path, visits), lots.visit(path, visits)
		t.Logf("%-36s %d: %v %v   %d: %v %v", path, 100, a.time, a.calls, many, b.time, b.calls)
		require.Equal(t, a.calls, b.calls, path)
		if many >= 1_000_000 {
			require.Less(t, float64(b.time), 1.2*float64(a.time), path)
		}
	}
}

// stored is a site whose store holds many runs.
type stored struct {
	*site
	counted *counting
	id      string // of one of the newest
}

type visit struct {
	calls map[string]int
	time  time.Duration // the quickest of several
}

func (s *stored) visit(path string, times int) (v visit) {
	if slices.Contains([]byte(path), '%') {
		path = fmt.Sprintf(path, s.id)
	}
	for range times {
		s.counted.take()
		begun := time.Now()
		status, _ := s.get(path)
		took := time.Since(begun)
		require.Equal(s.t, http.StatusOK, status, path)
		if v.calls, _ = s.counted.take(); v.time == 0 || took < v.time {
			v.time = took
		}
	}
	return v
}

// storedSite stores n runs, of which every other is cancelled and some hold locks.
func storedSite(t *testing.T, n int) *stored {
	t.Helper()
	counted := &counting{Backend: memory.New()}
	store := counted.Backend.Namespace("site")
	session := backend.Session{
		ID: "filler", Lease: time.Hour, Margin: time.Hour, Starting: time.Hour,
		Pools: []backend.PoolSpec{{Name: "stored", Kind: backend.Job, MaxWorkers: 1, Timeout: time.Hour, Grace: time.Hour}},
	}
	ctx := t.Context()
	require.NoError(t, store.Join(ctx, session, noInbox{}))
	s := &stored{counted: counted}
	for done := 0; done < n; done += 100 {
		var batch []backend.Submission
		var cancelled []string
		for i := range 100 {
			id := uuid.Must(uuid.NewV7()).String()
			sub := backend.Submission{ID: id, Kind: backend.Job, Pool: "stored", Input: []byte(`{"n":1}`)}
			if s.id = id; i%2 == 0 {
				cancelled = append(cancelled, id)
			} else if done == 0 {
				sub.Locks = []string{fmt.Sprintf("lock-%03d", i)}
			}
			batch = append(batch, sub)
		}
		_, err := store.Submit(ctx, session.ID, batch)
		require.NoError(t, err)
		_, err = store.Cancel(ctx, cancelled)
		require.NoError(t, err)
	}
	s.site = newSite(t, counted, nil)
	return s
}

type noInbox struct{}

func (noInbox) Results([]backend.Result) {}
func (noInbox) Cancel(backend.Lease)     {}
func (noInbox) Demand(string)            {}
func (noInbox) Kill(string)              {}

func TestNothingIsReadWhenNobodyWatchesAnyMore(t *testing.T) {
	counted := &counting{Backend: memory.New()}
	s := newSite(t, counted, nil)
	ctx, cancel := context.WithCancel(t.Context())
	one, two := s.watch(ctx, "/locks"), s.watch(ctx, "/locks")
	one.until(t, "part")
	two.until(t, "part")
	cancel()
	for range one.ch { // until it is closed
	}
	for range two.ch {
	}
	require.Eventually(t, func() bool { // a reading may be under way
		counted.take()
		pause(t.Context(), 2500*time.Millisecond)
		_, all := counted.take()
		return all == 0
	}, 20*time.Second, time.Millisecond)
}
