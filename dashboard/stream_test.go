package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
)

// event is one server-sent event.
type event struct {
	kind string
	data string
}

// events is one open stream.
type events struct{ ch chan event }

// watch opens the stream of a page until ctx is done.
func (s *site) watch(ctx context.Context, path string) *events {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.root+"/live"+path, http.NoBody)
	require.NoError(s.t, err)
	res, err := s.client.Do(req)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, res.StatusCode, path)
	require.Equal(s.t, "text/event-stream; charset=utf-8", res.Header.Get("Content-Type"))
	e := &events{make(chan event, 10_000)}
	go func() {
		defer close(e.ch)
		defer res.Body.Close()
		var now event
		for in := bufio.NewReaderSize(res.Body, 1<<20); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			switch line = strings.TrimSuffix(line, "\n"); {
			case line == "" && now.kind != "":
				e.ch <- now
				now = event{}
			case strings.HasPrefix(line, "event: "):
				now.kind = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				now.data = line[len("data: "):]
			}
		}
	}()
	return e
}

func (e *events) next(t *testing.T) event {
	t.Helper()
	select {
	case ev, ok := <-e.ch:
		require.True(t, ok, "the stream ended")
		return ev
	case <-time.After(20 * time.Second):
		require.FailNow(t, "no event came")
		return event{}
	}
}

// until waits for an event of a kind that holds words.
func (e *events) until(t *testing.T, kind string, words ...string) event {
	t.Helper()
	for {
		ev := e.next(t)
		hit := ev.kind == kind
		for _, w := range words {
			hit = hit && strings.Contains(ev.data, w)
		}
		if hit {
			return ev
		}
	}
}

func TestAStreamShowsWhatChanges(t *testing.T) {
	steps := make(chan int)
	job := mn.NewJob("step", func(ctx context.Context, _ int, yield func(mn.Progress) bool) error {
		for n := range steps {
			mn.Logger(ctx).Info("step <b>", "n", n)
			yield(mn.Progress{Done: int64(n), Total: 10, Unit: "steps"})
		}
		return nil
	})
	s := newSite(t, nil, []mn.Definition{job})
	id, err := job.On(s.app).Start(t.Context(), 1)
	require.NoError(t, err)
	first, second := s.watch(t.Context(), "/jobs/"+string(id)), s.watch(t.Context(), "/jobs")
	steps <- 3
	first.until(t, "part", `"id":"progress"`, `value=\"3\"`)
	first.until(t, "lines", "step \\u0026lt;b\\u0026gt;")
	second.until(t, "part", `"id":"list"`, `value=\"3\"`)
	late := s.watch(t.Context(), "/jobs/"+string(id))
	late.until(t, "lines", "step")
	steps <- 7
	late.until(t, "part", `"id":"progress"`, `value=\"7\"`)
	close(steps)
	first.until(t, "part", `"id":"head"`, "succeeded")
	require.NoError(t, job.On(s.app).Remove(t.Context(), id))
	gone := first.until(t, "fault")
	require.Contains(t, gone.data, `"gone":true`)
}

func TestTheOverviewStreamsPoints(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")})
	e := s.watch(t.Context(), "/")
	var points [][]*float64
	require.NoError(t, json.Unmarshal([]byte(e.until(t, "points").data), &points))
	require.Len(t, points[0], 16)
	require.Nil(t, points[0][1], "the first reading has no rates")
	require.Zero(t, *points[0][4])
}

func TestAStreamTellsOfABackendThatIsAway(t *testing.T) {
	store := &counting{Backend: memory.New()}
	s := newSite(t, store, nil)
	e := s.watch(t.Context(), "/locks")
	e.until(t, "part")
	store.fail(errors.New("no route to <host>"))
	require.Contains(t, e.until(t, "fault").data, "no route to")
	status, body := s.get("/locks")
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, body, "no route to &lt;host&gt;")
	store.fail(nil)
	require.JSONEq(t, `{"text":"","gone":false}`, e.until(t, "fault").data)
}

func TestCloseEndsStreamsAndRefusesMore(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")})
	e := s.watch(t.Context(), "/")
	e.until(t, "part")
	require.NoError(t, s.ui.Close())
	for range e.ch { // until it is closed
	}
	status, body := s.get("/jobs")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "closed")
	require.NoError(t, s.ui.Close())
}

func TestStreamsOfWhatIsNotThereAreRefused(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")})
	for path, want := range map[string]int{"/live/bulk/x": http.StatusNotFound, "/live/jobs?status=x": http.StatusBadRequest, "/live/nothing": http.StatusNotFound} {
		status, _ := s.get(path)
		require.Equal(t, want, status, path)
	}
}
