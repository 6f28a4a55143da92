package nomad

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"
)

// failed makes an allocation one whose process ended with exit code 3.
func failed(a *api.Allocation) {
	began := time.Now().Add(-time.Minute)
	a.ClientStatus = api.AllocClientStatusFailed
	a.TaskStates = map[string]*api.TaskState{taskName: {
		StartedAt: began, FinishedAt: began.Add(50 * time.Second),
		Events: []*api.TaskEvent{{Type: api.TaskTerminated, ExitCode: 3, Details: map[string]string{"oom_killed": "false"}}},
	}}
}

func TestAFailureIsSeenByItsEventAndToldWithTheOutput(t *testing.T) {
	c := newCluster(t)
	c.log = "one\ntwo\x1b[31m\nthree\n"
	p, h := c.open(t, nil) // its list comes once an hour
	p.Launch(one("s"))
	until(t, p, "s", running)
	awaitStream(t, p, c)
	c.update("s", failed)
	e := h.exit(t, "s")
	require.False(t, e.Refused)
	require.Equal(t, 50*time.Second, e.Lived)
	require.Equal(t, "worker allocation alloc-s on node \"node\" ended with exit code 3: one\ntwo[31m\nthree", e.Note)
	c.update("s", failed)
	require.Len(t, h.of("s"), 1, "it is reported twice")
}

func TestWithoutEventsTheListShowsTheFailure(t *testing.T) {
	c := newCluster(t)
	c.fault = func(_ int, r *http.Request) fault {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			return fault{status: 403, text: "Permission denied"}
		}
		return fault{}
	}
	p, h := c.open(t, nil)
	p.Launch(one("s"))
	until(t, p, "s", running)
	c.update("s", failed)
	require.Contains(t, h.exit(t, "s").Note, "exit code 3")
}

func TestAStreamThatBreaksOrTalksNonsenseIsTakenUpAgain(t *testing.T) {
	for name, line := range map[string]string{
		"end":     "",
		"garbage": "<html>",
		"half":    `{"Index":5,"Events":[{"Topic":"Allocation"`,
		"null":    `{"Index":5,"Events":[{"Topic":"Allocation","Payload":{"Allocation":null}},{"Topic":"Evaluation"},{}]}`,
		"types":   `{"Index":5,"Events":[{"Topic":"Allocation","Payload":{"Allocation":{"ID":7,"TaskStates":[1]}}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			p, h := c.open(t, nil)
			p.Launch(one("s"))
			until(t, p, "s", running)
			awaitStream(t, p, c)
			c.sendAll(line)
			if name == "half" {
				c.sendAll("")
			}
			if name != "null" && name != "types" { // after those it goes on
				require.Eventually(t, func() bool {
					return view(c, func() bool { return c.requests["GET /v1/event/stream"] >= 2 })
				}, 10*time.Second, time.Millisecond, "the stream is not asked for again")
			}
			awaitStream(t, p, c)
			c.update("s", failed)
			require.Contains(t, h.exit(t, "s").Note, "exit code 3")
		})
	}
}

// What happened while the stream was away shows in the list that follows its return.
func TestAfterAGapTheListIsRead(t *testing.T) {
	c := newCluster(t)
	p, h := c.open(t, nil)
	p.mu.Lock()
	p.rhythm.blind = time.Hour
	p.mu.Unlock()
	p.Launch(one("s"))
	until(t, p, "s", running)
	awaitStream(t, p, c)
	require.Eventually(t, func() bool { return view(c, func() bool { return c.lists > 0 }) }, 10*time.Second, time.Millisecond)
	c.mu.Lock()
	for s := range c.streams {
		s <- ""
		delete(c.streams, s)
	}
	a := *c.allocs[c.children["s"]]
	failed(&a)
	c.put(&a) // nobody listens
	c.mu.Unlock()
	require.Contains(t, h.exit(t, "s").Note, "exit code 3")
}

// A replacement that Nomad makes of a stopped allocation is none of ours.
func TestAReplacementIsNotTakenForTheWorker(t *testing.T) {
	c := newCluster(t)
	p, h := c.open(t, nil)
	p.Launch(one("s"))
	until(t, p, "s", running)
	awaitStream(t, p, c)
	c.mu.Lock()
	second := *c.allocs[c.children["s"]]
	second.ID = "second"
	failed(&second)
	c.tell("Allocation", "Allocation", &second)
	c.tell("Evaluation", "Evaluation", &api.Evaluation{JobID: second.JobID, FailedTGAllocs: map[string]*api.AllocationMetric{taskName: {}}})
	c.mu.Unlock()
	require.Eventually(t, func() bool { // the evaluation came after it
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.workers["s"] != nil && strings.HasPrefix(p.workers["s"].note, "no capacity")
	}, 10*time.Second, time.Millisecond)
	require.Empty(t, h.exits)
	until(t, p, "s", running)
}

func TestTheEventStreamIsClosedWhileThereAreNoWorkers(t *testing.T) {
	c := newCluster(t)
	p, _ := c.open(t, nil)
	require.Zero(t, view(c, func() int { return c.requests["GET /v1/event/stream"] }))
	for _, id := range []string{"s", "t"} {
		p.Launch(one(id))
		until(t, p, id, running)
		awaitStream(t, p, c)
		c.update(id, func(a *api.Allocation) { a.ClientStatus = api.AllocClientStatusComplete })
		require.Eventually(t, func() bool { return view(c, func() bool { return len(c.streams) == 0 }) }, 10*time.Second, time.Millisecond)
	}
}

func TestAJobStoppedByAnOperatorBeforeItHadANode(t *testing.T) {
	c := newCluster(t)
	c.place = false
	p, h := c.open(t, func(cfg *Config) { cfg.PlacementTimeout = 100 * time.Millisecond })
	p.Launch(one("s"))
	until(t, p, "s", waiting)
	c.mu.Lock()
	c.jobs[c.children["s"]].Stop = ptr(true)
	c.mu.Unlock()
	e := h.exit(t, "s")
	require.True(t, e.Refused)
	require.Contains(t, e.Note, "was stopped by an operator before it had a node")
}
