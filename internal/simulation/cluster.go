package simulation

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Params say what a cluster is like.
type Params struct {
	Seed uint64
	// Answer is how long a request takes besides what it does.
	Answer Delay
	// Write is what a dispatch or a stop takes in the servers' log, which is written by one at a time.
	Write time.Duration
	// Schedulers is how many evaluations are worked on at a time, Evaluation how long one takes.
	Schedulers int
	Evaluation Delay
	// Start is from a worker's placement until its program runs: the node hears of it, pulls, starts.
	Start Delay
	// Room is how many workers the nodes have room for.
	Room int
	// Shares of the requests that are answered with 429, with 500, and that are carried out without
	// their answer ever arriving.
	Reject, Fail, Lose float64
	// Stream is how long an event stream lives, in the mean; 0 is for ever.
	Stream time.Duration
	// Broken is the share of placed workers that do not start.
	Broken float64
	// Life is how long a worker lives until it is lost, in the mean; 0 is for ever. Silent is the
	// share of those losses that nobody is told of, because the node was cut off.
	Life   time.Duration
	Silent float64
	// Program is what a worker runs. It returns the exit code.
	Program func(Process) int
}

// Process is a worker's program that runs.
type Process struct {
	Slot, Pool string
	Term       context.Context // ends with SIGTERM
	Killed     context.Context // ends when the process is no more; Program must return then
}

// Cluster is a simulated Nomad cluster. Create it with New.
type Cluster struct {
	Params
	chance *chance
	mux    *http.ServeMux
	over   context.Context // all of it

	mu        sync.Mutex
	index     uint64
	logFree   time.Time // when the log takes the next write
	parents   map[string]*api.Job
	children  map[string]*child
	byToken   map[string]*child
	order     []*child // those with an allocation, in its order
	byAlloc   map[string]*child
	evals     []*child // to be evaluated
	busy      int      // evaluations under way
	blocked   []*child // without room
	used      int      // room
	streams   map[*stream]bool
	counts    Counts
	processes sync.WaitGroup
}

// Counts are what happened in a cluster.
type Counts struct {
	Dispatched  int // jobs made
	Placed      int // of them, those that got a node
	Evaluations int
	Blocked     int // evaluations that found no room
	Started     int // programs
	Lost        int // of them, those that were lost
	Unplaced    int // most dispatched jobs at a time that had no node
	Running     int // most programs at a time
	Faults      int // requests that were answered with an error, or not at all
	running     int
	unplaced    int
}

// child is a dispatched job with its only allocation.
type child struct {
	id, parent, slot, pool string
	stopped                bool
	unplaced               bool
	why                    *api.Evaluation // why it has no node
	alloc                  *api.Allocation
	cutOff                 bool // its node does not answer
	term, kill             context.CancelFunc
}

// New returns a cluster that stands still when ctx ends.
func New(ctx context.Context, p Params) *Cluster {
	c := &Cluster{
		Params: p, chance: newChance(p.Seed), over: ctx, parents: map[string]*api.Job{}, children: map[string]*child{},
		byToken: map[string]*child{}, byAlloc: map[string]*child{}, streams: map[*stream]bool{},
	}
	c.routes()
	return c
}

// Counts tells what happened so far.
func (c *Cluster) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Alive is how many programs run.
func (c *Cluster) Alive() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts.running
}

// Wait blocks until no program runs any more.
func (c *Cluster) Wait() { c.processes.Wait() }

// Cold is the mean time from the dispatch of a worker until its program runs, on a cluster
// that has room and is not busy.
func (p Params) Cold() time.Duration {
	return p.Answer.Mean()/2 + p.Write + p.Evaluation.Mean() + p.Start.Mean()
}
