package nomad_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/nomadtest"
	"github.com/multinode/mn/internal/redistest"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
)

func trace(name string) {
	path := filepath.Join(os.Getenv(dirVar), name)
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
}

// pid is which process it runs in.
var pid = mn.NewFunction("pid", func(context.Context, int) (int, error) { return os.Getpid(), nil },
	mn.MaxWorkers(3), mn.Cooldown(300*time.Millisecond))

// nap occupies its worker for some milliseconds.
var nap = mn.NewFunction("nap", func(ctx context.Context, ms int) (int, error) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(ms) * time.Millisecond):
	}
	return ms, nil
}, mn.MaxWorkers(3), mn.Cooldown(500*time.Millisecond))

// count yields numbers for as long as its context lasts; it resumes after a crash.
var count = mn.NewJob("count", func(ctx context.Context, upTo int, yield func(int) bool) error {
	n, _ := mn.LastYield[int](ctx)
	trace(fmt.Sprintf("count-%d-%d", mn.Attempt(ctx), n))
	for n++; n <= upTo; n++ {
		if !yield(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}, mn.Retries(1), mn.SyncYields())

// deaf ignores that it is told to stop.
var deaf = mn.NewJob("deaf", func(_ context.Context, _ int, yield func(int) bool) error {
	trace("deaf")
	yield(os.Getpid())
	select {}
}, mn.CancellationGrace(200*time.Millisecond), mn.SyncYields())

// crash ends its process.
var crash = mn.NewFunction("crash", func(_ context.Context, code int) (int, error) {
	fmt.Fprintln(os.Stderr, "first line\ncrashing on purpose")
	os.Exit(code)
	return 0, nil
})

// hog uses more memory than it asks for.
var hog = mn.NewFunction("hog", func(context.Context, int) (int, error) {
	var sum int
	for range 16 {
		block := make([]byte, 64<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
		sum += len(block)
	}
	return sum, nil
}, mn.Memory(128*mn.MiB))

var held [][]byte

// secret reads an environment variable.
var secret = mn.NewFunction("secret", func(_ context.Context, name string) (string, error) {
	return os.Getenv(name), nil
}, mn.Cooldown(time.Millisecond))

// greedy asks for more than any node of a test has.
var greedy = mn.NewJob("greedy", func(context.Context, int, func(int) bool) error { return nil }, mn.CPU(1000))

// unknown has a handler in the app that launches its workers, and none in the workers.
var (
	unknown        = mn.NewFunction("unknown", func(context.Context, int) (int, error) { return 1, nil })
	unknownAtAway  = mn.NewFunction[int, int]("unknown", nil)
	allDefinitions = []mn.Definition{pid, nap, count, deaf, crash, secret, greedy, hog, unknownAtAway, census, arrive, talk}
)

var timing = mn.Timing{
	Lease: 6 * time.Second, Heartbeat: time.Second, Margin: time.Second,
	Sweep: 200 * time.Millisecond, Start: time.Minute, Drain: 5 * time.Second,
}

func newApp(t testing.TB, url, name string, p provisioner.Provisioner, defs ...mn.Definition) (*mn.App, *redis.Backend, error) {
	if t != nil {
		t.Helper()
	}
	b, err := redis.Open(context.Background(), url, redis.Options{Logger: quiet})
	if err != nil {
		return nil, nil, err
	}
	app, err := mn.New(mn.Config{Name: name, Definitions: defs, Backend: b, Provisioner: p, Logger: quiet, Timing: timing})
	if err != nil {
		err = errors.Join(err, b.Close())
	}
	return app, b, err
}

// serveApp is the main of a worker.
func serveApp() error {
	app, b, err := newApp(nil, os.Getenv(redisVar), os.Getenv(nameVar), nomad.New(nomad.Config{}), allDefinitions...)
	if err != nil {
		return err
	}
	return errors.Join(
		app.Run(context.Background(), func(context.Context) error { return errors.New("a worker ran main") }),
		b.Close(),
	)
}

// rig is an app on a real Nomad and a real Redis.
type rig struct {
	*testing.T
	agent  *nomadtest.Agent
	app    *mn.App
	url    string
	dir    string
	config nomad.Config
}

// newRig opens an app; edit may change how it uses Nomad.
func newRig(t *testing.T, edit func(*nomad.Config), defs ...mn.Definition) *rig {
	t.Helper()
	return newRigAt(t, needAgent(t), edit, defs...)
}

// newRigAt is newRig at an agent of the test's own.
func newRigAt(t *testing.T, at *nomadtest.Agent, edit func(*nomad.Config), defs ...mn.Definition) *rig {
	t.Helper()
	r := &rig{T: t, agent: at, url: redistest.Start(t), dir: t.TempDir()}
	r.config = nomad.Config{
		Address: r.agent.URL, Prefix: newPrefix(), Program: nomad.RawExec{}, CoreMHz: 200, Logger: quiet,
		Env:         map[string]string{dirVar: r.dir, redisVar: r.url, nameVar: "app"},
		StopOnClose: true,
	}
	if edit != nil {
		edit(&r.config)
	}
	r.app = r.another(defs...)
	return r
}

// another opens one more app of the same name, as another process would.
func (r *rig) another(defs ...mn.Definition) *mn.App {
	r.Helper()
	app, b, err := newApp(r.T, r.url, "app", nomad.New(r.config), defs...)
	require.NoError(r, err)
	r.Cleanup(func() {
		require.NoError(r, app.Close())
		require.NoError(r, b.Close())
	})
	return app
}

// pidOf waits for a trace and returns the process that left it.
func (r *rig) pidOf(pattern string) (pid int) {
	r.Helper()
	require.Eventually(r, func() bool {
		found, _ := filepath.Glob(filepath.Join(r.dir, pattern))
		if len(found) == 0 {
			return false
		}
		data, err := os.ReadFile(found[0])
		if err != nil || len(data) == 0 {
			return false
		}
		pid, err = strconv.Atoi(string(data))
		return err == nil
	}, 40*time.Second, 5*time.Millisecond, "no trace %s", pattern)
	return pid
}

// allocations are all that Nomad has for this rig's pools, whatever their state.
func (r *rig) allocations() []*api.AllocationListStub {
	r.Helper()
	var ours []*api.AllocationListStub
	all, _, err := r.agent.Client.Allocations().List(nil)
	require.NoError(r, err)
	for _, a := range all {
		if strings.HasPrefix(a.JobID, r.config.Prefix+"--") {
			ours = append(ours, a)
		}
	}
	return ours
}

// awaitNone waits until no allocation is alive.
func (r *rig) awaitNone() {
	r.Helper()
	require.Eventually(r, func() bool {
		for _, a := range r.allocations() {
			if a.ClientStatus == api.AllocClientStatusRunning || a.ClientStatus == api.AllocClientStatusPending {
				return false
			}
		}
		return true
	}, 40*time.Second, 50*time.Millisecond, "allocations are left")
}

// running waits for the one allocation that runs.
func (r *rig) running() (alloc *api.Allocation) {
	r.Helper()
	require.Eventually(r, func() bool {
		for _, a := range r.allocations() {
			if a.ClientStatus == api.AllocClientStatusRunning {
				alloc = &api.Allocation{ID: a.ID, JobID: a.JobID, NodeID: a.NodeID}
				return true
			}
		}
		return false
	}, 40*time.Second, 50*time.Millisecond, "no allocation runs")
	return alloc
}

// blocked waits until the backend says why a pool gets no workers.
func (r *rig) blocked(pool string) (note string) {
	r.Helper()
	b, err := redis.Open(r.Context(), r.url, redis.Options{Logger: quiet})
	require.NoError(r, err)
	defer b.Close()
	require.Eventually(r, func() bool {
		pools, err := b.Namespace("app").Pools(r.Context())
		require.NoError(r, err)
		for _, p := range pools {
			if p.Spec.Name == pool {
				note = p.Blocked
			}
		}
		return note != ""
	}, 40*time.Second, 50*time.Millisecond, "pool %q is not blocked", pool)
	r.Log(note)
	return note
}

// awaitYields waits until a job has yielded n times.
func awaitYields(t *testing.T, job *mn.Job[int, int], id mn.JobID, n uint64) {
	t.Helper()
	for info, err := range job.Watch(t.Context(), id) {
		require.NoError(t, err)
		require.Nil(t, info.Error)
		if info.Yields >= n {
			return
		}
	}
	t.Fatalf("the job ended before its yield %d", n)
}

// awaitReason waits until a pending job shows why it waits.
func awaitReason(t *testing.T, job *mn.Job[int, int], id mn.JobID, says string) {
	t.Helper()
	var reasons []string
	defer func() { t.Logf("reasons: %q", reasons) }()
	require.Eventually(t, func() bool {
		info, err := job.Get(t.Context(), id)
		require.NoError(t, err)
		if !slices.Contains(reasons, info.Reason) {
			reasons = append(reasons, info.Reason)
		}
		return strings.Contains(info.Reason, says)
	}, 40*time.Second, 50*time.Millisecond)
}
