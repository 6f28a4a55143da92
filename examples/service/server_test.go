package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestAJobsLifeOverHTTP(t *testing.T) {
	c := wordCounter(t)
	path := c.start(`{"top": 2, "documents": [
		{"name": "hamlet", "text": "To be, or not to be: that's the question."},
		{"name": "song", "text": "Let it be. Let it be!"}]}`)
	end := until(t, c.events(t.Context(), path, ""), isEnd)
	want := &Progress{
		Documents: 2, Total: 2, Words: 15, Distinct: 9,
		Top: []WordCount{{"be", 4}, {"it", 2}},
	}
	if end.job.Status != mn.Succeeded || !reflect.DeepEqual(end.job.Result, want) {
		t.Errorf("the stream ended with %+v, result %+v; want result %+v", end.job, end.job.Result, want)
	}
	var got job
	c.do("GET", path, "", http.StatusOK, &got)
	if !reflect.DeepEqual(got, end.job) {
		t.Errorf("the job is %+v, the stream said %+v", got, end.job)
	}
	var listed page
	c.do("GET", "/jobs", "", http.StatusOK, &listed)
	if len(listed.Jobs) != 1 || !reflect.DeepEqual(listed.Jobs[0], got) || listed.Next != "" {
		t.Errorf("the list is %+v", listed)
	}
	c.do("DELETE", path, "", http.StatusNoContent, nil)
	c.do("GET", path, "", http.StatusNotFound, nil)
	c.do("DELETE", path, "", http.StatusNotFound, nil)
}

func TestWhatIsWrongWithARequestIsToldByItsStatus(t *testing.T) {
	c := wordCounter(t)
	const unknown = "/jobs/01890000-0000-7000-8000-000000000000"
	document := func(text string) string { return `{"documents": [{"name": "a", "text": "` + text + `"}]}` }
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/jobs", "", http.StatusBadRequest},
		{"POST", "/jobs", "{", http.StatusBadRequest},
		{"POST", "/jobs", "[]", http.StatusBadRequest},
		{"POST", "/jobs", oneDocument + oneDocument, http.StatusBadRequest},
		{"POST", "/jobs", oneDocument + "}", http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"name": "a", "txt": ""}]}`, http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"name": "a"}], "colour": "red"}`, http.StatusBadRequest},
		{"POST", "/jobs", `{}`, http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"text": "no name"}]}`, http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"name": "a"}, {"name": "a"}]}`, http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"name": "a"}], "top": -1}`, http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"name": "a"}], "top": "ten"}`, http.StatusBadRequest},
		{"POST", "/jobs", `{"documents": [{"name": "a"}], "lock": "` + strings.Repeat("x", maxLock+1) + `"}`, http.StatusBadRequest},
		{"POST", "/jobs", document(strings.Repeat("a", int(maxBody))), http.StatusRequestEntityTooLarge},
		{"POST", "/jobs", oneDocument + strings.Repeat(" ", int(maxBody)), http.StatusRequestEntityTooLarge},
		// A body that is small enough, but is stored as \u003c\u003c\u003c and so on.
		{"POST", "/jobs", document(strings.Repeat("<", int(maxBody)/3)), http.StatusRequestEntityTooLarge},
		{"GET", "/jobs?limit=0", "", http.StatusBadRequest},
		{"GET", "/jobs?limit=101", "", http.StatusBadRequest},
		{"GET", "/jobs?limit=", "", http.StatusBadRequest},
		{"GET", "/jobs?status=running", "", http.StatusBadRequest},
		{"GET", "/jobs?cursor=first", "", http.StatusBadRequest},
		{"GET", "/jobs?page=2", "", http.StatusBadRequest},
		{"GET", unknown, "", http.StatusNotFound},
		{"GET", "/jobs/no-id", "", http.StatusNotFound},
		{"GET", unknown + "/events", "", http.StatusNotFound},
		{"GET", "/jobs/no-id/events", "", http.StatusNotFound},
		{"POST", unknown + "/cancel", "", http.StatusNotFound},
		{"POST", "/jobs/no-id/cancel", "", http.StatusNotFound},
		{"DELETE", unknown, "", http.StatusNotFound},
		{"DELETE", "/jobs/no-id", "", http.StatusNotFound},
		{"GET", "/nothing", "", http.StatusNotFound},
		{"GET", "//nothing", "", http.StatusNotFound}, // after a redirect
		{"PUT", "/jobs", "", http.StatusMethodNotAllowed},
		{"GET", "/healthz", "", http.StatusOK},
	} {
		name := fmt.Sprintf("%s %s %.60s", test.method, test.path, test.body)
		t.Run(name, func(t *testing.T) {
			header := (&client{t, c.url, c.Client}).do(test.method, test.path, test.body, test.status, nil)
			if test.status == http.StatusMethodNotAllowed && header.Get("Allow") == "" {
				t.Error("the answer does not say what is allowed")
			}
		})
	}
}

func TestAFailureOfTheJobIsShownAndNotItsStack(t *testing.T) {
	fails := mn.NewJob("fails", func(_ context.Context, _ Request, _ func(Progress) bool) error { panic("out of words") })
	c := newClient(t, fails.On(mntest.New(t, fails)))
	end := until(t, c.events(t.Context(), c.start(oneDocument), ""), isEnd)
	if end.job.Status != mn.Failed || end.job.Error != "panic: out of words" {
		t.Errorf("got %+v", end.job)
	}
}

func TestALockThatIsInUseIsAConflict(t *testing.T) {
	c, _ := scripted(t)
	const locked = `{"lock": "corpus", "documents": [{"name": "a"}]}`
	path := c.start(locked)
	var conflict errorBody
	c.do("POST", "/jobs", locked, http.StatusConflict, &conflict)
	if "/jobs/"+string(conflict.Holder) != path {
		t.Errorf("the holder is %q, want that of %s", conflict.Holder, path)
	}
	c.do("POST", path+"/cancel", "", http.StatusAccepted, nil)
	until(t, c.events(t.Context(), path, ""), isEnd)
	c.start(locked) // free again
}

func TestTooManyWaitingJobsAreRefused(t *testing.T) {
	c, _ := scripted(t)
	until(t, c.events(t.Context(), c.start(oneDocument), ""), isRunning)
	c.start(oneDocument) // waits
	header := c.do("POST", "/jobs", oneDocument, http.StatusServiceUnavailable, nil)
	if header.Get("Retry-After") == "" {
		t.Error("the answer does not say when to try again")
	}
}

func TestAServiceThatStopsRefusesJobs(t *testing.T) {
	app, job := scriptedApp(t, nil)
	c := newClient(t, job.On(app))
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	c.do("POST", "/jobs", oneDocument, http.StatusServiceUnavailable, nil)
}

// broken is a codec that does not encode.
type broken struct{ mn.Codec }

func (broken) Encode(mn.Place, any) ([]byte, error) { return nil, errors.New("a secret of the inside") }

func TestWhatNobodyForesawIsAnInternalError(t *testing.T) {
	app := mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{CountAll}, Codec: broken{mn.JSON}})
	var body errorBody
	newClient(t, CountAll.On(app)).do("POST", "/jobs", oneDocument, http.StatusInternalServerError, &body)
	if strings.Contains(body.Error, "secret") {
		t.Errorf("the client is told %q", body.Error)
	}
}

func TestTheListIsFilteredAndPaged(t *testing.T) {
	c, steps := scripted(t)
	var paths []string
	for range 5 {
		path := c.start(oneDocument)
		c.do("POST", path+"/cancel", "", http.StatusAccepted, nil)
		until(t, c.events(t.Context(), path, ""), isEnd)
		paths = append(paths, path)
	}
	close(steps) // the next succeeds
	succeeded := c.start(oneDocument)
	until(t, c.events(t.Context(), succeeded, ""), isEnd)

	pages := func(query string) (listed []string) {
		for cursor := ""; ; {
			var p page
			c.do("GET", "/jobs?limit=2"+query+cursor, "", http.StatusOK, &p)
			for _, j := range p.Jobs {
				listed = append(listed, "/jobs/"+j.ID)
			}
			if p.Next == "" {
				return listed
			}
			if len(p.Jobs) != 2 {
				t.Errorf("a page that is not the last has %d jobs, want 2", len(p.Jobs))
			}
			cursor = "&cursor=" + p.Next
		}
	}
	slices.Reverse(paths) // newest first
	for query, want := range map[string][]string{
		"":                                   append([]string{succeeded}, paths...),
		"&status=CANCELLED":                  paths,
		"&status=SUCCEEDED":                  {succeeded},
		"&status=SUCCEEDED&status=CANCELLED": append([]string{succeeded}, paths...),
		"&status=FAILED":                     nil,
	} {
		if got := pages(query); !slices.Equal(got, want) {
			t.Errorf("with %q the list is\n%q, want\n%q", query, got, want)
		}
	}
}
