package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multinode/mn"
)

func TestEventsShowEachStepAndThenTheEnd(t *testing.T) {
	c, steps := scripted(t)
	lines := c.events(t.Context(), c.start(oneDocument), "")
	for n := 1; n <= 3; n++ {
		steps <- Progress{Documents: n}
		e := until(t, lines, func(e event) bool { return e.job.Result != nil && e.job.Result.Documents == n })
		if e.name != "progress" || e.id != strconv.Itoa(n) {
			t.Errorf("step %d came as %+v", n, e)
		}
	}
	close(steps)
	if end := until(t, lines, isEnd); end.job.Status != mn.Succeeded || end.job.Result.Documents != 3 {
		t.Errorf("the end is %+v", end.job)
	}
	if e, ok := next(t, lines); ok {
		t.Errorf("after the end came %+v", e)
	}
}

func TestAClientThatComesBackGetsWhatItMissed(t *testing.T) {
	c, steps := scripted(t)
	path := c.start(oneDocument)
	for n := 1; n <= 5; n++ {
		steps <- Progress{Documents: n}
	}
	close(steps)
	until(t, c.events(t.Context(), path, ""), isEnd)
	var got []string
	lines := c.events(t.Context(), path, "2")
	for e, ok := next(t, lines); ok; e, ok = next(t, lines) {
		got = append(got, e.name+" "+e.id)
	}
	if want := []string{"progress 3", "progress 4", "end 5"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCancelEndsTheStreamWithTheJob(t *testing.T) {
	c, steps := scripted(t)
	path := c.start(oneDocument)
	lines := c.events(t.Context(), path, "")
	steps <- Progress{Documents: 1}
	c.do("POST", path+"/cancel", "", http.StatusAccepted, nil)
	end := until(t, lines, isEnd)
	if end.job.Status != mn.Cancelled || end.job.Result == nil || end.job.Result.Documents != 1 {
		t.Errorf("the end is %+v, want CANCELLED with the last result", end.job)
	}
	c.do("POST", path+"/cancel", "", http.StatusAccepted, nil) // once more is no error
}

func TestDeleteEndsTheStreamOfARunningJob(t *testing.T) {
	c, _ := scripted(t)
	path := c.start(oneDocument)
	lines := c.events(t.Context(), path, "")
	until(t, lines, isRunning)
	c.do("DELETE", path, "", http.StatusNoContent, nil)
	for e, ok := next(t, lines); ok; e, ok = next(t, lines) {
		if e.job.Status == mn.Succeeded || e.job.Status == mn.Failed {
			t.Errorf("the removed job is %s", e.job.Status)
		}
	}
	c.do("GET", path, "", http.StatusNotFound, nil)
}

func TestAClientThatGoesEndsTheWatch(t *testing.T) {
	steps := make(chan Progress)
	app, job := scriptedApp(t, steps)
	inner := newServer(t.Context(), job.On(app))
	returned := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		returned <- r.URL.Path
	}))
	t.Cleanup(srv.Close)
	c := &client{t, srv.URL, srv.Client()}
	path := c.start(oneDocument)
	<-returned
	ctx, goAway := context.WithCancel(t.Context())
	until(t, c.events(ctx, path, ""), isRunning)
	goAway()
	if got := <-returned; got != path+"/events" {
		t.Errorf("%s has returned, want the events", got)
	}
	steps <- Progress{} // the job itself goes on
}

// TestAQuietStreamShowsSignsOfLife needs no connection, so the clock can be the bubble's.
func TestAQuietStreamShowsSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, job := scriptedApp(t, nil) // quiet for ever
		s := newServer(t.Context(), job.On(app))
		id, err := s.jobs.Start(t.Context(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*s.heartbeat+time.Second)
		defer cancel()
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "/jobs/"+string(id)+"/events", nil))
		if n := strings.Count(answer.Body.String(), ": heartbeat\n\n"); n != 3 {
			t.Errorf("%d heartbeats in three intervals:\n%s", n, answer.Body)
		}
	})
}

func TestAStopEndsStreamsAndLetsRequestsFinish(t *testing.T) {
	app, job := scriptedApp(t, nil)
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error)
	go func() { served <- serve(ctx, listener, job.On(app)) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &client{t, "http://" + listener.Addr().String(), &http.Client{Transport: transport}}
	lines := c.events(t.Context(), c.start(oneDocument), "")
	until(t, lines, isRunning)
	stop()
	for e, ok := next(t, lines); ok; e, ok = next(t, lines) {
		if isEnd(e) {
			t.Errorf("the stream says that the job has ended: %+v", e)
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream was cut off: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve returned %v", err)
	}
	if res, err := c.Get(c.url + "/healthz"); err == nil {
		res.Body.Close()
		t.Error("the service still answers")
	}
}

func TestAStreamOutlivesTheServersTimeouts(t *testing.T) {
	app, job := scriptedApp(t, nil)
	s := newServer(t.Context(), job.On(app))
	s.heartbeat = 20 * time.Millisecond
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ReadTimeout = 5 * s.heartbeat
	srv.Config.WriteTimeout = 5 * s.heartbeat
	srv.Start()
	t.Cleanup(srv.Close)
	c := &client{t, srv.URL, srv.Client()}
	lines := c.events(t.Context(), c.start(oneDocument), "")
	for range 15 {
		until(t, lines, func(e event) bool { return e.comment != "" })
	}
}
