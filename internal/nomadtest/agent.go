// Package nomadtest starts real Nomad agents for tests: a server and client in one process, or a
// cluster whose every agent is a host of its own, in a network namespace. Whatever agents listen
// on is free or their namespace's own, and all of it ends with the test process, also when that
// is killed.
package nomadtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// readyBound is how long an agent may take to be ready.
const readyBound = time.Minute

// Agent is a Nomad agent process of a test.
type Agent struct {
	URL    string
	Dir    string      // what it writes, and the tests may
	Client *api.Client // with the rights of the first token, where ACLs are on

	bin   string
	first string // token
	cmd   *exec.Cmd
	stdin io.Closer // the agent ends when it is closed, or this process dies
	log   string
}

// Binary returns the path of the nomad program: the one that MN_NOMAD_BIN names, or that in PATH.
// Without one the test is skipped, or fails if MN_REQUIRE names nomad.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("MN_NOMAD_BIN")
	if path == "" {
		path = "nomad"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		Missing(t, "no nomad program in PATH or MN_NOMAD_BIN; get it from https://developer.hashicorp.com/nomad/install")
	}
	return path
}

// Missing skips a test for want of what it needs of Nomad, or fails it if MN_REQUIRE names nomad.
func Missing(t testing.TB, remedy string) {
	t.Helper()
	if strings.Contains(os.Getenv("MN_REQUIRE"), "nomad") {
		t.Fatal(remedy)
	}
	t.Skip(remedy)
}

// devConfig: node IDs and data are the agent's own, so that several agents may run on a machine.
const devConfig = `
bind_addr = "127.0.0.1"
data_dir  = %q
ports {
  http = %d
  rpc  = %d
  serf = %d
}
leave_on_terminate = false
` + common

const common = `
disable_update_check = true
plugin "raw_exec" {
  config {
    enabled = true
  }
}
client {
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
  }
}
`

// Start starts a server and client in one process and waits until its node is ready. extra is further
// configuration; where it says "acl" the first token is fetched. The caller ends it by Stop.
func Start(t testing.TB, extra string) *Agent {
	t.Helper()
	path := Binary(t)
	dir, err := os.MkdirTemp("", "mn-nomad-") // not the test's: an agent may be shared by all tests
	must(t, err)
	ports := freePorts(t, 3)
	config := filepath.Join(dir, "agent.hcl")
	text := fmt.Sprintf(devConfig, filepath.Join(dir, "data"), ports[0], ports[1], ports[2]) + extra
	must(t, os.WriteFile(config, []byte(text), 0o600))
	log, err := os.Create(filepath.Join(dir, "agent.log"))
	must(t, err)
	defer log.Close()
	// The shell ends the agent when its input ends, which also happens when the tests are killed.
	cmd := exec.Command("/bin/sh", "-c", `"$@" & read _; kill $!; wait $!`, "sh", path, "agent", "-dev", "-config", config) //nolint:gosec // a test's own agent
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir, cmd.Env = dir, cleanEnv()
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	a := &Agent{URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), Dir: dir, bin: path, cmd: cmd, stdin: stdin, log: log.Name()}
	a.Client = newClient(t, a.URL)
	if strings.Contains(extra, "acl") {
		within(t, readyBound, "the first token; see "+a.log, a.bootstrap)
	}
	within(t, readyBound, "the agent's node is ready; see "+a.log, func() bool { return a.ready(1) })
	return a
}

// newClient makes a client that leaves no idle connections behind, and uses no proxy.
func newClient(t testing.TB, url string) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: url, HttpClient: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
	}})
	must(t, err)
	return client
}

// cleanEnv is the environment without what is said of other clusters, and without proxies.
func cleanEnv() (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "NOMAD_") && !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, v)
		}
	}
	return env
}

// ready reports whether there are so many nodes that run raw_exec.
func (a *Agent) ready(n int) bool {
	nodes, _, err := a.Client.Nodes().List(nil)
	if err != nil || len(nodes) != n {
		return false
	}
	for _, node := range nodes {
		if node.Status != api.NodeStatusReady || node.Drivers["raw_exec"] == nil || !node.Drivers["raw_exec"].Healthy {
			return false
		}
	}
	return true
}

// bootstrap gets the first token of an agent with ACLs.
func (a *Agent) bootstrap() bool {
	token, _, err := a.Client.ACLTokens().Bootstrap(nil)
	if err == nil {
		a.first = token.SecretID
		a.Client.SetSecretID(a.first)
	}
	return err == nil
}

// CLI runs the nomad program as its user would, in a directory, and returns what it prints.
func (a *Agent) CLI(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), a.bin, args...) //nolint:gosec // a test's own
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), "NOMAD_ADDR="+a.URL, "NOMAD_TOKEN="+a.first)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nomad %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Token makes a token with a policy of the rules.
func (a *Agent) Token(t testing.TB, name, rules string) string {
	t.Helper()
	_, err := a.Client.ACLPolicies().Upsert(&api.ACLPolicy{Name: name, Rules: rules}, nil)
	must(t, err)
	token, _, err := a.Client.ACLTokens().Create(&api.ACLToken{Name: name, Type: "client", Policies: []string{name}}, nil)
	must(t, err)
	return token.SecretID
}

// Crash ends the agent's process by force. What it had started would wait for another agent for
// ever; the returned function ends that too.
func (a *Agent) Crash(t testing.TB) (tidy func()) {
	t.Helper()
	agents := children(a.cmd.Process.Pid)
	if len(agents) != 1 {
		t.Fatalf("the shell has %d children, want the agent", len(agents))
	}
	left := children(agents[0])
	must(t, syscall.Kill(agents[0], syscall.SIGKILL))
	return func() {
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// Stop ends the agent. Its tasks end with it.
func (a *Agent) Stop() {
	_ = a.stdin.Close()
	_ = a.cmd.Wait()
	a.unmount()
	_ = os.RemoveAll(a.Dir)
}

// unmount removes what an agent that crashed has left mounted in its directory.
func (a *Agent) unmount() {
	mounts, _ := os.ReadFile("/proc/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], a.Dir+"/") {
			_ = syscall.Unmount(f[1], 0)
		}
	}
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// within waits until a state holds, at most for bound, or ends the test.
func within(t testing.TB, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(bound), time.NewTicker(50*time.Millisecond)
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
