package nomad

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"
)

// blind gives a provisioner without an event stream whose reviews are the test's to make.
func (c *cluster) blind(t *testing.T, answer func(r *http.Request) fault, edit func(*Config)) (*Provisioner, *house) {
	t.Helper()
	c.place = false
	c.fault = func(_ int, r *http.Request) (f fault) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			f.status, f.text = http.StatusForbidden, "Permission denied"
		} else if answer != nil {
			f = answer(r)
		}
		return f
	}
	p, h := c.open(t, edit)
	p.mu.Lock()
	p.rhythm = rhythm{tick: time.Hour, list: time.Hour, blind: time.Hour}
	p.mu.Unlock()
	return p, h
}

// A worker that has started is not ended because nobody has told of its start.
func TestALateWorkerIsAskedAfterBeforeItIsGivenUp(t *testing.T) {
	c := newCluster(t)
	broken := false
	p, h := c.blind(t, func(r *http.Request) fault {
		if broken && strings.HasPrefix(r.URL.Path, "/v1/allocation/") {
			return fault{status: http.StatusTooManyRequests, text: "Too many requests"}
		}
		return fault{}
	}, func(cfg *Config) { cfg.StartTimeout = time.Nanosecond })
	for _, id := range []string{"runs", "late"} {
		p.Launch(one(id))
		until(t, p, id, waiting)
		c.mu.Lock()
		c.put(&api.Allocation{ID: "alloc-" + id, JobID: c.children[id], NodeName: "n", ClientStatus: api.AllocClientStatusPending})
		c.mu.Unlock()
	}
	p.list(t.Context())
	until(t, p, "runs", placed)
	c.update("runs", func(a *api.Allocation) { a.ClientStatus = api.AllocClientStatusRunning })
	c.update("late", func(a *api.Allocation) {
		a.TaskStates = map[string]*api.TaskState{taskName: {Events: []*api.TaskEvent{{DisplayMessage: "Downloading image"}}}}
	})

	setFault := func(b bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		broken = b
	}
	setFault(true)
	p.expire(t.Context())
	until(t, p, "runs", placed)
	until(t, p, "late", placed)

	setFault(false)
	p.expire(t.Context())
	until(t, p, "runs", running)
	require.Contains(t, h.exit(t, "late").Note, `has not started within 1ns: Downloading image`)
	require.Empty(t, h.of("runs"))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(t, []string{c.children["late"]}, c.stopped)
}

// The same holds for one that got a node at last.
func TestAWorkerIsNotWithdrawnWhileNomadDoesNotSayWhetherItHasANode(t *testing.T) {
	c := newCluster(t)
	broken := true
	p, h := c.blind(t, func(r *http.Request) fault {
		if broken && strings.HasSuffix(r.URL.Path, "/allocations") {
			return fault{status: http.StatusTooManyRequests, text: "Too many requests"}
		}
		return fault{}
	}, func(cfg *Config) { cfg.PlacementTimeout = time.Nanosecond })
	p.Launch(one("s"))
	until(t, p, "s", waiting)
	c.mu.Lock()
	c.put(&api.Allocation{ID: "a", JobID: c.children["s"], ClientStatus: api.AllocClientStatusRunning})
	c.mu.Unlock()
	p.expire(t.Context())
	until(t, p, "s", waiting)
	c.mu.Lock()
	broken = false
	c.mu.Unlock()
	p.expire(t.Context())
	until(t, p, "s", running)
	require.Empty(t, h.of("s"))
	require.Empty(t, view(c, func() []string { return c.stopped }))
}
