package nomad

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/provisioner"
)

var pools = map[string]provisioner.Resources{"pool": {CPU: 0.5, Memory: 64 << 20}, "second": {CPU: 2, Memory: 1 << 30}}

func TestDeployRegistersOnceWhatDoesNotChange(t *testing.T) {
	c := newCluster(t)
	var all sync.WaitGroup
	for range 8 { // as many processes
		p, _ := c.open(t, nil)
		all.Go(func() {
			for range 3 {
				if err := p.Deploy(t.Context(), pools); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, 2, view(c, func() int { return c.registered }))

	p, _ := c.open(t, func(cfg *Config) { cfg.Args = []string{"-new"} })
	require.NoError(t, p.Deploy(t.Context(), pools))
	require.NoError(t, p.Deploy(t.Context(), pools))
	require.Equal(t, 4, view(c, func() int { return c.registered }))
}

func TestDeploysOfDifferentSpecificationsAllEnd(t *testing.T) {
	c := newCluster(t)
	var all sync.WaitGroup
	for i := range 8 {
		p, _ := c.open(t, func(cfg *Config) { cfg.Args = []string{fmt.Sprint(i)} })
		all.Go(func() {
			if err := p.Deploy(t.Context(), pools); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 16, view(c, func() int { return c.registered }))
}

func TestAnotherProcessesSpecificationIsNotFoughtOver(t *testing.T) {
	c := newCluster(t)
	first, _ := c.open(t, nil)
	second, _ := c.open(t, func(cfg *Config) { cfg.Args = []string{"-new"} })
	for i, p := range []*Provisioner{first, second, first, second, first} {
		id := fmt.Sprint("s", i)
		p.Launch(one(id))
		until(t, p, id, running)
	}
	require.Equal(t, 2, view(c, func() int { return c.registered }))
}

func TestARunningAppNeedsNoRightToRegister(t *testing.T) {
	c := newCluster(t)
	deployer, _ := c.open(t, nil)
	require.NoError(t, deployer.Deploy(t.Context(), pools))
	c.fault = func(_ int, r *http.Request) fault {
		if r.URL.Path == "/v1/jobs" {
			return fault{status: 403, text: "Permission denied"}
		}
		return fault{}
	}
	same, _ := c.open(t, nil)
	same.Launch(one("s"))
	until(t, same, "s", running)
	// A newer program makes do with what is registered.
	other, h := c.open(t, func(cfg *Config) { cfg.Args = []string{"-new"} })
	other.Launch(one("t"))
	until(t, other, "t", running)
	require.Empty(t, h.exits)
	err := other.Deploy(t.Context(), pools)
	require.ErrorContains(t, err, `the job "mn--app--pool" cannot be registered`)
	require.ErrorContains(t, err, "submit-job")
}

func TestAJobThatIsGoneIsRegisteredAgain(t *testing.T) {
	c := newCluster(t)
	p, _ := c.open(t, nil)
	p.Launch(one("s"))
	until(t, p, "s", running)
	c.mu.Lock()
	delete(c.jobs, "mn--app--pool")
	c.mu.Unlock()
	p.Launch(one("t"))
	until(t, p, "t", running)
	require.Equal(t, 2, view(c, func() int { return c.registered }))
}

func TestAStoppedJobIsLeftSoAndDeployBringsItBack(t *testing.T) {
	c := newCluster(t)
	p, h := c.open(t, nil)
	require.NoError(t, p.Deploy(t.Context(), pools))
	c.mu.Lock()
	c.jobs["mn--app--pool"].Stop = ptr(true)
	c.mu.Unlock()
	other, h2 := c.open(t, nil)
	other.Launch(one("s"))
	require.Contains(t, h2.exit(t, "s").Note, "was stopped by an operator: run app.Deploy to bring it back")
	require.NoError(t, other.Deploy(t.Context(), pools))
	other.Launch(one("t"))
	until(t, other, "t", running)
	require.Empty(t, h.exits)
}

func TestAForeignJobIsLeftAlone(t *testing.T) {
	for name, foreign := range map[string]*api.Job{
		"plain":       {},
		"another app": {Meta: map[string]string{metaApp: "x", metaPool: "pool"}, ParameterizedJob: &api.ParameterizedJobConfig{}},
		"service":     {Meta: map[string]string{metaApp: "app", metaPool: "pool"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			foreign.ID, foreign.JobModifyIndex = ptr("mn--app--pool"), ptr(uint64(1))
			c.jobs["mn--app--pool"] = foreign
			p, h := c.open(t, nil)
			require.ErrorContains(t, p.Deploy(t.Context(), pools), "choose another Config.Prefix")
			p.Launch(one("s"))
			e := h.exit(t, "s")
			require.True(t, e.Refused)
			require.Contains(t, e.Note, `the Nomad job "mn--app--pool" is not one of mn for this app`)
			require.Empty(t, view(c, func() []dispatched { return c.dispatches }))
		})
	}
}

func TestDeployRepeatsWhatMayPass(t *testing.T) {
	c := newCluster(t)
	c.fault = func(n int, r *http.Request) fault {
		if n == 1 && (r.Method == http.MethodPut || strings.Contains(r.URL.Path, "/job/")) {
			return fault{status: 500, text: "rpc error: No cluster leader"}
		}
		if n == 2 && r.Method == http.MethodPut {
			return fault{lose: true} // registered, and nobody knows
		}
		return fault{}
	}
	p, _ := c.open(t, nil)
	require.NoError(t, p.Deploy(t.Context(), map[string]provisioner.Resources{"pool": pools["pool"]}))
	require.Equal(t, 1, view(c, func() int { return c.registered }))
}

func TestADeployWhoseContextEndsSaysSoAndStops(t *testing.T) {
	three := map[string]provisioner.Resources{"a": {}, "b": {}, "c": {}}
	for name, answer := range map[string]fault{
		"no leader": {status: 500, text: "rpc error: No cluster leader"},
		"silence":   {},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			other := false // a pool after the first is asked for
			c.fault = func(_ int, r *http.Request) fault {
				switch {
				case strings.HasSuffix(r.URL.Path, "--b"):
					cancel(errors.New("enough"))
					return answer
				case strings.HasSuffix(r.URL.Path, "--c"):
					other = true
				}
				return fault{}
			}
			p, _ := c.open(t, nil)
			err := p.Deploy(ctx, three)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, `the job "mn--app--b" cannot be registered: context canceled`)
			require.ErrorContains(t, err, `the job "mn--app--c" and those after it are not registered`)
			require.NotContains(t, err.Error(), "agent")
			c.mu.Lock()
			defer c.mu.Unlock()
			require.False(t, other)
			require.NotNil(t, c.jobs["mn--app--a"])
		})
	}
}

func TestADeploysErrorKeepsItsCause(t *testing.T) {
	c := newCluster(t)
	c.fault = func(int, *http.Request) fault { return fault{status: http.StatusForbidden, text: "Permission denied"} }
	p, _ := c.open(t, nil)
	err := p.Deploy(t.Context(), pools)
	var answer api.UnexpectedResponseError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, http.StatusForbidden, answer.StatusCode())
	require.ErrorContains(t, err, "it needs dispatch-job and read-job, and submit-job for app.Deploy")

	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	require.ErrorIs(t, p.Deploy(ctx, pools), context.DeadlineExceeded)
}

func TestDeployWarnsOfPlacementsThatAreNobodys(t *testing.T) {
	c := newCluster(t)
	log := new(sharedBuffer)
	p, _ := c.open(t, func(cfg *Config) {
		cfg.Pools = map[string]Placement{"pool": {}, "secnod": {Cores: true}}
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	require.NoError(t, p.Deploy(t.Context(), pools))
	require.Contains(t, log.String(), `name=secnod definitions="[pool second]"`)
	require.Equal(t, 1, strings.Count(log.String(), "WARN"), log)
}
