package nomadtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// Cluster is one Nomad server and some client agents, each on a host of its own.
type Cluster struct {
	*Network
	URL    string
	Client *api.Client
	Nodes  []*Node
	bin    string
	dir    string
	server *Host
}

// Node is a host with a Nomad client agent.
type Node struct {
	*Host
	Name    string
	ID      string // Nomad's
	cluster *Cluster
	agent   *exec.Cmd
}

const serverConfig = `
name      = "server"
bind_addr = %q
data_dir  = %q
server {
  enabled           = true
  bootstrap_expect  = 1
  heartbeat_grace   = "2s"
  min_heartbeat_ttl = "1s"
}
` + common

const clientConfig = `
name      = %[1]q
bind_addr = %[2]q
data_dir  = %[3]q
client {
  enabled = true
  servers = ["%[4]s:4647"]
}
` + common

// NewCluster starts a server and n clients and waits until all nodes are ready. All of it ends with
// the test. What it needs is that of [Binary] and [NewNetwork].
func NewCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	bin := Binary(t)
	c := &Cluster{Network: NewNetwork(t), bin: bin}
	c.dir = tempDir(t)
	c.server = c.NewHost()
	c.URL = "http://" + c.server.IP + ":4646"
	c.Client = newClient(t, c.URL)
	c.start(c.server, "server", fmt.Sprintf(serverConfig, c.server.IP, filepath.Join(c.dir, "server")))
	for i := range n {
		node := &Node{Host: c.NewHost(), Name: fmt.Sprintf("node%d", i+1), cluster: c}
		c.Nodes = append(c.Nodes, node)
		node.Start()
	}
	all := &Agent{Client: c.Client}
	within(t, readyBound, "all nodes are ready; see "+c.dir, func() bool { return all.ready(n) })
	nodes, _, err := c.Client.Nodes().List(nil)
	must(t, err)
	for _, found := range nodes {
		for _, node := range c.Nodes {
			if found.Name == node.Name {
				node.ID = found.ID
			}
		}
	}
	return c
}

// tempDir is a directory that goes after all hosts, whose processes write to it until then. It
// stays if the test has failed: it has the agents' logs.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mn-cluster-")
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the agents' logs are in " + dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// start starts an agent on a host.
func (c *Cluster) start(h *Host, name, config string) *exec.Cmd {
	c.t.Helper()
	file := filepath.Join(c.dir, name+".hcl")
	must(c.t, os.WriteFile(file, []byte(config), 0o600))
	log, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(c.t, err)
	defer log.Close()
	cmd := h.command(c.bin, "agent", "-config", file)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, cleanEnv()
	h.start(cmd)
	return cmd
}

// Start starts the node's agent, which takes up what a killed one has left.
func (n *Node) Start() {
	n.t.Helper()
	n.agent = n.cluster.start(n.Host, n.Name,
		fmt.Sprintf(clientConfig, n.Name, n.IP, filepath.Join(n.cluster.dir, n.Name), n.cluster.server.IP))
}

// KillAgent ends the node's agent by force. The tasks that it had started go on.
func (n *Node) KillAgent() {
	n.t.Helper()
	agents := children(n.agent.Process.Pid)
	if len(agents) != 1 {
		n.t.Fatalf("nsenter has %d children, want the agent", len(agents))
	}
	must(n.t, syscall.Kill(agents[0], syscall.SIGKILL))
}
