package nomad

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/provisioner"
)

func TestADispatchThatFailsIsRepeatedWithTheSameToken(t *testing.T) {
	for name, bad := range map[string]fault{
		"429":     {status: 429, text: "Too many requests"},
		"409":     {status: 409, text: "conflict"},
		"500":     {status: 500, text: "no cluster leader"},
		"503":     {status: 503, text: ""},
		"lost":    {lose: true},
		"garbage": {text: "<html>login</html>"},
		"empty":   {text: "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.fault = func(n int, r *http.Request) fault {
				if n <= 3 && strings.HasSuffix(r.URL.Path, "/dispatch") {
					return bad
				}
				return fault{}
			}
			p, h := c.open(t, nil)
			p.Launch(one("slot.1"))
			until(t, p, "slot.1", running)
			require.Empty(t, h.of("slot.1"))
			c.mu.Lock()
			defer c.mu.Unlock()
			if name != "lost" { // then its allocation tells
				require.Equal(t, 4, c.requests["PUT /v1/job/mn--app--pool/dispatch"])
			}
			require.Len(t, c.children, 1, "one worker")
			for _, d := range c.dispatches {
				require.Equal(t, dispatched{"mn--app--pool", "slot.1", "slot.1", "slot.1"}, d)
			}
		})
	}
}

func TestWhatNomadWillNeverAcceptIsRefusedAtOnceWithTheRemedy(t *testing.T) {
	for _, c := range []struct {
		at     string // suffix of the path
		answer fault
		says   []string
	}{
		{"/dispatch", fault{403, "Permission denied", false}, []string{"lacks a right in namespace \"default\": it needs dispatch-job"}},
		{"/dispatch", fault{403, "ACL token not found", false}, []string{"the token of NOMAD_TOKEN or Config.Token is unknown, expired"}},
		{"/dispatch", fault{500, "Dispatch request included unpermitted metadata keys: [mn_slot]", false}, []string{"unpermitted metadata"}},
		{"/dispatch", fault{500, `Specified job "mn--app--pool" is stopped`, false}, []string{"app.Deploy"}},
		{"/jobs", fault{500, `1 error occurred: * job "x" is in nonexistent node pool "gpu"`, false}, []string{"nomad node pool apply", "Placement.NodePool"}},
		{"/jobs", fault{500, `1 error occurred: * job "x" is in nonexistent namespace "team"`, false}, []string{"nomad namespace apply"}},
		{"/jobs", fault{403, "Permission denied", false}, []string{"run app.Deploy first", "submit-job"}},
		{"/mn--app--pool", fault{403, "Permission denied", false}, []string{"read-job"}},
	} {
		t.Run(c.answer.text, func(t *testing.T) {
			fake := newCluster(t)
			fake.fault = func(_ int, r *http.Request) fault {
				if strings.HasSuffix(r.URL.Path, c.at) {
					return c.answer
				}
				return fault{}
			}
			p, h := fake.open(t, nil)
			p.Launch(one("s"))
			e := h.exit(t, "s")
			require.True(t, e.Refused)
			if c.at != "/jobs" || c.answer.status == 500 {
				require.Contains(t, e.Note, c.answer.text)
			}
			require.NotContains(t, e.Note, "TLS")
			for _, s := range c.says {
				require.Contains(t, e.Note, s)
			}
			require.LessOrEqual(t, view(fake, func() int { return len(fake.dispatches) }), 0, "it was dispatched all the same")
		})
	}
}

func TestUnplacedDispatchesAreCapped(t *testing.T) {
	c := newCluster(t)
	c.place = false
	p, h := c.open(t, func(cfg *Config) { cfg.MaxUnplaced = 3; cfg.PlacementTimeout = time.Hour })
	for i := range 10 {
		p.Launch(one(fmt.Sprint("s", i)))
	}
	other := one("other")
	other.Pool = "otherpool"
	p.Launch(other)
	until(t, p, "other", waiting) // a pool that is stuck does not hold up another
	for _, id := range []string{"s0", "s1", "s2"} {
		until(t, p, id, waiting)
	}
	awaitStream(t, p, c)
	require.Equal(t, 4, view(c, func() int { return len(c.children) }))

	// Each that gets a node makes room for one.
	c.mu.Lock()
	c.put(&api.Allocation{ID: "a", JobID: c.children["s1"], ClientStatus: api.AllocClientStatusPending})
	c.mu.Unlock()
	until(t, p, "s1", placed)
	until(t, p, "s3", waiting)
	require.Equal(t, 5, view(c, func() int { return len(c.children) }))

	// So does one that is killed, and one in the queue goes without a trace.
	p.Kill("s9")
	p.Kill("s2")
	untilGone(t, p, "s2")
	until(t, p, "s4", waiting)
	require.Equal(t, 6, view(c, func() int { return len(c.children) }))
	require.Len(t, view(c, func() []string { return c.stopped }), 1)
	require.Empty(t, h.exits)
}

func TestNoCapacityIsReportedWhenThePlacementTimeIsOver(t *testing.T) {
	c := newCluster(t)
	c.place = false
	p, h := c.open(t, func(cfg *Config) { cfg.PlacementTimeout = 50 * time.Millisecond; cfg.MaxUnplaced = 1 })
	p.Launch(one("s"))
	p.Launch(one("behind"))
	until(t, p, "s", waiting)
	c.block("s", &api.AllocationMetric{
		NodesEvaluated: 3, NodesFiltered: 1, NodesExhausted: 2,
		ConstraintFiltered: map[string]int{"missing drivers": 1}, DimensionExhausted: map[string]int{"memory": 2},
	})
	e := h.exit(t, "s")
	require.True(t, e.Refused)
	const says = "no capacity for 0.5 CPU and 64 MiB: of 3 nodes, 1 without the driver of Config.Program, 2 without enough free memory"
	require.Contains(t, e.Note, says)
	require.Eventually(t, func() bool { return view(c, func() bool { return len(c.stopped) >= 1 }) }, 10*time.Second, time.Millisecond,
		"the dispatch was not withdrawn")
	require.Contains(t, h.exit(t, "behind").Note, "no capacity")
}

// A token that may not withdraw dispatches leaves them in Nomad's queue: they must not pile up.
func TestDispatchesThatCannotBeWithdrawnCountAsUnplaced(t *testing.T) {
	c := newCluster(t)
	c.place = false
	c.fault = func(_ int, r *http.Request) fault {
		if r.Method == http.MethodDelete {
			return fault{status: 403, text: "Permission denied"}
		}
		return fault{}
	}
	p, h := c.open(t, func(cfg *Config) { cfg.MaxUnplaced = 2; cfg.PlacementTimeout = 20 * time.Millisecond })
	for i := range 6 {
		p.Launch(one(fmt.Sprint("s", i)))
	}
	require.Contains(t, h.exit(t, "s0").Note, "Nomad has not placed the worker")
	h.exit(t, "s1")
	children := func() int { return view(c, func() int { return len(c.children) }) }
	until(t, p, "s2", queued)
	require.Equal(t, 2, children())
	c.mu.Lock()
	c.put(&api.Allocation{ID: "a", JobID: c.children["s0"], ClientStatus: api.AllocClientStatusRunning})
	c.mu.Unlock()
	h.exit(t, "s2")
	until(t, p, "s3", queued)
	require.Equal(t, 3, children())
}

func TestAWorkerThatDoesNotStartInTimeIsReportedWithWhatItDoes(t *testing.T) {
	c := newCluster(t)
	c.place = false
	p, h := c.open(t, func(cfg *Config) { cfg.StartTimeout = 30 * time.Millisecond })
	p.Launch(one("s"))
	until(t, p, "s", waiting)
	awaitStream(t, p, c)
	c.mu.Lock()
	c.put(&api.Allocation{
		ID: "a", JobID: c.children["s"], NodeName: "n7", ClientStatus: api.AllocClientStatusPending,
		TaskStates: map[string]*api.TaskState{taskName: {Events: []*api.TaskEvent{{Type: "Driver", DisplayMessage: "Downloading image"}}}},
	})
	c.mu.Unlock()
	e := h.exit(t, "s")
	require.True(t, e.Refused)
	require.Contains(t, e.Note, `worker on node "n7" has not started within 30ms: Downloading image`)
	require.Contains(t, e.Note, "missing or not readable by the job", "Nomad tells no difference between the two")
}

func TestKillIsASignalAndNotAStop(t *testing.T) {
	c := newCluster(t)
	p, h := c.open(t, nil)
	p.Launch(one("s"))
	p.Launch(one("t"))
	until(t, p, "s", running)
	until(t, p, "t", running)
	p.Kill("s")
	p.Kill("s")
	p.Kill("nobody")
	untilGone(t, p, "s")
	signals := view(c, func() []string { return slices.Clone(c.signals) }) // the second Kill may come before the end is seen
	require.Equal(t, []string{"alloc-s SIGKILL"}, slices.Compact(signals))
	require.Empty(t, h.exits)
	until(t, p, "t", running)
}

func TestCloseWithdrawsWhatHasNoNodeAndLeavesTheRest(t *testing.T) {
	c := newCluster(t)
	p, h := c.open(t, nil)
	p.Launch(one("runs"))
	until(t, p, "runs", running)
	c.mu.Lock()
	c.place = false
	c.mu.Unlock()
	p.Launch(one("waits"))
	until(t, p, "waits", waiting)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, p.Close(ctx))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(t, []string{c.children["waits"]}, c.stopped)
	require.Empty(t, c.signals)
	require.Empty(t, h.exits)
}

func TestCloseWithStopOnCloseKillsWhatDoesNotEnd(t *testing.T) {
	c := newCluster(t)
	c.fault = func(_ int, r *http.Request) fault {
		if r.Method == http.MethodDelete {
			return fault{text: "{}"} // accepted, and nothing happens
		}
		return fault{}
	}
	p, _ := c.open(t, func(cfg *Config) { cfg.StopOnClose = true })
	p.Launch(one("s"))
	until(t, p, "s", running)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Close(ctx) }()
	require.Eventually(t, func() bool { return view(c, func() bool { return len(c.signals) == 1 }) }, 10*time.Second, time.Millisecond)
	c.update("s", func(a *api.Allocation) { a.ClientStatus = api.AllocClientStatusFailed })
	require.ErrorContains(t, <-done, "workers had to be killed")
}

func TestNothingIsReportedOfWorkersThatEndByThemselves(t *testing.T) {
	c := newCluster(t)
	p, h := c.open(t, nil)
	p.Launch(one("s"))
	until(t, p, "s", running)
	awaitStream(t, p, c)
	c.update("s", func(a *api.Allocation) {
		a.ClientStatus = api.AllocClientStatusComplete
		a.TaskStates = map[string]*api.TaskState{taskName: {
			StartedAt: time.Now(), Events: []*api.TaskEvent{{Type: api.TaskTerminated}},
		}}
	})
	untilGone(t, p, "s")
	require.Empty(t, h.exits)
}

func TestAnAgentThatIsNotThereIsNamed(t *testing.T) {
	c := newCluster(t)
	p, _ := c.open(t, nil)
	c.Close()
	err := p.Deploy(t.Context(), map[string]provisioner.Resources{})
	require.NoError(t, err, "nothing to register")
	_, err = p.jobInfo(t.Context(), "x")
	require.Error(t, err)
	require.False(t, isFinal(err))
	require.Contains(t, p.explain("x", err), "is there a Nomad agent at "+c.URL+"? Set NOMAD_ADDR or nomad.Config.Address")
}
