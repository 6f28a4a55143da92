package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client talks to a server of the test.
type client struct {
	t   *testing.T
	url string
	*http.Client
}

// newClient serves a job of an app over a real connection, until the test ends.
func newClient(t *testing.T, job *mn.Job[Request, Progress]) *client {
	t.Helper()
	srv := httptest.NewServer(newServer(t.Context(), job))
	t.Cleanup(srv.Close)
	return &client{t, srv.URL, srv.Client()}
}

// wordCounter is a client of the program as it is.
func wordCounter(t *testing.T) *client {
	t.Helper()
	return newClient(t, CountAll.On(mntest.New(t, CountAll, CountWords)))
}

// scripted is a client of a job that yields what the test sends, one run at a time, until
// the test closes the channel. One more may wait.
func scripted(t *testing.T) (*client, chan<- Progress) {
	t.Helper()
	steps := make(chan Progress)
	app, job := scriptedApp(t, steps)
	return newClient(t, job.On(app)), steps
}

func scriptedApp(t *testing.T, steps <-chan Progress) (*mn.App, *mn.Job[Request, Progress]) {
	t.Helper()
	job := mn.NewJob("scripted", func(ctx context.Context, _ Request, yield func(Progress) bool) error {
		for {
			select {
			case p, ok := <-steps:
				if !ok {
					return nil
				}
				yield(p)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}, mn.MaxConcurrency(1), mn.MaxPending(1), mn.KeepYields(100))
	return mntest.New(t, job), job
}

// do sends a request, checks the status, and decodes the body into answer if that is not
// nil.
func (c *client) do(method, path, body string, status int, answer any) http.Header {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, res.StatusCode, status, text)
	}
	if status >= 400 {
		checkErrorBody(c.t, res.Header, text)
	}
	if answer == nil {
		return res.Header
	}
	if err := json.Unmarshal(text, answer); err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return res.Header
}

// checkErrorBody fails unless an error is told in JSON.
func checkErrorBody(t *testing.T, header http.Header, text []byte) {
	t.Helper()
	var body errorBody
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || body.Error == "" || header.Get("Content-Type") != "application/json" {
		t.Errorf("the body is no error in JSON: %s (%s, %v)", text, header.Get("Content-Type"), err)
	}
}

// oneDocument is a request that will do where its content does not matter.
const oneDocument = `{"documents": [{"name": "a", "text": "to be or not to be"}]}`

// start starts a job and returns its path.
func (c *client) start(body string) (path string) {
	c.t.Helper()
	var answer struct{ ID string }
	header := c.do("POST", "/jobs", body, http.StatusCreated, &answer)
	if path = header.Get("Location"); path != "/jobs/"+answer.ID {
		c.t.Errorf("Location is %q, the ID %q", path, answer.ID)
	}
	return path
}

// event is a server-sent event, or a comment.
type event struct {
	name, id, comment string
	job               job
}

// events opens a job's event stream.
func (c *client) events(ctx context.Context, path, lastID string) *bufio.Scanner {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path+"/events", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := c.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { res.Body.Close() })
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		c.t.Fatalf("status %d, content type %q", res.StatusCode, got)
	}
	return bufio.NewScanner(res.Body)
}

// next reads an event; false at the stream's end.
func next(t *testing.T, lines *bufio.Scanner) (e event, ok bool) {
	t.Helper()
	for lines.Scan() {
		field, text, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "":
			return e, true
		case field == "event":
			e.name = text
		case field == "id":
			e.id = text
		case field == "":
			e.comment = text
		case field == "data":
			if err := json.Unmarshal([]byte(text), &e.job); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		default:
			t.Fatalf("a line that does not belong here: %q", lines.Text())
		}
	}
	return e, false
}

// until reads events up to the first that is as wanted.
func until(t *testing.T, lines *bufio.Scanner, wanted func(event) bool) event {
	t.Helper()
	for {
		e, ok := next(t, lines)
		if !ok {
			t.Fatal("the stream ended before the event that was waited for")
		}
		if wanted(e) {
			return e
		}
	}
}

func isRunning(e event) bool { return e.job.Status == mn.Running }

func isEnd(e event) bool { return e.name == "end" }
