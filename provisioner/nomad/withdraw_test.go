package nomad

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"
)

// orphaned is how many workers of a pool count as orphans.
func orphaned(p *Provisioner, pool string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.poolOf(pool).orphans)
}

func TestAWithdrawalWithoutAnAnswerIsRepeated(t *testing.T) {
	for name, bad := range map[string]fault{
		"lost": {lose: true}, "429": {status: 429, text: "Too many requests"}, "500": {status: 500, text: "no cluster leader"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			failures := 2
			p, h := c.blind(t, func(r *http.Request) fault {
				if r.Method == http.MethodDelete && failures > 0 {
					failures--
					return bad
				}
				return fault{}
			}, func(cfg *Config) { cfg.PlacementTimeout = time.Nanosecond })
			p.Launch(one("s"))
			until(t, p, "s", waiting)
			p.expire(t.Context())
			require.Contains(t, h.exit(t, "s").Note, "Nomad has not placed the worker")
			require.Zero(t, orphaned(p, "pool"))
			require.NotEmpty(t, view(c, func() []string { return c.stopped }))
		})
	}
}

// What is left of a worker whose withdrawal failed does not hold up others when it is gone.
func TestAnOrphanCountsUntilItsJobIsOver(t *testing.T) {
	for name, end := range map[string]func(c *cluster, child string){
		"missing": func(c *cluster, child string) { delete(c.jobs, child) },
		"stopped": func(c *cluster, child string) { c.jobs[child].Stop = ptr(true) },
		"dead":    func(c *cluster, child string) { c.jobs[child].Status = ptr(jobDead) },
		"placed": func(c *cluster, child string) {
			c.put(&api.Allocation{ID: "a", JobID: child, ClientStatus: api.AllocClientStatusRunning})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			p, h := c.blind(t, func(r *http.Request) fault {
				if r.Method == http.MethodDelete {
					return fault{status: http.StatusForbidden, text: "Permission denied"}
				}
				return fault{}
			}, func(cfg *Config) { cfg.MaxUnplaced = 1; cfg.PlacementTimeout = time.Nanosecond })
			p.Launch(one("s"))
			until(t, p, "s", waiting)
			p.expire(t.Context())
			h.exit(t, "s")
			require.Equal(t, 1, orphaned(p, "pool"))
			p.Launch(one("next"))
			p.list(t.Context())
			require.Equal(t, 1, orphaned(p, "pool"))
			until(t, p, "next", queued)

			c.mu.Lock()
			end(c, c.children["s"])
			c.mu.Unlock()
			p.list(t.Context())
			require.Zero(t, orphaned(p, "pool"))
			until(t, p, "next", waiting)
		})
	}
}

// sharedBuffer is one that a logger writes and a test reads.
type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(text)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestAWithdrawalThatIsForbiddenNamesTheRightItNeeds(t *testing.T) {
	c := newCluster(t)
	log := new(sharedBuffer)
	p, h := c.blind(t, func(r *http.Request) fault {
		if r.Method == http.MethodDelete {
			return fault{status: http.StatusForbidden, text: "Permission denied"}
		}
		return fault{}
	}, func(cfg *Config) {
		cfg.PlacementTimeout = time.Nanosecond
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	p.Launch(one("s"))
	until(t, p, "s", waiting)
	p.expire(t.Context())
	h.exit(t, "s")
	require.Contains(t, log.String(), `it needs deregister-job (or submit-job)`)
	require.NotContains(t, log.String(), "dispatch-job", "it is not what the withdrawal needs")
}
