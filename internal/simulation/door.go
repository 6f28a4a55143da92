package simulation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Door is one client's way to the cluster. It implements [http.RoundTripper].
type Door struct {
	c    *Cluster
	ctx  context.Context
	shut context.CancelFunc

	mu         sync.Mutex
	dispatches rate // requests, repeated ones too
	requests   int
}

// Door opens a way to the cluster.
func (c *Cluster) Door() *Door {
	d := &Door{c: c}
	d.ctx, d.shut = context.WithCancel(c.over)
	return d
}

// Shut is the client's death, as the cluster sees it.
func (d *Door) Shut() { d.shut() }

// Dispatches is how many dispatches were asked for, and how many at the most in one second.
func (d *Door) Dispatches() (all, inSecond int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.dispatches.at), d.dispatches.most(time.Second)
}

// DispatchesBetween is how many dispatches were asked for between two moments.
func (d *Door) DispatchesBetween(from, to time.Time) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dispatches.between(from, to)
}

// Requests is how many requests were made.
func (d *Door) Requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

var errNoAnswer = errors.New("simulated network: the connection broke")

// RoundTrip implements [http.RoundTripper].
func (d *Door) RoundTrip(req *http.Request) (*http.Response, error) {
	if d.ctx.Err() != nil {
		return nil, errNoAnswer
	}
	d.mu.Lock()
	d.requests++
	if strings.HasSuffix(req.URL.Path, "/dispatch") {
		d.dispatches.add()
	}
	d.mu.Unlock()
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(d.ctx, cancel)
	if strings.HasSuffix(req.URL.Path, "/event/stream") {
		return d.c.openStream(ctx, req, func() { stop(); cancel() }), nil
	}
	defer cancel()
	defer stop()
	return d.c.serve(ctx, req)
}

// answer is a response in the making.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(code int)        { a.code = code }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) response(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: a.code, Status: http.StatusText(a.code), Header: a.header, Request: req,
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), ProtoMajor: 1, ProtoMinor: 1,
	}
}

// serve carries a request there, and its answer back.
func (c *Cluster) serve(ctx context.Context, req *http.Request) (*http.Response, error) {
	way := c.chance.delay(c.Answer) / 2
	if registers(req) {
		way = 0
	}
	if !sleep(ctx, way) {
		return nil, ctx.Err()
	}
	a := &answer{header: http.Header{}, code: http.StatusOK}
	dice := c.chance.dice()
	bad := dice < c.Reject+c.Fail+c.Lose
	if bad {
		c.mu.Lock()
		c.counts.Faults++
		c.mu.Unlock()
	}
	switch {
	case dice < c.Reject:
		http.Error(a, "too many requests", http.StatusTooManyRequests)
	case dice < c.Reject+c.Fail:
		http.Error(a, "rpc error: no cluster leader", http.StatusInternalServerError)
	default:
		c.mux.ServeHTTP(a, req.WithContext(ctx))
	}
	if !sleep(ctx, way) {
		return nil, ctx.Err()
	}
	if bad && dice >= c.Reject+c.Fail {
		return nil, errNoAnswer
	}
	return a.response(req), nil
}

// registers reports whether a request belongs to a registration, which the provisioner makes under a
// lock: a simulated clock stands still while somebody waits for one.
func registers(req *http.Request) bool {
	_, job, found := strings.Cut(req.URL.Path, "/v1/job")
	return found && (job == "s" || req.Method == http.MethodGet && strings.Count(job, "/") == 1)
}

// write waits for the turn of a write in the servers' log.
func (c *Cluster) write(ctx context.Context) bool {
	c.mu.Lock()
	now := time.Now()
	if c.logFree.Before(now) {
		c.logFree = now
	}
	c.logFree = c.logFree.Add(c.Write)
	at := c.logFree
	c.mu.Unlock()
	return sleep(ctx, at.Sub(now))
}
