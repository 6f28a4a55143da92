package nomad

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/provisioner"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// cluster stands in for a Nomad server: it answers what a server of version 2.0 was seen to
// answer, and fails as a test says.
type cluster struct {
	*httptest.Server
	// fault may answer a request instead of the cluster, or damage its answer: see fail and lose.
	fault func(n int, r *http.Request) fault
	// place says whether dispatched jobs get an allocation that runs. Default: all.
	place bool

	mu          sync.Mutex
	index       uint64
	jobs        map[string]*api.Job
	registered  int
	dispatches  []dispatched // requests, in order
	children    map[string]string
	allocs      map[string]*api.Allocation // by child
	evals       map[string]*api.Evaluation // by child
	stopped     []string                   // children
	signals     []string                   // "allocation signal"
	requests    map[string]int             // by method and path
	headers     http.Header                // of the last request
	query       url.Values
	streams     map[chan string]bool
	log         string
	lists       int
	closeStream func() // ends all event streams
}

type dispatched struct {
	job, token, slot, prefix string
}

// fault is what goes wrong with one request.
type fault struct {
	status int    // answered instead, with text
	text   string // alone: answered instead, with status 200
	lose   bool   // carried out, and the answer lost
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{
		place: true, jobs: map[string]*api.Job{}, children: map[string]string{}, allocs: map[string]*api.Allocation{},
		evals: map[string]*api.Evaluation{}, requests: map[string]int{}, streams: map[chan string]bool{},
	}
	streaming, end := context.WithCancel(context.Background())
	c.closeStream = end
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/jobs", c.register)
	mux.HandleFunc("GET /v1/job/{id}", c.job)
	mux.HandleFunc("DELETE /v1/job/{id}", c.deregister)
	mux.HandleFunc("PUT /v1/job/{id}/dispatch", c.dispatch)
	mux.HandleFunc("GET /v1/job/{id}/allocations", c.jobAllocations)
	mux.HandleFunc("GET /v1/job/{id}/evaluations", c.evaluations)
	mux.HandleFunc("GET /v1/allocations", c.allocations)
	mux.HandleFunc("GET /v1/allocation/{id}", c.allocation)
	mux.HandleFunc("PUT /v1/client/allocation/{id}/signal", c.signal)
	mux.HandleFunc("GET /v1/client/fs/logs/{id}", c.logs)
	mux.HandleFunc("GET /v1/event/stream", func(w http.ResponseWriter, r *http.Request) { c.stream(streaming, w, r) })
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(mux, w, r) }))
	t.Cleanup(func() {
		end()
		c.Close()
	})
	return c
}

func (c *cluster) serve(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	key := r.Method + " " + strings.Split(r.URL.Path, "/dispatch-")[0]
	c.requests[key]++
	n := c.requests[key]
	c.headers, c.query = r.Header.Clone(), r.URL.Query()
	var f fault
	if c.fault != nil {
		f = c.fault(n, r)
	}
	c.mu.Unlock()
	switch {
	case f.status != 0:
		http.Error(w, f.text, f.status)
	case f.text != "":
		fmt.Fprint(w, f.text)
	case f.lose:
		mux.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // ends the connection without an answer
	default:
		mux.ServeHTTP(w, r)
	}
}

func (c *cluster) answer(w http.ResponseWriter, v any) {
	w.Header().Set("X-Nomad-Index", fmt.Sprint(c.index))
	_ = json.NewEncoder(w).Encode(v)
}

func (c *cluster) register(w http.ResponseWriter, r *http.Request) {
	var req api.JobRegisterRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.jobs[*req.Job.ID]
	if !req.EnforceIndex {
		panic("a job is registered without a check-index")
	}
	if have == nil && req.JobModifyIndex != 0 || have != nil && req.JobModifyIndex != *have.JobModifyIndex {
		http.Error(w, "Enforcing job modify index 0: job exists with conflicting job modify index", http.StatusInternalServerError)
		return
	}
	c.index++
	c.registered++
	req.Job.JobModifyIndex = ptr(c.index)
	c.jobs[*req.Job.ID] = req.Job
	c.answer(w, api.JobRegisterResponse{JobModifyIndex: c.index})
}

func (c *cluster) job(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := c.jobs[r.PathValue("id")]
	if j == nil {
		http.Error(w, "job not found", http.StatusNotFound)
		return
	}
	c.answer(w, j)
}

func (c *cluster) dispatch(w http.ResponseWriter, r *http.Request) {
	var req api.JobDispatchRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	parent, token := r.PathValue("id"), r.URL.Query().Get("idempotency_token")
	c.dispatches = append(c.dispatches, dispatched{parent, token, req.Meta[metaSlot], req.IdPrefixTemplate})
	j := c.jobs[parent]
	if j == nil {
		http.Error(w, "parameterized job not found", http.StatusInternalServerError)
		return
	}
	child, ok := c.children[token]
	if !ok {
		c.index++
		child = fmt.Sprintf("%s/dispatch-%s-%d-%08x", parent, req.IdPrefixTemplate, time.Now().Unix(), c.index)
		c.children[token] = child
		c.jobs[child] = &api.Job{ID: &child, JobModifyIndex: ptr(c.index)}
		if c.place {
			c.put(&api.Allocation{ID: "alloc-" + token, JobID: child, NodeName: "node", ClientStatus: api.AllocClientStatusRunning})
		}
	}
	c.answer(w, api.JobDispatchResponse{DispatchedJobID: child})
}

// put stores an allocation and tells the streams. The caller holds mu.
func (c *cluster) put(a *api.Allocation) {
	c.index++
	a.ModifyIndex = c.index
	c.allocs[a.JobID] = a
	c.tell("Allocation", "Allocation", a)
}

// tell sends an event to all streams. The caller holds mu.
func (c *cluster) tell(topic, field string, payload any) {
	text, err := json.Marshal(map[string]any{"Index": c.index, "Events": []any{
		map[string]any{"Topic": topic, "Index": c.index, "Payload": map[string]any{field: payload}},
	}})
	if err != nil {
		panic(err)
	}
	for s := range c.streams {
		s <- string(text)
	}
}

// update changes the allocation of a slot.
func (c *cluster) update(slot string, change func(*api.Allocation)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := *c.allocs[c.children[slot]]
	change(&a)
	c.put(&a)
}

// block says why a slot's job has no node.
func (c *cluster) block(slot string, m *api.AllocationMetric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	child := c.children[slot]
	c.evals[child] = &api.Evaluation{JobID: child, Status: "complete", FailedTGAllocs: map[string]*api.AllocationMetric{taskName: m}}
	c.tell("Evaluation", "Evaluation", c.evals[child])
}

func (c *cluster) deregister(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := r.PathValue("id")
	c.stopped = append(c.stopped, id)
	if j := c.jobs[id]; j != nil {
		j.Stop = ptr(true)
	}
	if a := c.allocs[id]; a != nil {
		ended := *a
		ended.ClientStatus, ended.DesiredStatus = api.AllocClientStatusComplete, api.AllocDesiredStatusStop
		c.put(&ended)
	}
	c.answer(w, api.JobDeregisterResponse{})
}

func (c *cluster) allocations(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists++
	stubs := []*api.AllocationListStub{}
	for _, a := range c.allocs {
		if !terminal(a.ClientStatus) { // as the filter says
			stubs = append(stubs, a.Stub())
		}
	}
	c.answer(w, stubs)
}

func (c *cluster) jobAllocations(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stubs := []*api.AllocationListStub{}
	if a := c.allocs[r.PathValue("id")]; a != nil {
		stubs = append(stubs, a.Stub())
	}
	c.answer(w, stubs)
}

func (c *cluster) evaluations(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	evals := []*api.Evaluation{}
	if ev := c.evals[r.PathValue("id")]; ev != nil {
		evals = append(evals, ev)
	}
	c.answer(w, evals)
}

func (c *cluster) allocation(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.allocs {
		if a.ID == r.PathValue("id") {
			c.answer(w, a)
			return
		}
	}
	http.Error(w, "alloc not found", http.StatusNotFound)
}

func (c *cluster) signal(w http.ResponseWriter, r *http.Request) {
	var req api.AllocSignalRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signals = append(c.signals, r.PathValue("id")+" "+req.Signal)
	c.answer(w, struct{}{})
}

func (c *cluster) logs(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Query().Get("type") == "stderr" {
		fmt.Fprint(w, c.log)
	}
}

func (c *cluster) stream(over context.Context, w http.ResponseWriter, r *http.Request) {
	lines := make(chan string, 1000)
	c.mu.Lock()
	c.streams[lines] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.streams, lines)
		c.mu.Unlock()
	}()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case line := <-lines:
			if line == "" {
				return // the stream breaks
			}
			fmt.Fprintln(w, line)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		case <-over.Done():
			return
		}
	}
}

// sendAll sends a line to all event streams; "" breaks them.
func (c *cluster) sendAll(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.streams {
		s <- line
	}
}

// view looks at the cluster's state.
func view[T any](c *cluster, look func() T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return look()
}

// house is the app for which workers are launched.
type house struct {
	mu      sync.Mutex
	exits   map[string][]provisioner.Exit
	outputs []string
}

func (h *house) Serve(provisioner.Worker) error { panic("workers live elsewhere") }
func (h *house) Abandon(string)                 { panic("workers live elsewhere") }

func (h *house) Output(_ provisioner.Worker, o provisioner.Output) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outputs = append(h.outputs, o.Text)
}

func (h *house) Exited(w provisioner.Worker, e provisioner.Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exits[w.ID] = append(h.exits[w.ID], e)
}

func (h *house) of(id string) []provisioner.Exit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exits[id]
}

// exit waits for the report of a worker's end.
func (h *house) exit(t *testing.T, id string) provisioner.Exit {
	t.Helper()
	require.Eventually(t, func() bool { return len(h.of(id)) > 0 }, 10*time.Second, time.Millisecond, "no report of %s", id)
	return h.of(id)[0]
}

// open gives a provisioner for app "app" at the cluster. It is closed with the test.
func (c *cluster) open(t *testing.T, edit func(*Config)) (*Provisioner, *house) {
	t.Helper()
	cfg := Config{Address: c.URL, Program: RawExec{Path: "/bin/program"}, Logger: quiet}
	if edit != nil {
		edit(&cfg)
	}
	p := New(cfg)
	p.rhythm = rhythm{tick: 5 * time.Millisecond, list: time.Hour, blind: 20 * time.Millisecond}
	h := &house{exits: make(map[string][]provisioner.Exit)}
	require.NoError(t, p.Open("app", h))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, p.Close(ctx))
	})
	return p, h
}

func one(id string) provisioner.Worker {
	return provisioner.Worker{ID: id, Pool: "pool", Resources: provisioner.Resources{CPU: 0.5, Memory: 64 << 20}}
}

// until waits for a state of the provisioner's worker; "gone" if it has none.
func until(t *testing.T, p *Provisioner, id string, s state) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		k := p.workers[id]
		return k != nil && k.state == s
	}, 10*time.Second, time.Millisecond, "worker %s does not reach state %d", id, s)
}

func untilGone(t *testing.T, p *Provisioner, id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.workers[id] == nil
	}, 10*time.Second, time.Millisecond, "worker %s does not go", id)
}

// awaitStream waits until the event stream is connected at both ends.
func awaitStream(t *testing.T, p *Provisioner, c *cluster) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		streaming := p.streaming
		p.mu.Unlock()
		return streaming && view(c, func() bool { return len(c.streams) > 0 })
	}, 10*time.Second, time.Millisecond, "no event stream")
}
