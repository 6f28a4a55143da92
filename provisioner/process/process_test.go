package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/redistest"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/process"
	"github.com/multinode/mn/provisioner/provisionertest"
)

// The test binary is also the worker program.
func TestMain(m *testing.M) {
	if w, ok := provisioner.ParseWorker(os.Getenv(provisioner.WorkerVariable)); ok {
		if addr := os.Getenv(stageVar); addr != "" {
			os.Exit(exitCode(provisionertest.Work(addr, w.ID, process.New())))
		}
		os.Exit(worker())
	}
	goleak.VerifyTestMain(m)
}

// dir is where handlers leave traces; URL is the backend; stage is where the conformance suite waits.
// Workers get them by environment.
const (
	dirVar   = "MN_TEST_DIR"
	urlVar   = "MN_TEST_URL"
	stageVar = "MN_TEST_STAGE"
)

func trace(name string) {
	path := filepath.Join(os.Getenv(dirVar), name)
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
}

// pid is which process double runs in.
var pid = mn.NewFunction("pid", func(context.Context, int) (int, error) { return os.Getpid(), nil },
	mn.MaxWorkers(3), mn.Cooldown(300*time.Millisecond))

// count yields numbers for as long as its context lasts; it resumes after a crash.
var count = mn.NewJob("count", func(ctx context.Context, upTo int, yield func(int) bool) error {
	n, _ := mn.LastYield[int](ctx)
	trace(fmt.Sprintf("count-%d", mn.Attempt(ctx)))
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
	fmt.Fprintln(os.Stderr, "crashing on purpose")
	os.Exit(code)
	return 0, nil
})

var timing = mn.Timing{
	Lease: 1500 * time.Millisecond, Heartbeat: 300 * time.Millisecond, Margin: 300 * time.Millisecond,
	Sweep: 200 * time.Millisecond, Start: 20 * time.Second, Drain: time.Second,
}

func newApp(url string, p provisioner.Provisioner, defs ...mn.Definition) (*mn.App, *redis.Backend, error) {
	out := io.Discard
	if os.Getenv(provisioner.WorkerVariable) != "" {
		out = os.Stderr // as workers' logs usually go
	}
	logger := slog.New(slog.NewTextHandler(out, nil))
	b, err := redis.Open(context.Background(), url, redis.Options{Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	app, err := mn.New(mn.Config{
		Name: "process-test", Definitions: defs, Backend: b, Provisioner: p, Logger: logger, Timing: timing,
	})
	return app, b, err
}

func worker() int {
	fmt.Println("starting up")
	app, b, err := newApp(os.Getenv(urlVar), process.New(), pid, count, deaf, crash, talk, aside, die, flood)
	if err == nil {
		err = app.Run(context.Background(), func(context.Context) error { return errors.New("a worker ran main") })
		_ = b.Close()
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type rig struct {
	*testing.T
	app *mn.App
	dir string
	url string
	out *strings.Builder
}

func start(t *testing.T, defs ...mn.Definition) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), out: new(strings.Builder)}
	url := redistest.Start(t)
	r.url = url
	p := process.New(process.Env(dirVar+"="+r.dir, urlVar+"="+url, quickExit), process.Output(r.out))
	app, b, err := newApp(url, p, defs...)
	require.NoError(t, err)
	r.app = app
	t.Cleanup(func() {
		require.NoError(t, app.Close())
		require.NoError(t, b.Close())
	})
	return r
}

// pidOf waits for a trace and returns the process that left it.
func (r *rig) pidOf(name string) int {
	r.Helper()
	var n int
	require.Eventually(r, func() bool {
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil || len(data) == 0 {
			return false
		}
		n, err = strconv.Atoi(string(data))
		return err == nil
	}, patience, 5*time.Millisecond, "no trace %s; output: %s", name, r.out)
	return n
}

func TestCallsRunInOtherProcessesThatLeaveAfterTheirCooldown(t *testing.T) {
	r := start(t, pid)
	f := pid.On(r.app)
	first, err := f.Call(t.Context(), 0)
	require.NoError(t, err)
	require.NotEqual(t, os.Getpid(), first)
	again, err := f.Call(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, first, again, "a warm worker is used again")
	require.Eventually(t, func() bool { return syscall.Kill(first, 0) != nil }, 20*time.Second, 10*time.Millisecond)
}

func TestAKilledWorkersJobResumesAtOnceFromItsLastYield(t *testing.T) {
	r := start(t, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 300, mn.WithLock("table"))
	require.NoError(t, err)
	worker := r.pidOf("count-1")
	for info, err := range job.Watch(t.Context(), id) {
		require.NoError(t, err)
		if info.Yields >= 5 {
			break
		}
	}
	killed := time.Now()
	require.NoError(t, syscall.Kill(worker, syscall.SIGKILL))
	second := r.pidOf("count-2")
	require.NotEqual(t, worker, second)
	require.Less(t, time.Since(killed), timing.Lease, "found by its exit, not by its lease")
	out, err := job.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 300, out)
	info, err := job.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, uint64(300), info.Yields, "no number was yielded twice")
}

func TestAStoppedWorkerIsFoundByItsLeaseAndKilled(t *testing.T) {
	r := start(t, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 100)
	require.NoError(t, err)
	worker := r.pidOf("count-1")
	require.NoError(t, syscall.Kill(worker, syscall.SIGSTOP))
	r.pidOf("count-2")
	out, err := job.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 100, out)
	require.Eventually(t, func() bool { return syscall.Kill(worker, 0) != nil }, 20*time.Second, 10*time.Millisecond,
		"the silent process was not killed")
}

func TestADeafHandlersProcessIsEndedWhenItsGraceIs(t *testing.T) {
	r := start(t, deaf)
	job := deaf.On(r.app)
	id, err := job.Start(t.Context(), 0, mn.WithLock("table"))
	require.NoError(t, err)
	worker := r.pidOf("deaf")
	require.NoError(t, job.Cancel(t.Context(), id))
	_, err = job.Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
	require.Eventually(t, func() bool { return syscall.Kill(worker, 0) != nil }, 20*time.Second, 10*time.Millisecond)
	for range r.app.Locks(t.Context()) {
		t.Error("a lock is still held")
	}
}

func TestACrashingCallFailsAfterItsBudgetAndSaysWhy(t *testing.T) {
	r := start(t, crash)
	_, err := crash.On(r.app).Call(t.Context(), 3)
	require.ErrorIs(t, err, mn.ErrWorkerLost)
	require.ErrorContains(t, err, "exit code 3: crashing on purpose")
}

func TestShutdownHandsRunningWorkBack(t *testing.T) {
	r := start(t, count)
	job := count.On(r.app)
	id, err := job.Start(t.Context(), 1_000_000)
	require.NoError(t, err)
	worker := r.pidOf("count-1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = r.app.Shutdown(ctx)
	require.Error(t, syscall.Kill(worker, 0), "the worker process is gone")
	client, b, err := newApp(r.url, provisioner.None, count)
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(client.Close(), b.Close())) }()
	info, err := count.On(client).Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, mn.Pending, info.Status)
	require.Nil(t, info.Error)
	require.Zero(t, info.Attempt, "it was handed back, which costs no attempt")
	require.NoError(t, count.On(client).Remove(t.Context(), id))
}

// ended is a host that hears of exits.
type ended struct{ exits chan provisioner.Exit }

func (ended) Serve(provisioner.Worker) error                { return nil }
func (ended) Abandon(string)                                {}
func (ended) Output(provisioner.Worker, provisioner.Output) {}

func (e ended) Exited(_ provisioner.Worker, x provisioner.Exit) { e.exits <- x }

func TestAWorkerThatIsNotWantedAnyMoreIsNotLeftRunning(t *testing.T) {
	for name, unwanted := range map[string]func(*process.Provisioner){
		"closed": func(*process.Provisioner) {}, "killed": func(p *process.Provisioner) { p.Kill("w") },
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				p, host := process.New(process.Command("sleep", "60"), process.Output(io.Discard)), ended{make(chan provisioner.Exit, 1)}
				require.NoError(t, p.Open("app", host))
				p.Launch(provisioner.Worker{ID: "w", Pool: "pool"})
				unwanted(p)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				require.NoError(t, p.Close(ctx), "nothing had to be killed at last")
				cancel()
				x := <-host.exits
				require.False(t, x.Refused)
				require.NotEmpty(t, x.Note)
			}
		})
	}
}

func TestMemoryBackendIsRefused(t *testing.T) {
	_, err := mn.New(mn.Config{Name: "x", Definitions: []mn.Definition{pid}, Provisioner: process.New()})
	require.ErrorContains(t, err, "use backend/redis")
}
