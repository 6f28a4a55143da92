package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/multinode/mn"
)

// job is a job as clients see it: JobInfo without what is nobody's business outside, such
// as the stack of a panic.
type job struct {
	ID       string    `json:"id"`
	Status   mn.Status `json:"status"`
	Result   *Progress `json:"result,omitempty"` // the newest
	Error    string    `json:"error,omitempty"`  // why it FAILED
	Reason   string    `json:"reason,omitempty"` // why it is PENDING
	Locks    []string  `json:"locks,omitempty"`
	Created  time.Time `json:"created"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Removing bool      `json:"removing,omitempty"`
}

func newJob(info mn.JobInfo[Progress]) job {
	j := job{
		ID: string(info.ID), Status: info.Status, Reason: info.Reason, Locks: info.Locks,
		Created: info.Created, Started: info.Started, Ended: info.Ended, Removing: info.Removing,
	}
	if info.Yields > 0 {
		j.Result = &info.Result
	}
	if info.Error != nil {
		j.Error = info.Error.Message
	}
	return j
}

// readJSON decodes a body of one JSON value without unknown fields.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("there is something after the JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &httpError{http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", limit)}
	}
	return badRequest(fmt.Errorf("the body is not what it should be: %w", err))
}

// httpError is an error that knows its status.
type httpError struct {
	status int
	error
}

func badRequest(err error) error { return &httpError{http.StatusBadRequest, err} }

// errorBody is the body of every answer that tells of an error.
type errorBody struct {
	Error  string   `json:"error"`
	Holder mn.JobID `json:"holder,omitempty"` // of the lock that is in use
}

// writeError is the one place where errors become statuses.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	body, status := errorBody{Error: err.Error()}, http.StatusInternalServerError
	var known *httpError
	var held *mn.LockError
	switch {
	case errors.As(err, &known):
		status = known.status
	case errors.As(err, &held):
		status, body.Holder = http.StatusConflict, held.Holder
	case errors.Is(err, mn.ErrJobDoesNotExist):
		status = http.StatusNotFound
	case errors.Is(err, mn.ErrPayloadTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, mn.ErrBackpressure), errors.Is(err, mn.ErrAppClosed):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5") // seconds
	case r.Context().Err() != nil:
		return // the client is gone
	default:
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		body.Error = "internal error" // its text is for the log
	}
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		slog.Debug("response not written", "error", err) // most likely the client is gone
	}
}

// jsonErrors turns the plain text of http.Error, and so the mux's own 404 and 405, into
// JSON. The mux's redirects stay as they are.
type jsonErrors struct {
	http.ResponseWriter
	done bool // the body is written
}

// WriteHeader implements [http.ResponseWriter].
func (w *jsonErrors) WriteHeader(status int) {
	if w.done = status >= 400; w.done {
		writeJSON(w.ResponseWriter, status, errorBody{Error: http.StatusText(status)})
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write drops the text of an error.
func (w *jsonErrors) Write(p []byte) (int, error) {
	if w.done {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
