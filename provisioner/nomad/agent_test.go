package nomad_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"
)

// agent is a real Nomad server and client in one process. All tests share it.
type agent struct {
	url    string
	dir    string
	cmd    *exec.Cmd
	stdin  io.Closer // the agent ends when it is closed, or this process dies
	client *api.Client
}

var shared struct {
	sync.Mutex
	agent *agent
}

// needNomad returns the nomad program. Without one the test is skipped, or fails if MN_REQUIRE
// names nomad.
func needNomad(t testing.TB) string {
	t.Helper()
	path := os.Getenv("MN_NOMAD_BIN")
	if path == "" {
		path = "nomad"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		const remedy = "no nomad program in PATH or MN_NOMAD_BIN; get it from https://developer.hashicorp.com/nomad/install"
		if strings.Contains(os.Getenv("MN_REQUIRE"), "nomad") {
			t.Fatal(remedy)
		}
		t.Skip(remedy)
	}
	return path
}

// needAgent returns the agent that all tests share, if there is a nomad program.
func needAgent(t testing.TB) *agent {
	t.Helper()
	path := needNomad(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.agent == nil {
		shared.agent = startAgent(t, path, "")
	}
	return shared.agent
}

// agentConfig: node IDs and data are the agent's own, so that several agents may run on a machine.
const agentConfig = `
bind_addr = "127.0.0.1"
data_dir  = %q
ports {
  http = %d
  rpc  = %d
  serf = %d
}
disable_update_check = true
leave_on_terminate   = false
plugin "raw_exec" {
  config {
    enabled = true
  }
}
client {
  enabled = true
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
  }
}
`

func startAgent(t testing.TB, path, extra string) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("", "mn-nomad-") // not the test's: it lives as long as all tests
	require.NoError(t, err)
	ports := freePorts(t, 3)
	config := filepath.Join(dir, "agent.hcl")
	text := fmt.Sprintf(agentConfig, filepath.Join(dir, "data"), ports[0], ports[1], ports[2]) + extra
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	log, err := os.Create(filepath.Join(dir, "agent.log"))
	require.NoError(t, err)
	defer log.Close()
	// The shell ends the agent when its input ends, which also happens when the tests are killed.
	cmd := exec.Command("/bin/sh", "-c", `"$@" & read _; kill $!; wait $!`, "sh", path, "agent", "-dev", "-config", config) //nolint:gosec // a test's own agent
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOMAD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	a := &agent{url: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), dir: dir, cmd: cmd, stdin: stdin}
	a.client, err = api.NewClient(&api.Config{Address: a.url, HttpClient: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
	}})
	require.NoError(t, err)
	if strings.Contains(extra, "acl") {
		require.Eventually(t, a.bootstrap, time.Minute, 50*time.Millisecond)
	}
	require.Eventually(t, a.ready, time.Minute, 50*time.Millisecond, "the agent's node is not ready; see %s", log.Name())
	return a
}

// ready reports whether there is a node that runs raw_exec.
func (a *agent) ready() bool {
	nodes, _, err := a.client.Nodes().List(nil)
	return err == nil && len(nodes) == 1 && nodes[0].Status == api.NodeStatusReady && nodes[0].Drivers["raw_exec"] != nil &&
		nodes[0].Drivers["raw_exec"].Healthy
}

// bootstrap gets the first token of an agent with ACLs.
func (a *agent) bootstrap() bool {
	token, _, err := a.client.ACLTokens().Bootstrap(nil)
	if err == nil {
		a.client.SetSecretID(token.SecretID)
	}
	return err == nil
}

// stopAgent ends the shared agent, if there is one.
func stopAgent() {
	shared.Lock()
	defer shared.Unlock()
	if shared.agent != nil {
		shared.agent.stop()
	}
}

// crash ends the agent's process by force. What it had started would wait for another agent for
// ever; the returned function ends that too.
func (a *agent) crash(t *testing.T) (tidy func()) {
	t.Helper()
	agents := children(a.cmd.Process.Pid)
	require.Len(t, agents, 1, "the shell has one child")
	left := children(agents[0])
	require.NoError(t, syscall.Kill(agents[0], syscall.SIGKILL))
	return func() {
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// stop ends the agent. Its tasks end with it.
func (a *agent) stop() {
	_ = a.stdin.Close()
	_ = a.cmd.Wait()
	a.unmount()
	_ = os.RemoveAll(a.dir)
}

// unmount removes what an agent that crashed has left mounted in its directory.
func (a *agent) unmount() {
	mounts, _ := os.ReadFile("/proc/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], a.dir+"/") {
			_ = syscall.Unmount(f[1], 0)
		}
	}
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// newPrefix keeps the jobs of each test apart.
func newPrefix() string { return "t" + strings.ToLower(rand.Text()[:10]) }
