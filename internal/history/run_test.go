package history_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/backend/redis"
	"github.com/multinode/mn/internal/history"
	"github.com/multinode/mn/internal/redistest"
	"github.com/multinode/mn/provisioner"
)

// length is how long the clients of a run work: MN_HISTORY_TIME, or def.
func length(t *testing.T, def time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("MN_HISTORY_TIME")
	if text == "" {
		return def
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, "MN_HISTORY_TIME must be like 5m")
	return d
}

// seeds are those of the runs: MN_HISTORY_SEED alone, or the given.
func seeds(t *testing.T, def ...uint64) []uint64 {
	t.Helper()
	text := os.Getenv("MN_HISTORY_SEED")
	if text == "" {
		return def
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "MN_HISTORY_SEED must be a number")
	return []uint64{seed}
}

func TestHistoriesOfProcessesOnRedisThroughFaults(t *testing.T) {
	for _, seed := range seeds(t, 1, 2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := newRedisRun(t, seed, length(t, 8*time.Second))
			r.play()
			judge(t, r.dir, history.World{Retries: retries, Lossy: true})
		})
	}
}

// TestHistoriesInMemory has nothing go wrong, so every attempt must end as its handler did.
func TestHistoriesInMemory(t *testing.T) {
	for _, seed := range seeds(t, 1, 2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			dir := t.TempDir()
			playInMemory(t, dir, seed, length(t, 3*time.Second))
			judge(t, dir, history.World{Retries: retries})
		})
	}
}

// judge checks a history. What is wrong is kept for the reader, beside its pictures.
func judge(t *testing.T, dir string, w history.World) {
	t.Helper()
	ops, err := history.Read(dir)
	require.NoError(t, err)
	pictures, err := os.MkdirTemp("", "mn-history-")
	require.NoError(t, err)
	w.Pictures = pictures
	began := time.Now()
	report, err := history.Check(ops, w)
	require.NoError(t, err)
	count := make(map[string]int)
	var believed time.Duration
	for i := range ops {
		count[fmt.Sprintf("%s %s", ops[i].Kind, ops[i].Outcome)]++
		if ops[i].Kind == history.Believe {
			believed += time.Duration(ops[i].Return - ops[i].Call)
		}
	}
	t.Logf("%d operations on %d jobs and %d locks, checked in %s: %v; leases believed in for %s",
		len(ops), report.Jobs, report.Locks, time.Since(began).Round(time.Millisecond), count, believed.Round(time.Millisecond))
	for _, needed := range []string{"start ok", "start refused", "get ok", "begin ", "yield ok", "trylock ok", "return ", "call ok"} {
		require.NotZero(t, count[needed], "the run did too little to prove anything: no %q", needed)
	}
	require.Positive(t, believed)
	require.LessOrEqual(t, len(report.Undecided), (report.Jobs+report.Locks)/50, "too much is undecided: %v", report.Undecided)
	for _, u := range report.Undecided {
		t.Logf("undecided: %s", u)
	}
	for _, v := range report.Violations {
		t.Errorf("%s", v)
	}
	if !t.Failed() {
		require.NoError(t, os.RemoveAll(pictures))
		return
	}
	require.NoError(t, os.CopyFS(filepath.Join(pictures, "records"), os.DirFS(dir)))
	t.Logf("the records are kept in %s", filepath.Join(pictures, "records"))
}

func playInMemory(t *testing.T, dir string, seed uint64, d time.Duration) {
	t.Helper()
	rec, err := history.NewRecorder(dir, "memory")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g := newProgram(rec, new(pulse))
	var beside sync.WaitGroup
	beside.Go(func() { g.pulse.run(ctx) })
	b := memory.New()
	newApp := func(cfg mn.Config) *mn.App {
		cfg.Name, cfg.Backend, cfg.Definitions, cfg.Logger = "history", b, g.definitions(), slog.New(slog.DiscardHandler)
		app, err := mn.New(cfg)
		require.NoError(t, err)
		return app
	}
	host := newApp(mn.Config{})
	s := newSchedule(seed, history.Now())
	until := s.begin + int64(d)
	var apps []*mn.App
	for p := range clientProcesses {
		app := newApp(mn.Config{Backend: b, Provisioner: provisioner.None})
		apps = append(apps, app)
		beside.Go(func() { runClients(ctx, g, s, app, p, until) })
	}
	for history.Now() < until {
		select {
		case <-time.After(time.Duration(until - history.Now())):
		case <-ctx.Done():
		}
	}
	settle(t, g, s, apps[0], until)
	cancel()
	beside.Wait()
	for _, app := range append(apps, host) {
		require.NoError(t, app.Close())
	}
	require.NoError(t, rec.Close())
}

// settle cancels what still runs, waits until every job has ended, and reads all of them.
func settle(t *testing.T, g *program, s *schedule, app *mn.App, until int64) {
	t.Helper()
	var plans []plan
	for tick := range s.now(until) + 2 {
		for _, owner := range s.owners {
			if s.due(owner, tick) {
				plans = append(plans, s.plan(owner, tick))
			}
		}
	}
	c := newClient(g, s, app, "last")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for alive := len(plans); alive > 0; { // a start without an answer may come late
		require.NoError(t, ctx.Err(), "not all jobs ended within 30 s of the end of all faults")
		alive = 0
		for _, p := range plans {
			info, err := c.job(&p).On(app).Get(ctx, p.ID)
			if err == nil && !info.Status.Terminal() {
				alive++
				c.wish(ctx, history.Cancel, p)
				_, _ = c.job(&p).On(app).Wait(ctx, p.ID)
			}
		}
	}
	for _, p := range plans {
		c.get(t.Context(), p, true)
	}
}

// redisRun is several processes on one server.
type redisRun struct {
	*testing.T
	dir      string
	schedule *schedule
	until    int64
	server   *redistest.Server
	admin    *goredis.Client
	lines    []*line
	clients  []*child
	nodes    []*child
	host     *child
	stopped  sync.WaitGroup
	counts   map[string]int
}

func newRedisRun(t *testing.T, seed uint64, d time.Duration) *redisRun {
	t.Helper()
	r := &redisRun{T: t, dir: t.TempDir(), server: redistest.New(t), counts: make(map[string]int)}
	r.admin = goredis.NewClient(&goredis.Options{
		Addr: r.server.Addr(), MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { _ = r.admin.Close() })
	r.schedule = newSchedule(seed, history.Now()+int64(time.Second)) // for the processes to come up
	r.until = r.schedule.begin + int64(d)
	proxies := newProxyServer()
	line := func(name string) *line {
		l := newLine(t, proxies, name, r.server.Addr())
		r.lines = append(r.lines, l)
		t.Cleanup(l.proxy.Stop)
		return l
	}
	t.Cleanup(r.killAll)
	r.host = r.child("host", line("host"), workersVar+"="+line("workers").url())
	for n := range 2 {
		r.nodes = append(r.nodes, r.child(fmt.Sprint("node ", n), line(fmt.Sprint("node", n))))
	}
	for n := range clientProcesses {
		r.clients = append(r.clients, r.child(fmt.Sprint("client ", n), line(fmt.Sprint("client", n))))
	}
	return r
}

func (r *redisRun) play() {
	r.Helper()
	r.faults(time.Now().Add(time.Duration(r.until - history.Now())))
	r.stopped.Wait()
	r.Logf("faults: %v", r.counts)
	for _, c := range r.clients {
		require.NoError(r, c.ended(30*time.Second), "client: %s", c.log())
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	b, err := redis.Open(r.Context(), r.server.URL(), redis.Options{Logger: logger})
	require.NoError(r, err)
	rec, err := history.NewRecorder(r.dir, "driver")
	require.NoError(r, err)
	g := newProgram(rec, new(pulse))
	app, err := mn.New(mn.Config{
		Name: "history", Definitions: g.definitions(), Backend: b, Provisioner: provisioner.None, Logger: logger, Timing: timing,
	})
	require.NoError(r, err)
	defer func() {
		require.NoError(r, app.Close())
		require.NoError(r, b.Close())
		require.NoError(r, rec.Close())
	}()
	settle(r.T, g, r.schedule, app, r.until)
	for _, c := range append(r.nodes, r.host) {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, c := range append(r.nodes, r.host) {
		require.NoError(r, c.ended(30*time.Second), "%s: %s", c.role, c.log())
	}
}

// killAll ends every process that is left, at the end of a run that failed.
func (r *redisRun) killAll() {
	for _, c := range append(append(r.nodes, r.clients...), r.host) {
		c.kill()
	}
	for _, pid := range workers(r.dir) {
		signalled(pid, syscall.SIGKILL)
	}
	r.stopped.Wait()
}

func (r *redisRun) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

func (r *redisRun) count(what string) { r.counts[what]++ }

// child is a process of the run.
type child struct {
	r       *redisRun
	role    string
	env     []string
	out     string
	cmd     *exec.Cmd
	done    chan struct{}
	result  error
	started int
}

func (r *redisRun) child(role string, l *line, env ...string) *child {
	r.Helper()
	c := &child{r: r, role: role, env: append(os.Environ(), append(env,
		roleVar+"="+role, dirVar+"="+r.dir, urlVar+"="+l.url(), seedVar+"="+r.schedule.encode(), untilVar+"="+fmt.Sprint(r.until))...)}
	c.start()
	return c
}

func (c *child) start() {
	self, err := os.Executable()
	require.NoError(c.r, err)
	c.started++
	c.out = filepath.Join(c.r.dir, fmt.Sprintf("%s.%d.log", c.role, c.started))
	out, err := os.Create(c.out)
	require.NoError(c.r, err)
	defer func() { _ = out.Close() }()
	cmd := exec.Command(self) //nolint:gosec // this very program
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, out, out
	require.NoError(c.r, cmd.Start())
	done := make(chan struct{})
	c.cmd, c.done = cmd, done
	go func() {
		c.result = cmd.Wait()
		close(done)
	}()
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// kill ends the process as a crash would.
func (c *child) kill() {
	if c != nil {
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

func (c *child) restart() {
	c.kill()
	c.start()
}

// ended waits for the process to end by itself.
func (c *child) ended(within time.Duration) error {
	select {
	case <-c.done:
		return c.result
	case <-time.After(within):
		return fmt.Errorf("still there after %s", within)
	}
}

// log is what the process has written.
func (c *child) log() string {
	text, err := os.ReadFile(c.out)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
