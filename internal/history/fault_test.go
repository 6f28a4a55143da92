package history_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/internal/history"
)

// line is the way of some processes to the server, with what can go wrong on it.
type line struct {
	name  string
	proxy *toxiproxy.Proxy
}

func newLine(t *testing.T, server *toxiproxy.ApiServer, name, upstream string) *line {
	t.Helper()
	l := &line{name: name, proxy: toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	require.NoError(t, l.proxy.Start())
	return l
}

func newProxyServer() *toxiproxy.ApiServer {
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}

func (l *line) url() string { return "redis://" + l.proxy.Listen + "/0" }

// toxic is a fault as toxiproxy words it.
func (l *line) toxic(name, kind, stream string, attributes map[string]int) error {
	text, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": stream, "attributes": attributes})
	if err != nil {
		return err
	}
	_, err = l.proxy.Toxics.AddToxicJson(strings.NewReader(string(text)))
	return err
}

// heal ends what is wrong with the line. Connections that were half-open are closed.
func (l *line) heal() error {
	l.proxy.Toxics.ResetToxics(context.Background())
	if !l.proxy.Enabled {
		return l.proxy.Start()
	}
	return nil
}

// The faults of a line, by their names in the log of a run.
var lineFaults = []struct {
	name  string
	begin func(l *line, r *rand.Rand) error
}{
	{"latency", func(l *line, r *rand.Rand) error {
		up := l.toxic("up", "latency", "upstream", map[string]int{"latency": r.IntN(60), "jitter": 30})
		if up != nil {
			return up
		}
		return l.toxic("down", "latency", "downstream", map[string]int{"latency": r.IntN(200), "jitter": 100})
	}},
	{"cut", func(l *line, _ *rand.Rand) error {
		l.proxy.Stop()
		return nil
	}},
	{"lost replies", func(l *line, _ *rand.Rand) error { // the server gets what was asked, and then the line breaks
		return l.toxic("down", "reset_peer", "downstream", map[string]int{"timeout": 0})
	}},
	{"late lost replies", func(l *line, r *rand.Rand) error {
		return l.toxic("down", "reset_peer", "downstream", map[string]int{"timeout": 20 + r.IntN(100)})
	}},
	{"half-open: nothing arrives", func(l *line, _ *rand.Rand) error {
		return l.toxic("up", "timeout", "upstream", map[string]int{"timeout": 0})
	}},
	{"half-open: nothing comes back", func(l *line, _ *rand.Rand) error {
		return l.toxic("down", "timeout", "downstream", map[string]int{"timeout": 0})
	}},
}

// signalled sends a signal to a process of this run; false if there is none with the
// number (any more).
func signalled(pid int, sig syscall.Signal) bool {
	self, err := os.Executable()
	if err != nil {
		return false
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && exe == self && pid != os.Getpid() && syscall.Kill(pid, sig) == nil
}

var workerFile = regexp.MustCompile(`^worker-(\d+)\.history$`)

// workers is the worker processes that have begun to record, dead ones among them.
func workers(dir string) (pids []int) {
	files, _ := filepath.Glob(filepath.Join(dir, "worker-*"))
	for _, f := range files {
		if m := workerFile.FindStringSubmatch(filepath.Base(f)); m != nil {
			pid, _ := strconv.Atoi(m[1])
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive picks a worker process that lives.
func alive(dir string, r *rand.Rand) (pid int, ok bool) {
	pids := workers(dir)
	r.Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
	for _, pid := range pids {
		if signalled(pid, 0) {
			return pid, true
		}
	}
	return 0, false
}

// faults injects one fault after the other until the time is over, and heals everything.
func (r *redisRun) faults(until time.Time) {
	rnd := r.schedule.random("faults")
	for time.Now().Before(until) {
		r.wait(time.Duration(100+rnd.IntN(400)) * time.Millisecond)
		switch n := rnd.IntN(11); {
		case n < 5:
			r.lineFault(rnd)
		case n == 5:
			r.count("script flush")
			require.NoError(r, r.admin.ScriptFlush(r.Context()).Err())
		case n == 6:
			r.count("node killed")
			r.nodes[rnd.IntN(len(r.nodes))].restart()
		case n == 7:
			if pid, ok := alive(r.dir, rnd); ok && signalled(pid, syscall.SIGKILL) {
				r.count("worker process killed")
			}
		case n == 8:
			if pid, ok := alive(r.dir, rnd); ok {
				r.stop(pid, rnd, "worker process stopped")
			}
		case n == 9 && r.until-history.Now() > int64(2*time.Second):
			r.count("client killed")
			r.clients[rnd.IntN(len(r.clients))].restart()
		default:
			r.stop(r.nodes[rnd.IntN(len(r.nodes))].pid(), rnd, "node stopped")
		}
	}
	for _, l := range r.lines {
		require.NoError(r, l.heal())
	}
}

func (r *redisRun) lineFault(rnd *rand.Rand) {
	l, f := r.lines[rnd.IntN(len(r.lines))], lineFaults[rnd.IntN(len(lineFaults))]
	r.count(f.name)
	require.NoError(r, f.begin(l, rnd))
	r.wait(time.Duration(100+rnd.ExpFloat64()*700) * time.Millisecond)
	require.NoError(r, l.heal())
}

// stop stops a process for a while: some times shorter than its leases last, some longer.
// What else goes wrong meanwhile has its own turn.
func (r *redisRun) stop(pid int, rnd *rand.Rand, name string) {
	if !signalled(pid, syscall.SIGSTOP) {
		return
	}
	r.count(name)
	d := time.Duration(200+rnd.IntN(3800)) * time.Millisecond
	r.stopped.Go(func() {
		r.wait(d)
		signalled(pid, syscall.SIGCONT)
	})
}
