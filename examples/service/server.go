package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/multinode/mn"
)

// server is the HTTP interface of one job.
type server struct {
	jobs      *mn.Job[Request, Progress]
	mux       *http.ServeMux
	heartbeat time.Duration   // between signs of life on an event stream
	streams   context.Context // ends all event streams
}

// newServer returns the handler of all requests. Event streams end with ctx; they would
// keep http.Server.Shutdown waiting.
func newServer(ctx context.Context, jobs *mn.Job[Request, Progress]) *server {
	s := &server{jobs: jobs, mux: http.NewServeMux(), heartbeat: 15 * time.Second, streams: ctx}
	s.mux.HandleFunc("POST /jobs", s.start)
	s.mux.HandleFunc("GET /jobs", s.list)
	s.mux.HandleFunc("GET /jobs/{id}", s.get)
	s.mux.HandleFunc("GET /jobs/{id}/events", s.events)
	s.mux.HandleFunc("POST /jobs/{id}/cancel", s.cancel)
	s.mux.HandleFunc("DELETE /jobs/{id}", s.remove)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return s
}

// ServeHTTP implements [http.Handler].
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		w = &jsonErrors{ResponseWriter: w} // the mux itself will answer: 404 or 405
	}
	s.mux.ServeHTTP(w, r)
}

// startRequest is the body of POST /jobs.
type startRequest struct {
	Request
	Lock string `json:"lock,omitempty"` // a name that one job at a time may hold
}

// maxBody is the size of a request's body. What is stored of it may be larger than that,
// because JSON can be written in more than one way: that limit is the library's.
const maxBody = int64(mn.DefaultPayloadLimit)

func (s *server) start(w http.ResponseWriter, r *http.Request) {
	var body startRequest
	if err := readJSON(w, r, maxBody, &body); err != nil {
		writeError(w, r, err)
		return
	}
	if err := body.check(); err != nil {
		writeError(w, r, badRequest(err))
		return
	}
	var opts []mn.StartOption
	if body.Lock != "" {
		opts = append(opts, mn.WithLock(body.Lock))
	}
	id, err := s.jobs.Start(r.Context(), body.Request, opts...)
	if err != nil {
		writeError(w, r, err)
		return
	}
	w.Header().Set("Location", "/jobs/"+string(id))
	writeJSON(w, http.StatusCreated, map[string]mn.JobID{"id": id})
}

// maxLock is the length of a lock's name, in bytes.
const maxLock = 200

func (r *startRequest) check() error {
	if len(r.Lock) > maxLock {
		return fmt.Errorf("lock must have at most %d bytes", maxLock)
	}
	return r.Request.check()
}

// page is the answer to GET /jobs: the newest first.
type page struct {
	Jobs []job  `json:"jobs"`
	Next string `json:"next,omitempty"` // the cursor of the next page, if there is one
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	limit, opts, err := listOptions(r.URL.Query())
	if err != nil {
		writeError(w, r, badRequest(err))
		return
	}
	p := page{Jobs: []job{}}
	// One more than asked for tells whether there is a next page.
	for info, err := range s.jobs.List(r.Context(), append(opts, mn.Limit(limit+1))...) {
		if err != nil {
			writeError(w, r, err)
			return
		}
		if len(p.Jobs) == limit {
			p.Next = p.Jobs[limit-1].ID
			break
		}
		p.Jobs = append(p.Jobs, newJob(info))
	}
	writeJSON(w, http.StatusOK, p)
}

const (
	defaultPage = 20
	maxPage     = 100
)

// statuses are the values of the status filter.
var statuses = []mn.Status{mn.Pending, mn.Running, mn.Succeeded, mn.Failed, mn.Cancelling, mn.Cancelled}

// listOptions reads ?status=...&status=...&limit=...&cursor=...
func listOptions(query url.Values) (limit int, opts []mn.ListOption, err error) {
	for key := range query {
		if !slices.Contains([]string{"status", "limit", "cursor"}, key) {
			return 0, nil, fmt.Errorf("unknown parameter %q: use status, limit and cursor", key)
		}
	}
	for _, name := range query["status"] {
		if !slices.Contains(statuses, mn.Status(name)) {
			return 0, nil, fmt.Errorf("unknown status %q: use one of %v", name, statuses)
		}
		opts = append(opts, mn.WithStatus(mn.Status(name)))
	}
	limit = defaultPage
	if query.Has("limit") {
		if limit, err = strconv.Atoi(query.Get("limit")); err != nil || limit < 1 || limit > maxPage {
			return 0, nil, fmt.Errorf("limit must be a number from 1 to %d", maxPage)
		}
	}
	if query.Has("cursor") {
		cursor := query.Get("cursor")
		if uuid.Validate(cursor) != nil {
			return 0, nil, errors.New("cursor must be the next of a page")
		}
		opts = append(opts, mn.After(mn.JobID(cursor)))
	}
	return limit, opts, nil
}

// jobID is the ID in the request's path. It may be anything: the library answers
// ErrJobDoesNotExist for what is no ID.
func jobID(r *http.Request) mn.JobID { return mn.JobID(r.PathValue("id")) }

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	info, err := s.jobs.Get(r.Context(), jobID(r))
	if err != nil {
		writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, newJob(info))
}

func (s *server) cancel(w http.ResponseWriter, r *http.Request) {
	if err := s.jobs.Cancel(r.Context(), jobID(r)); err != nil {
		writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// remove deletes a job, after cancelling it if need be. Remove itself does not mind a job
// that is not there, and two clients may both be told that they have deleted one.
func (s *server) remove(w http.ResponseWriter, r *http.Request) {
	_, err := s.jobs.Get(r.Context(), jobID(r))
	if err == nil {
		err = s.jobs.Remove(r.Context(), jobID(r))
	}
	if err != nil {
		writeError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
