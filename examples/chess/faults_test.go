package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/examples/chess/engine"
	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/internal/redistest"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner"
)

// field is the chess program on a cluster of several hosts, and what a test sees of it.
type field struct {
	*testing.T
	trace
	cluster *nomadtest.Cluster
	redis   *redistest.Server
	url     string // of Redis, for all hosts
	moves   int
	client  *exec.Cmd
	jobs    *mn.Job[Request, Progress]
	id      mn.JobID
	killed  map[string]time.Time // by allocation
}

// newField starts a cluster with so many nodes.
func newField(t *testing.T, nodes, moves int) *field {
	t.Helper()
	f := &field{
		T: t, trace: trace{t.TempDir(), 300 * time.Millisecond}, moves: moves, killed: make(map[string]time.Time),
		cluster: nomadtest.NewCluster(t, nodes),
	}
	f.redis = redistest.New(t, "--bind", f.cluster.Self(), "127.0.0.1", "--protected-mode", "no", "--appendonly", "yes", "--appendfsync", "always")
	f.url = fmt.Sprintf("redis://%s:%d/0", f.cluster.Self(), f.redis.Port)
	b, err := redis.Open(t.Context(), f.redis.URL(), redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app, err := mn.New(mn.Config{
		Name: "chess", Definitions: []mn.Definition{mn.NewJob[Request, Progress]("next-moves", nil)}, Backend: b, Provisioner: provisioner.None,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	f.jobs = NextMoves.On(app)
	return f
}

// request is what the job is asked for: 6 calls a move.
func (f *field) request() Request {
	return Request{FEN: engine.FamousFEN, N: f.moves, Strategies: engine.Strategies(), Nodes: 400}
}

// flags are those of a process of the program.
func (f *field) flags(more ...string) []string {
	return f.args(append([]string{"-redis", f.url, "-nomad", f.cluster.URL, "-cooldown", "3s"}, more...)...)
}

// start starts the client and waits for its job.
func (f *field) start() {
	f.Helper()
	self, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	f.client = exec.Command(self, f.flags("-plain", "-moves", strconv.Itoa(f.moves), "-nodes", "400")...) //nolint:gosec // this test
	var output bytes.Buffer
	f.client.Stdout, f.client.Stderr = &output, &output
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			f.client.Env = append(f.client.Env, v)
		}
	}
	if err := f.client.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		_ = f.client.Process.Kill() // it may have ended
		_ = f.client.Wait()
		if f.Failed() {
			f.Logf("the client wrote\n%s", output.String())
		}
	})
	wait(f.T, time.Minute, "the job is there", func() bool {
		for id, err := range f.jobs.ListIDs(f.Context()) {
			f.id = id
			return err == nil
		}
		return false
	})
}

// progress is how many moves are found.
func (f *field) progress() int {
	info, err := f.jobs.Get(f.Context(), f.id)
	if err != nil {
		return -1 // Redis may be away
	}
	if info.Status.Terminal() && info.Status != mn.Succeeded {
		f.Fatalf("the job ended %s: %v", info.Status, info.Error)
	}
	return len(info.Result.Moves)
}

// goesOn waits until the job has found more moves.
func (f *field) goesOn(more int) {
	f.Helper()
	var from int
	wait(f.T, 30*time.Second, "the backend answers", func() bool { from = f.progress(); return from >= 0 })
	began := time.Now()
	wait(f.T, 90*time.Second, fmt.Sprintf("%d moves more than %d", more, from), func() bool { return f.progress() >= from+more })
	f.Logf("from move %d to %d in %s", from, from+more, time.Since(began).Round(100*time.Millisecond))
}

// worker waits for a running allocation of a pool and returns it.
func (f *field) worker(pool string) (found *api.AllocationListStub) {
	f.Helper()
	wait(f.T, time.Minute, "a worker of "+pool+" runs", func() bool {
		stubs, _, err := f.cluster.Client.Allocations().List(nil)
		for _, a := range stubs {
			if err == nil && strings.HasPrefix(a.JobID, "mn--chess--"+pool+"/") && a.ClientStatus == api.AllocClientStatusRunning &&
				len(processes(a.ID)) > 0 {
				found = a
			}
		}
		return found != nil
	})
	return found
}

// executor is the allocation in which the job's newest attempt began.
func (f *field) executor() (found *api.AllocationListStub) {
	f.Helper()
	var id string
	for _, m := range f.marks(f.T) {
		if m.Task == string(f.id) && m.What == began {
			id = m.Alloc
		}
	}
	for _, a := range allocations(f.T, f.cluster.Client) {
		if a.ID == id {
			return a
		}
	}
	f.Fatalf("the job began in allocation %q, which is not there", id)
	return nil
}

// node is the host on which an allocation is.
func (f *field) node(a *api.AllocationListStub) *nomadtest.Node {
	f.Helper()
	for _, n := range f.cluster.Nodes {
		if n.ID == a.NodeID {
			return n
		}
	}
	f.Fatalf("allocation %s is on no node of the test", a.ID)
	return nil
}

// processes are those of an allocation.
func processes(alloc string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if bytes.Contains(text, []byte("NOMAD_ALLOC_ID="+alloc)) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// kill ends an allocation's processes by force.
func (f *field) kill(a *api.AllocationListStub) {
	f.Helper()
	pids := processes(a.ID)
	if len(pids) == 0 {
		f.Fatalf("allocation %s of %s has no process", a.ID, a.JobID)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	wait(f.T, 10*time.Second, "its processes are gone", func() bool { return len(processes(a.ID)) == 0 })
	f.killed[a.ID] = time.Now()
}

// undisturbed is the result of the same request in one process.
func (f *field) undisturbed() Progress {
	f.Helper()
	return finish(f.T, mntest.New(f.T, NextMoves, Preprocess, Suggest), f.request()).Result
}

// endsRight waits for the job's end and checks its result and the trace.
func (f *field) endsRight() {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 2*time.Minute)
	defer cancel()
	got, err := f.jobs.Wait(ctx, f.id)
	if err != nil {
		f.Fatal(err)
	}
	if want := f.undisturbed(); len(got.Moves) != f.moves || !reflect.DeepEqual(got, want) {
		f.Errorf("found %v\nwant  %v", line(got), line(want))
	}
	all := attempts(f.marks(f.T))
	again := checkAlone(f.T, all, f.killed)
	if calls := len(all) - 1; calls < 6*f.moves {
		f.Errorf("%d calls, want six a move for %d moves", calls, f.moves)
	}
	f.Logf("%d calls and a job of %d attempts; %d attempts were not the first of their task", len(all)-1, len(all[string(f.id)]), again)
}

// line is the moves that were found.
func line(p Progress) (moves []string) {
	for _, m := range p.Moves {
		moves = append(moves, m.Chosen.SAN)
	}
	return moves
}

// awaitNone waits until no worker is left: for Nomad, and among the processes.
func (f *field) awaitNone() {
	f.Helper()
	noneLives(f.T, f.cluster.Client)
	for _, a := range allocations(f.T, f.cluster.Client) {
		wait(f.T, 30*time.Second, "its processes are gone", func() bool { return len(processes(a.ID)) == 0 })
	}
}

func TestAJobEndsRightWhenOneNodeIsCutOffAndAnotherDrained(t *testing.T) {
	f := newField(t, 3, 34)
	f.start()
	f.goesOn(2)
	cut := f.node(f.executor())
	f.cluster.Cut(cut.Host)
	t.Logf("%s is cut off", cut.Name)
	f.goesOn(2)
	drained := f.node(f.executor())
	if drained == cut {
		t.Fatal("the job goes on where nobody can know of it")
	}
	if _, err := f.cluster.Client.Nodes().UpdateDrain(drained.ID, &api.DrainSpec{Deadline: time.Second}, false, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is drained", drained.Name)
	wait(t, time.Minute, "the drained node has no worker", func() bool {
		stubs, _, err := f.cluster.Client.Nodes().Allocations(drained.ID, nil)
		for _, a := range stubs {
			if a.ClientStatus == api.AllocClientStatusRunning {
				return false
			}
		}
		return err == nil
	})
	f.endsRight()
	f.cluster.Join(cut.Host)
	f.awaitNone()
	if as := attempts(f.marks(t))[string(f.id)]; len(as) < 3 {
		t.Errorf("the job had %d attempts, want one on each node", len(as))
	}
}

// Each kind of process is killed once in one run: a worker of a function, that of the job, the client, the
// scheduler, Redis, and a Nomad client agent.
func TestKillingAnyOneProcessLosesNothing(t *testing.T) {
	f := newField(t, 2, 34) // moves: 204 calls
	f.schedule()
	f.start()
	f.goesOn(2)

	f.kill(f.worker("suggest-move"))
	f.goesOn(2)

	f.kill(f.executor())
	f.goesOn(2)

	if err := f.client.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = f.client.Wait()
	f.goesOn(2)

	old := f.scheduler()
	f.kill(old)
	f.kill(f.worker("suggest-move")) // somebody must launch another one now
	f.goesOn(2)
	wait(t, time.Minute, "the scheduler runs again", func() bool {
		ran := f.scheduler().TaskStates["schedule"]
		return ran.Restarts == 1
	})

	f.redis.Kill()
	f.redis.Up()
	f.goesOn(2)

	node := f.node(f.executor())
	node.KillAgent()
	f.goesOn(2)
	node.Start()
	f.endsRight()

	if _, _, err := f.cluster.Client.Jobs().Deregister(schedulerJob, true, nil); err != nil {
		t.Fatal(err)
	}
	f.awaitNone()
}

// schedulerJob is the ID of the scheduler's Nomad job.
const schedulerJob = "chess-scheduler"

// schedule runs the scheduler as a service of the cluster, which starts it again when it dies.
func (f *field) schedule() {
	f.Helper()
	self, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	job := api.NewServiceJob(schedulerJob, schedulerJob, "global", 50).AddDatacenter("*")
	group := api.NewTaskGroup("schedule", 1)
	group.RestartPolicy = &api.RestartPolicy{Interval: ptr(2 * time.Minute), Attempts: ptr(10), Mode: ptr("delay"), Delay: ptr(time.Second)}
	task := api.NewTask("schedule", "raw_exec").SetConfig("command", self).SetConfig("args", f.flags("-role", "schedule"))
	task.Require(&api.Resources{CPU: ptr(50), MemoryMB: ptr(512)})
	if _, _, err := f.cluster.Client.Jobs().Register(job.AddTaskGroup(group.AddTask(task)), nil); err != nil {
		f.Fatal(err)
	}
	f.scheduler()
}

// scheduler waits until the scheduler runs.
func (f *field) scheduler() (found *api.AllocationListStub) {
	f.Helper()
	wait(f.T, time.Minute, "the scheduler runs", func() bool {
		stubs, _, err := f.cluster.Client.Jobs().Allocations(schedulerJob, true, nil)
		if err != nil || len(stubs) != 1 || stubs[0].ClientStatus != api.AllocClientStatusRunning || len(processes(stubs[0].ID)) == 0 {
			return false
		}
		found = stubs[0]
		return true
	})
	return found
}

func ptr[T any](v T) *T { return &v }
