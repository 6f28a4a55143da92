package nomad_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
)

// Variables of a process that is a scheduler: redisVar and nameVar, and these.
const (
	scheduleVar = "MN_TEST_SCHEDULE" // Nomad's address
	prefixVar   = "MN_TEST_PREFIX"
)

// schedule is the main of a scheduler.
func schedule() error {
	env := map[string]string{}
	for _, v := range []string{dirVar, redisVar, nameVar} {
		env[v] = os.Getenv(v)
	}
	p := nomad.New(nomad.Config{
		Address: os.Getenv(scheduleVar), Prefix: os.Getenv(prefixVar), Program: nomad.RawExec{}, CoreMHz: 200, Env: env, Logger: quiet,
	})
	app, b, err := newApp(nil, env[redisVar], env[nameVar], p, census)
	if err != nil {
		return err
	}
	return errors.Join(app.Run(context.Background(), app.Schedule), b.Close())
}

// census counts how many of its handlers run at the same moment, in all processes.
var census = mn.NewFunction("census", func(ctx context.Context, n int) (int, error) {
	dir := os.Getenv(dirVar)
	mine := filepath.Join(dir, fmt.Sprintf("present-%d-%d", n, os.Getpid()))
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		return 0, err
	}
	defer os.Remove(mine)
	present, err := filepath.Glob(filepath.Join(dir, "present-*"))
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
	return len(present), nil
}, mn.MaxWorkers(3), mn.Cooldown(100*time.Millisecond))

// unreliable stands between schedulers and Nomad. Of the requests, it answers some with errors, carries
// some out and loses the answer, and cuts event streams.
func unreliable(t *testing.T, to string) *httptest.Server {
	target, err := url.Parse(to)
	require.NoError(t, err)
	through := httputil.NewSingleHostReverseProxy(target)
	through.FlushInterval = -1
	through.ErrorLog = log.New(io.Discard, "", 0)
	through.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(seed, 0))
	var bad atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		dice, life := chance.IntN(100), time.Duration(chance.IntN(500))*time.Millisecond
		mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/stream"):
			ctx, cancel := context.WithTimeout(r.Context(), life)
			defer cancel()
			defer func() { _ = recover() }() // the proxy's way to end an answer in the middle
			through.ServeHTTP(w, r.WithContext(ctx))
			return
		case dice < 10:
			http.Error(w, "too many requests", http.StatusTooManyRequests)
		case dice < 20:
			http.Error(w, "rpc error: no cluster leader", http.StatusInternalServerError)
		case dice < 25:
			http.Error(w, "conflict", http.StatusConflict)
		case dice < 40:
			through.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			through.ServeHTTP(w, r)
			return
		}
		bad.Add(1)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		t.Logf("%d requests were answered with errors", bad.Load())
		require.Positive(t, bad.Load())
	})
	return s
}

// scheduler starts a process that launches workers.
func (r *rig) scheduler(address string) *exec.Cmd {
	r.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), scheduleVar+"="+address, prefixVar+"="+r.config.Prefix,
		dirVar+"="+r.dir, redisVar+"="+r.url, nameVar+"=app")
	cmd.Stderr = os.Stderr
	require.NoError(r, cmd.Start())
	r.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// Clients that cannot launch workers, two schedulers that race for them behind an unreliable
// network, and one of the two dies: every call ends right, and there are never more than MaxWorkers.
func TestMaxWorkersHoldsWithTwoSchedulersFaultsAndADeath(t *testing.T) {
	r := newRigAt(t, needAgent(t), func(c *nomad.Config) { c.Address = needAgent(t).URL }, pid)
	proxy := unreliable(t, r.agent.URL)
	first := r.scheduler(proxy.URL)
	r.scheduler(proxy.URL)

	var clients []*mn.Function[int, int]
	for range 4 {
		f := mn.NewFunction[int, int]("census", nil)
		app, b, err := newApp(t, r.url, "app", provisioner.None, f)
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, app.Close())
			require.NoError(t, b.Close())
		})
		clients = append(clients, f.On(app))
	}
	// Between two storms all workers leave, so that each begins with cold starts.
	const storms, callers, each = 5, 8, 4
	var ended, most atomic.Int64
	for storm := range storms {
		var calls sync.WaitGroup
		for i, f := range clients {
			for j := range callers {
				calls.Go(func() {
					for n := range each {
						present, err := f.Call(t.Context(), i*100+j*10+n)
						if err != nil {
							t.Error(err)
							return
						}
						for m := most.Load(); int64(present) > m && !most.CompareAndSwap(m, int64(present)); m = most.Load() {
							continue
						}
						if ended.Add(1) == (storms/2)*4*callers*each+20 {
							_ = first.Process.Kill()
						}
					}
				})
			}
		}
		calls.Wait()
		require.EqualValues(t, (storm+1)*4*callers*each, ended.Load())
		r.awaitNone()
	}
	as := r.allocations()
	t.Logf("%d calls of %d callers in 4 clients: %d allocations, at most %d processes and %d handlers at the same time",
		ended.Load(), 4*callers, len(as), mostAtOnce(as), most.Load())
	require.LessOrEqual(t, most.Load(), int64(3))
	require.Positive(t, most.Load())
}
