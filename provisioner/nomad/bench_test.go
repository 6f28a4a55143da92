package nomad_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/internal/redistest"
	"github.com/multinode/mn/provisioner/nomad"
)

// arrive leaves a trace as soon as it runs.
var arrive = mn.NewJob("arrive", func(_ context.Context, name string, _ func(int) bool) error {
	trace(name)
	return nil
}, mn.MaxConcurrency(1))

// BenchmarkColdStart compares the start of a job for which there is no worker, until its handler runs,
// with what Nomad itself needs from a dispatch until a shell runs. Each round takes both, so that what
// else happens on the machine strikes both. Run it with -benchtime 20x.
func BenchmarkColdStart(b *testing.B) {
	agent, url, dir := needAgent(b), redistest.Start(b), b.TempDir()
	prefix := newPrefix()
	app, store, err := newApp(b, url, "app", nomad.New(nomad.Config{
		Address: agent.URL, Prefix: prefix, Program: nomad.RawExec{}, CoreMHz: 200, Logger: quiet, StopOnClose: true,
		Env: map[string]string{dirVar: dir, redisVar: url, nameVar: "app"},
	}), arrive)
	require.NoError(b, err)
	defer func() {
		require.NoError(b, app.Close())
		require.NoError(b, store.Close())
	}()
	require.NoError(b, app.Deploy(b.Context()))
	bare := registerBare(b, agent, prefix, dir)
	job := arrive.On(app)

	var bares, jobs []time.Duration
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprint("bare-", i)
		begin := time.Now()
		_, _, err := agent.Client.Jobs().Dispatch(bare, map[string]string{"name": name}, nil, "", nil)
		require.NoError(b, err)
		bares = append(bares, awaitFile(b, filepath.Join(dir, name)).Sub(begin))

		name = fmt.Sprint("job-", i)
		begin = time.Now()
		id, err := job.Start(b.Context(), name)
		require.NoError(b, err)
		jobs = append(jobs, awaitFile(b, filepath.Join(dir, name)).Sub(begin))
		_, err = job.Wait(b.Context(), id)
		require.NoError(b, err)
	}
	slices.Sort(bares)
	slices.Sort(jobs)
	p50 := func(ds []time.Duration) float64 { return float64(ds[len(ds)/2].Microseconds()) / 1000 }
	b.ReportMetric(p50(bares), "bare-ms")
	b.ReportMetric(p50(jobs), "job-ms")
	b.ReportMetric(p50(jobs)/p50(bares), "ratio")
	b.ReportMetric(0, "ns/op")
}

// registerBare registers a job whose process leaves a trace in a shell.
func registerBare(b *testing.B, a *nomadtest.Agent, prefix, dir string, only ...*api.Constraint) string {
	b.Helper()
	id, kind, one, zero := prefix+"-bare", api.JobTypeBatch, 1, 0
	_, _, err := a.Client.Jobs().Register(&api.Job{
		ID: &id, Name: &id, Type: &kind, Datacenters: []string{"*"}, Constraints: only,
		ParameterizedJob: &api.ParameterizedJobConfig{MetaRequired: []string{"name"}},
		TaskGroups: []*api.TaskGroup{{Name: &id, Count: &one, RestartPolicy: &api.RestartPolicy{Attempts: &zero}, Tasks: []*api.Task{{
			Name: "shell", Driver: "raw_exec",
			Config:    map[string]any{"command": "/bin/sh", "args": []string{"-c", "echo 1 > " + dir + "/${NOMAD_META_name}"}},
			Resources: &api.Resources{CPU: func() *int { n := 20; return &n }(), MemoryMB: func() *int { n := 256; return &n }()},
		}}}},
	}, nil)
	require.NoError(b, err)
	return id
}

// awaitFile waits for a trace and returns when it was seen.
func awaitFile(b *testing.B, path string) time.Time {
	b.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if _, err := os.Stat(path); err == nil {
				return time.Now()
			}
		case <-limit.C:
			b.Fatalf("no trace %s", path)
		}
	}
}

// BenchmarkDispatch is how many workers Nomad's servers take a second from as many dispatchers as a scheduler
// has. No node meets the job's constraint, so that nothing is started.
// Run it with -benchtime 2000x.
func BenchmarkDispatch(b *testing.B) {
	agent := needAgent(b)
	id := registerBare(b, agent, newPrefix(), b.TempDir(), &api.Constraint{LTarget: "${attr.kernel.name}", RTarget: "none", Operand: "="})
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ResetTimer()
	for range 8 {
		all.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				name := fmt.Sprint("none-", n)
				_, _, err := agent.Client.Jobs().DispatchOpts(&api.DispatchOptions{
					JobID: id, Meta: map[string]string{"name": name}, IdPrefixTemplate: name,
				}, &api.WriteOptions{IdempotencyToken: name})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "dispatches/s")
	_, _, err := agent.Client.Jobs().Deregister(id, true, nil)
	require.NoError(b, err)
}
