package nomadtest

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers reports whether the server's API can be reached from this process's host.
func answers(url string) bool {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestAClusterOfHostsIsCutJoinedAndRemoved(t *testing.T) {
	var dir, plugged string
	ran := t.Run("cluster", func(t *testing.T) {
		c := NewCluster(t, 1)
		dir, plugged = c.dir, c.plugged
		node := c.Nodes[0]
		status := func(want string) func() bool {
			return func() bool {
				n, _, err := c.Client.Nodes().Info(node.ID, nil)
				return err == nil && n.Status == want
			}
		}
		c.Cut(node.Host)
		within(t, readyBound, "a node that is cut off is down", status(api.NodeStatusDown))
		c.Join(node.Host)
		within(t, readyBound, "a node that is back is ready", status(api.NodeStatusReady))
		node.KillAgent()
		within(t, readyBound, "a node without its agent is down", status(api.NodeStatusDown))
		node.Start()
		within(t, readyBound, "a node with a new agent is ready", status(api.NodeStatusReady))
		c.Cut(c.server)
		if answers(c.URL) {
			t.Error("a host that is cut off answers")
		}
		c.Join(c.server)
		if !answers(c.URL) {
			t.Error("a host that is back does not answer")
		}
	})
	if !ran || dir == "" {
		return // failed, or skipped
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left", dir)
	}
	if _, err := net.InterfaceByName(plugged); err == nil {
		t.Errorf("interface %s is left", plugged)
	}
	for _, pid := range children(os.Getpid()) {
		t.Errorf("process %d is left", pid)
	}
}
