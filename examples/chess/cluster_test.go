package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/internal/redistest"
)

// build compiles the program, as its users do.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chess")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".") //nolint:gosec // a fixed command
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// wait waits until a state holds.
func wait(t *testing.T, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(bound), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after %s still not: %s", bound, what)
		}
	}
}

// busy watches the backend until ctx ends, and returns the most workers of a pool that executed at
// one moment.
func busy(ctx context.Context, t *testing.T, b *redis.Backend, pool string) (most int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
		pools, err := b.Namespace("chess").Pools(ctx)
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return most
		}
		for _, p := range pools {
			if p.Spec.Name == pool {
				most = max(most, p.Running)
			}
		}
	}
}

// allocations are Nomad's of the chess program.
func allocations(t *testing.T, client *api.Client) (all []*api.AllocationListStub) {
	t.Helper()
	stubs, _, err := client.Allocations().List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range stubs {
		if strings.HasPrefix(a.JobID, "mn--chess--") {
			all = append(all, a)
		}
	}
	return all
}

// noneLives waits until no worker is left.
func noneLives(t *testing.T, client *api.Client) {
	t.Helper()
	var left string
	defer func() {
		if left != "" {
			t.Log(left)
		}
	}()
	wait(t, 90*time.Second, "no allocation lives", func() bool {
		left = ""
		for _, a := range allocations(t, client) {
			if a.ClientStatus == api.AllocClientStatusPending || a.ClientStatus == api.AllocClientStatusRunning {
				left += fmt.Sprintf("%s of %s on %s is %s, and to %s\n", a.ID, a.JobID, a.NodeName, a.ClientStatus, a.DesiredStatus)
			}
		}
		return left == ""
	})
}

func TestOnNomadFiveSearchesRunInParallelAndNoWorkerStaysAfterItsCooldown(t *testing.T) {
	nomadtest.Binary(t)
	server, program := redistest.New(t), build(t)
	agent := nomadtest.Start(t, "")
	defer agent.Stop()
	b, err := redis.Open(t.Context(), server.URL(), redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	most := make(chan int, 1)
	go func() { most <- busy(ctx, t, b, "suggest-move") }()

	const cooldown = "3s"
	bounded, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(bounded, program, "-redis", server.URL(), "-nomad", agent.URL, "-cooldown", cooldown, "-moves", "2") //nolint:gosec // what was just built
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, append(os.Environ(), "NOMAD_TOKEN=")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	ended := time.Now()
	if !strings.Contains(stdout.String(), "\n2 of 2 moves in ") {
		t.Errorf("printed\n%s", stdout.String())
	}
	noneLives(t, agent.Client)
	t.Logf("%s; the last worker left %s after the program", strings.TrimSpace(lastLine(stdout.String())), time.Since(ended).Round(time.Millisecond))
	cancel()
	if n := <-most; n != 5 {
		t.Errorf("at most %d searches ran at the same moment, want 5", n)
	}
	all := allocations(t, agent.Client)
	for _, a := range all {
		if a.ClientStatus != api.AllocClientStatusComplete || a.TaskStates["worker"].Failed {
			t.Errorf("a worker of %s ended %s", a.JobID, a.ClientStatus)
		}
	}
	if n := count(all, "mn--chess--suggest-move/"); n < 5 {
		t.Errorf("%d allocations searched, want five", n)
	}
	pools, err := b.Namespace("chess").Pools(t.Context())
	if err != nil || len(pools) != 3 {
		t.Fatalf("%d pools: %v", len(pools), err)
	}
	for _, p := range pools {
		if p.Slots != 0 {
			t.Errorf("%s has %d workers", p.Spec.Name, p.Slots)
		}
	}
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}

// count is how many allocations are of jobs whose ID begins so.
func count(all []*api.AllocationListStub, prefix string) (n int) {
	for _, a := range all {
		if strings.HasPrefix(a.JobID, prefix) {
			n++
		}
	}
	return n
}
