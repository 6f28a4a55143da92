package nomad_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/provisioner/nomad"
)

func TestCallsRunInAllocationsThatLeaveAfterTheirCooldown(t *testing.T) {
	r := newRig(t, nil, pid)
	f := pid.On(r.app)
	first, err := f.Call(t.Context(), 0)
	require.NoError(t, err)
	require.NotEqual(t, os.Getpid(), first)
	again, err := f.Call(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, first, again, "a warm worker is used again")
	r.awaitNone()
	as := r.allocations()
	require.Len(t, as, 1)
	require.Equal(t, api.AllocClientStatusComplete, as[0].ClientStatus)
}

func TestAKilledWorkersJobResumesFromItsLastYieldBeforeItsLeaseEnds(t *testing.T) {
	r := newRig(t, nil, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 300, mn.WithLock("table"))
	require.NoError(t, err)
	worker := r.pidOf("count-1-*")
	awaitYields(t, job, id, 5)
	killed := time.Now()
	require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
	r.pidOf("count-2-*")
	t.Logf("the second attempt began %s after the kill", time.Since(killed).Round(time.Millisecond))
	require.Less(t, time.Since(killed), timing.Lease, "found by its exit, not by its lease")
	out, err := job.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 300, out)
	info, err := job.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, uint64(300), info.Yields, "no number was yielded twice")
}

func TestAStoppedWorkerIsFoundByItsLeaseAndKilledAtOnce(t *testing.T) {
	r := newRig(t, nil, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 100)
	require.NoError(t, err)
	worker := r.pidOf("count-1-*")
	stopped := time.Now()
	require.NoError(t, syscall.Kill(worker, syscall.SIGSTOP))
	r.pidOf("count-2-*")
	out, err := job.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 100, out)
	require.Eventually(t, func() bool { return syscall.Kill(worker, 0) != nil }, 20*time.Second, 10*time.Millisecond,
		"the silent process was not killed")
	require.Less(t, time.Since(stopped), nomad.DefaultKillTimeout, "it was stopped Nomad's way, not killed")
}

func TestADeafHandlersProcessIsEndedWhenItsGraceIs(t *testing.T) {
	r := newRig(t, nil, deaf)
	job := deaf.On(r.app)
	id, err := job.Start(t.Context(), 0, mn.WithLock("table"))
	require.NoError(t, err)
	worker := r.pidOf("deaf")
	require.NoError(t, job.Cancel(t.Context(), id))
	_, err = job.Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	require.Eventually(t, func() bool { return syscall.Kill(worker, 0) != nil }, 10*time.Second, 10*time.Millisecond)
}

func TestACrashingCallFailsAfterItsBudgetAndShowsItsOutput(t *testing.T) {
	r := newRig(t, nil, crash)
	_, err := crash.On(r.app).Call(t.Context(), 3)
	require.ErrorIs(t, err, mn.ErrWorkerLost)
	require.ErrorContains(t, err, "ended with exit code 3: first line\ncrashing on purpose")
	t.Log(err)
}

func TestAWorkerThatRanOutOfMemorySaysSo(t *testing.T) {
	r := newRig(t, nil, hog)
	sum, err := hog.On(r.app).Call(t.Context(), 0)
	if err == nil {
		t.Skipf("this Nomad does not limit the memory of raw_exec: %d bytes were used", sum)
	}
	t.Log(err)
	require.ErrorIs(t, err, mn.ErrWorkerLost)
	require.ErrorContains(t, err, "out of memory")
	require.ErrorContains(t, err, "128 MiB")
}

func TestAMissingProgramIsToldToThoseWhoWait(t *testing.T) {
	r := newRig(t, func(c *nomad.Config) { c.Program = nomad.RawExec{Path: "/nowhere/program"} }, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 1)
	require.NoError(t, err)
	awaitReason(t, job, id, "the program is not where nomad.Config.Program says")
}

func TestMissingCapacityIsToldAndTheDispatchWithdrawn(t *testing.T) {
	r := newRig(t, func(c *nomad.Config) { c.PlacementTimeout = 500 * time.Millisecond }, greedy)
	job := greedy.On(r.app)
	id, err := job.Start(t.Context(), 1)
	require.NoError(t, err)
	awaitReason(t, job, id, "no capacity for 1000 CPU")
	require.NoError(t, job.Cancel(t.Context(), id))
	require.Eventually(t, func() bool {
		jobs, _, err := r.agent.Client.Jobs().PrefixList(r.config.Prefix + "--app--greedy/")
		require.NoError(t, err)
		for _, j := range jobs {
			if !j.Stop {
				return false
			}
		}
		return len(jobs) > 0
	}, 20*time.Second, 50*time.Millisecond, "dispatches that nobody waits for are still queued")
}

func TestAWorkerWithoutTheDefinitionSaysSo(t *testing.T) {
	r := newRig(t, nil, unknown)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := unknown.On(r.app).Call(ctx, 1)
		done <- err
	}()
	require.Contains(t, r.blocked("unknown"), `no handler for "unknown"`)
	cancel()
	require.Error(t, <-done)
}

func TestSecretsReachWorkersAndAreInNoJob(t *testing.T) {
	const value = "s3cret \"quoted\"\\ $HOME ${node.unique.id} <&> ü\nsecond line"
	r := newRig(t, func(c *nomad.Config) {
		c.StartTimeout = 2 * time.Second
		c.Secrets = []nomad.Secret{{Env: "TOP_SECRET", Path: "nomad/jobs/" + nomad.JobID(c.Prefix, "app", "secret"), Key: "top"}}
	}, secret)
	require.NoError(t, r.app.Deploy(t.Context()))
	id := nomad.JobID(r.config.Prefix, "app", "secret")

	// Without the variable the worker cannot start.
	f := secret.On(r.app)
	got := make(chan string, 1)
	go func() {
		s, err := f.Call(context.WithoutCancel(t.Context()), "TOP_SECRET")
		if err != nil {
			s = err.Error()
		}
		got <- s
	}()
	require.Contains(t, r.blocked("secret"), "is a Nomad Variable of Config.Secrets missing")

	_, _, err := r.agent.Client.Variables().Create(&api.Variable{Path: "nomad/jobs/" + id, Items: map[string]string{"top": value}}, nil)
	require.NoError(t, err)
	require.Equal(t, value, <-got)

	jobs, _, err := r.agent.Client.Jobs().PrefixList(r.config.Prefix)
	require.NoError(t, err)
	require.NotEmpty(t, jobs)
	for _, stub := range jobs {
		job, _, err := r.agent.Client.Jobs().Info(stub.ID, nil)
		require.NoError(t, err)
		text, err := json.Marshal(job)
		require.NoError(t, err)
		require.NotContains(t, string(text), "s3cret")
	}
}

func TestArtifactsAreCheckedAndRun(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	data, err := os.ReadFile(self)
	require.NoError(t, err)
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(self))))
	defer server.Close()
	artifact := server.URL + "/" + filepath.Base(self)
	program := func(sum string) func(*nomad.Config) {
		return func(c *nomad.Config) {
			c.Program = nomad.RawExec{Artifact: artifact, Checksum: "sha256:" + sum}
			c.Edit = func(_ string, job *api.Job) { job.TaskGroups[0].Tasks[0].Env["HOME"] = "/" }
		}
	}
	right := newRig(t, program(fmt.Sprintf("%x", sha256.Sum256(data))), pid)
	_, err = pid.On(right.app).Call(t.Context(), 0)
	require.NoError(t, err)
	wrong := newRig(t, program(fmt.Sprintf("%x", sha256.Sum256(nil))), count)
	job := count.On(wrong.app)
	id, err := job.Start(t.Context(), 1)
	require.NoError(t, err)
	awaitReason(t, job, id, "the artifact is another one than Checksum says")
}

// A drain is what alloc stop and node drain come to: the work is handed back, its attempt not counted.
func TestStoppingAnAllocationHandsItsWorkOn(t *testing.T) {
	r := newRig(t, nil, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 1_000_000)
	require.NoError(t, err)
	r.pidOf("count-1-0")
	awaitYields(t, job, id, 5)
	alloc := r.running()
	_, err = r.agent.Client.Allocations().Stop(alloc, nil)
	require.NoError(t, err)
	r.pidOf("count-1-[1-9]*") // again the first attempt, from a later number
	require.NoError(t, job.Cancel(t.Context(), id))
	_, err = job.Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	r.awaitNone()
}

func TestDrainingANodeHandsItsWorkOn(t *testing.T) {
	r := newRig(t, nil, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 1_000_000)
	require.NoError(t, err)
	r.pidOf("count-1-0")
	awaitYields(t, job, id, 5)
	alloc := r.running()
	nodes := r.agent.Client.Nodes()
	_, err = nodes.UpdateDrain(alloc.NodeID, &api.DrainSpec{Deadline: time.Second}, false, nil)
	require.NoError(t, err)
	eligible := sync.OnceFunc(func() {
		_, err := nodes.UpdateDrain(alloc.NodeID, nil, true, nil)
		require.NoError(t, err)
	})
	defer eligible()
	require.Eventually(t, func() bool {
		info, err := job.Get(t.Context(), id)
		require.NoError(t, err)
		require.Nil(t, info.Error)
		return info.Status == mn.Pending
	}, 40*time.Second, 50*time.Millisecond, "the job was not handed back")
	eligible()
	r.pidOf("count-1-[1-9]*")
	require.NoError(t, job.Cancel(t.Context(), id))
	_, err = job.Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
}

func TestStoppingAJobHandsItsWorkOn(t *testing.T) {
	r := newRig(t, nil, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 1_000_000)
	require.NoError(t, err)
	r.pidOf("count-1-0")
	awaitYields(t, job, id, 5)
	_, _, err = r.agent.Client.Jobs().Deregister(r.running().JobID, true, nil)
	require.NoError(t, err)
	r.pidOf("count-1-[1-9]*")
	require.NoError(t, job.Cancel(t.Context(), id))
	_, err = job.Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
}

// Workers need the backend and not Nomad: what runs goes on when Nomad is gone.
func TestAJobEndsRightAlthoughItsAgentWasKilled(t *testing.T) {
	doomed := nomadtest.Start(t, "")
	tidy := func() {}
	t.Cleanup(func() {
		tidy()
		doomed.Stop()
	})
	r := newRigAt(t, doomed, func(c *nomad.Config) { c.StopOnClose = false }, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 2000)
	require.NoError(t, err)
	r.pidOf("count-1-0")
	awaitYields(t, job, id, 1)
	tidy = doomed.Crash(t)
	out, err := job.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 2000, out)
	info, err := job.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, info.Attempt)
	require.Equal(t, uint64(2000), info.Yields)
}

func TestWorkersOutliveTheAppThatLaunchedThem(t *testing.T) {
	r := newRig(t, func(c *nomad.Config) { c.StopOnClose = false }, count)
	app, b, err := newApp(t, r.url, "app", nomad.New(r.config), count)
	require.NoError(t, err)
	id, err := count.On(app).Start(t.Context(), 1000)
	require.NoError(t, err)
	r.pidOf("count-1-0")
	awaitYields(t, count.On(app), id, 1)
	require.NoError(t, app.Close())
	require.NoError(t, b.Close())
	out, err := count.On(r.app).Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1000, out)
	info, err := count.On(r.app).Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, info.Attempt)
	require.Equal(t, uint64(1000), info.Yields)
	r.awaitNone()
}

// MaxWorkers is 3, however many apps call at the same time.
func TestMaxWorkersHoldsUnderAStormFromSeveralApps(t *testing.T) {
	r := newRig(t, nil, nap)
	apps := []*mn.App{r.app, r.another(nap), r.another(nap), r.another(nap)}
	var calls sync.WaitGroup
	for _, app := range apps {
		for range 25 {
			calls.Go(func() {
				_, err := nap.On(app).Call(t.Context(), 50)
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	calls.Wait()
	r.awaitNone()
	most := mostAtOnce(r.allocations())
	t.Logf("%d allocations, at most %d at the same time", len(r.allocations()), most)
	require.LessOrEqual(t, most, 3)
	require.Positive(t, most)
}

// mostAtOnce is how many of the allocations' processes lived at the same moment.
func mostAtOnce(as []*api.AllocationListStub) (most int) {
	for _, a := range as {
		at, n := a.TaskStates["worker"].StartedAt, 0
		for _, b := range as {
			if s := b.TaskStates["worker"]; !s.StartedAt.After(at) && s.FinishedAt.After(at) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
