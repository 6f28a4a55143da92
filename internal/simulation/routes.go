package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

func (c *Cluster) routes() {
	c.mux = http.NewServeMux()
	c.mux.HandleFunc("PUT /v1/jobs", c.register)
	c.mux.HandleFunc("PUT /v1/job/{id}/dispatch", c.dispatch)
	c.mux.HandleFunc("GET /v1/job/{id}", c.job)
	c.mux.HandleFunc("DELETE /v1/job/{id}", c.deregister)
	c.mux.HandleFunc("GET /v1/job/{id}/allocations", c.jobAllocations)
	c.mux.HandleFunc("GET /v1/job/{id}/evaluations", c.evaluations)
	c.mux.HandleFunc("GET /v1/allocations", c.allocations)
	c.mux.HandleFunc("GET /v1/allocation/{id}", c.allocation)
	c.mux.HandleFunc("PUT /v1/client/allocation/{id}/signal", c.signal)
	c.mux.HandleFunc("GET /v1/client/fs/logs/{id}", func(http.ResponseWriter, *http.Request) {})
}

// reply answers with what a server says of itself; the caller holds mu.
func (c *Cluster) reply(w http.ResponseWriter, v any) {
	h := w.Header()
	h.Set("X-Nomad-Index", strconv.FormatUint(c.index, 10))
	h.Set("X-Nomad-LastContact", "0")
	h.Set("X-Nomad-KnownLeader", "true")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func missing(w http.ResponseWriter) { http.Error(w, "job not found", http.StatusNotFound) }

func (c *Cluster) register(w http.ResponseWriter, r *http.Request) {
	var req api.JobRegisterRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.parents[*req.Job.ID]
	if have == nil && req.JobModifyIndex != 0 || have != nil && req.JobModifyIndex != *have.JobModifyIndex {
		http.Error(w, "Enforcing job modify index: job exists with conflicting job modify index", http.StatusInternalServerError)
		return
	}
	c.index++
	index := c.index
	req.Job.JobModifyIndex = &index
	c.parents[*req.Job.ID] = req.Job
	c.reply(w, api.JobRegisterResponse{JobModifyIndex: index})
}

func (c *Cluster) dispatch(w http.ResponseWriter, r *http.Request) {
	var req api.JobDispatchRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !c.write(r.Context()) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	parent, token := r.PathValue("id"), r.URL.Query().Get("idempotency_token")
	job := c.parents[parent]
	if job == nil {
		http.Error(w, "parameterized job not found", http.StatusInternalServerError)
		return
	}
	ch := c.byToken[token]
	if ch == nil {
		c.index++
		ch = &child{
			id:     fmt.Sprintf("%s/dispatch-%s-%d-%08x", parent, req.IdPrefixTemplate, time.Now().Unix(), c.index),
			parent: parent, slot: req.Meta["mn_slot"], pool: job.Meta["mn_pool"], unplaced: true,
		}
		c.children[ch.id], c.byToken[token] = ch, ch
		c.counts.Dispatched++
		c.counts.unplaced++
		c.counts.Unplaced = max(c.counts.Unplaced, c.counts.unplaced)
		c.evaluate(ch)
	}
	c.reply(w, api.JobDispatchResponse{DispatchedJobID: ch.id})
}

func (c *Cluster) job(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := r.PathValue("id")
	if j := c.parents[id]; j != nil {
		c.reply(w, j)
		return
	}
	ch := c.children[id]
	if ch == nil {
		missing(w)
		return
	}
	c.reply(w, &api.Job{ID: &ch.id, JobModifyIndex: &c.index, Stop: &ch.stopped})
}

func (c *Cluster) deregister(w http.ResponseWriter, r *http.Request) {
	if !c.write(r.Context()) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.children[r.PathValue("id")]
	if ch == nil {
		missing(w)
		return
	}
	c.stop(ch)
	c.reply(w, api.JobDeregisterResponse{})
}

func stub(a *api.Allocation) *api.AllocationListStub {
	return &api.AllocationListStub{
		ID: a.ID, JobID: a.JobID, NodeName: a.NodeName, ClientStatus: a.ClientStatus, DesiredStatus: a.DesiredStatus,
		TaskStates: a.TaskStates, CreateIndex: a.CreateIndex,
	}
}

func lives(ch *child) bool {
	return ch.alloc.ClientStatus == api.AllocClientStatusPending || ch.alloc.ClientStatus == api.AllocClientStatusRunning
}

// allocations lists those that live, whatever the filter says: nothing else is asked for.
func (c *Cluster) allocations(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, err := strconv.Atoi(q.Get("per_page"))
	if err != nil || !strings.Contains(q.Get("filter"), "ClientStatus") {
		http.Error(w, "the simulated Nomad lists live allocations by the page only", http.StatusBadRequest)
		return
	}
	from, _ := strconv.ParseUint(q.Get("next_token"), 10, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	stubs := []*api.AllocationListStub{}
	for _, ch := range c.order {
		if ch.alloc.CreateIndex < from || !lives(ch) {
			continue
		}
		if len(stubs) == size {
			w.Header().Set("X-Nomad-NextToken", strconv.FormatUint(ch.alloc.CreateIndex, 10))
			break
		}
		stubs = append(stubs, stub(ch.alloc))
	}
	c.reply(w, stubs)
}

func (c *Cluster) jobAllocations(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stubs := []*api.AllocationListStub{}
	if ch := c.children[r.PathValue("id")]; ch != nil && ch.alloc != nil {
		stubs = append(stubs, stub(ch.alloc))
	}
	c.reply(w, stubs)
}

func (c *Cluster) evaluations(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	evals := []*api.Evaluation{}
	if ch := c.children[r.PathValue("id")]; ch != nil && ch.why != nil {
		evals = append(evals, ch.why)
	}
	c.reply(w, evals)
}

func (c *Cluster) allocation(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.byAlloc[r.PathValue("id")]
	if ch == nil {
		http.Error(w, "alloc not found", http.StatusNotFound)
		return
	}
	c.reply(w, ch.alloc)
}

func (c *Cluster) signal(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.byAlloc[r.PathValue("id")]
	if ch == nil || ch.cutOff || ch.alloc.ClientStatus != api.AllocClientStatusRunning {
		http.Error(w, "No path to node", http.StatusInternalServerError)
		return
	}
	ch.kill()
	c.reply(w, struct{}{})
}
