package nomadtest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Network is a switch with hosts on it. Every host is a network, process and mount namespace of
// its own, so that ending its first process ends all that ran there and undoes all that was
// mounted. That process ends when its standard input does: with the test process, however that
// ends. Interfaces go with their namespaces.
type Network struct {
	t       testing.TB
	bridge  *Host // has the switch
	subnet  string
	hosts   int
	plugged string // this process's interface
}

// Host is one machine of a Network.
type Host struct {
	IP   string
	t    testing.TB
	init *exec.Cmd // unshare, whose child is the host's first process
	in   io.Closer
	pid  int    // of the first process
	port string // of the switch
	runs []*exec.Cmd
}

// bridgeName is the switch's, in a namespace where it is alone.
const bridgeName = "br0"

// NewNetwork makes a switch to which this process's own host is connected, as address .1. It needs root,
// Linux and the programs ip, unshare and nsenter; without them the test is skipped, with a line
// that says what is missing, or fails if MN_REQUIRE names namespaces.
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	if missing := lacking(); missing != "" {
		if strings.Contains(os.Getenv("MN_REQUIRE"), "namespaces") {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	n := &Network{t: t, subnet: freeSubnet(t)}
	n.bridge = newHost(t)
	n.bridge.do("ip", "link", "add", bridgeName, "type", "bridge")
	n.bridge.do("ip", "link", "set", bridgeName, "up")
	ours := fmt.Sprintf("mn%06x", rand.N(1<<24))
	n.plugged = ours
	do(t, exec.Command("ip", "link", "add", ours, "type", "veth", "peer", "name", "self", "netns", fmt.Sprint(n.bridge.pid)))
	t.Cleanup(func() { _ = exec.Command("ip", "link", "delete", ours).Run() }) //nolint:gosec // its own; before the kernel does
	n.plug("self")
	do(t, exec.Command("ip", "addr", "add", n.Self()+"/24", "dev", ours))
	do(t, exec.Command("ip", "link", "set", ours, "up"))
	return n
}

// Self is the address of the test process, and of what it starts, for the hosts.
func (n *Network) Self() string { return n.subnet + ".1" }

// lacking says what is missing to make namespaces; "" if nothing is.
func lacking() string {
	if os.Geteuid() != 0 {
		return "network namespaces need root: run the tests as root"
	}
	for name, pkg := range map[string]string{"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Sprintf("no program %s; on Debian: apt-get install %s", name, pkg)
		}
	}
	try := exec.Command("unshare", "--net", "--pid", "--fork", "--mount-proc", "ip", "link", "add", "br0", "type", "bridge")
	if out, err := try.CombinedOutput(); err != nil {
		return fmt.Sprintf("this system lets root make no namespace with a bridge in it: %v: %s", err, strings.TrimSpace(string(out)))
	}
	return ""
}

// freeSubnet is the begin of a network of 256 addresses that this machine has no route to. They are of
// 198.18.0.0/15, which RFC 2544 keeps for tests.
func freeSubnet(t testing.TB) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	must(t, err)
	for range 100 {
		subnet := fmt.Sprintf("198.%d.%d", 18+rand.N(2), rand.N(256))
		if !strings.Contains(fmt.Sprint(addrs), subnet+".") {
			return subnet
		}
	}
	t.Fatal("no network of 198.18.0.0/15 is free")
	return ""
}

// first is the program of a host's first process: it waits for the end of its input, and for all processes
// that lose their parent. Nomad waits for ever for those that are dead and not waited for.
const first = `exec 3<&0; cat <&3 >&2 & echo; wait $!`

func newHost(t testing.TB) *Host {
	t.Helper()
	h := &Host{t: t, init: exec.Command("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", first)}
	in, err := h.init.StdinPipe()
	must(t, err)
	out, err := h.init.StdoutPipe()
	must(t, err)
	must(t, h.init.Start())
	h.in = in
	t.Cleanup(h.stop)
	if _, err := out.Read(make([]byte, 1)); err != nil { // the shell runs, so all namespaces are there
		t.Fatal("a host does not start: ", err)
	}
	pids := children(h.init.Process.Pid)
	if len(pids) != 1 {
		t.Fatalf("a host has %d first processes", len(pids))
	}
	h.pid = pids[0]
	h.do("ip", "link", "set", "lo", "up")
	return h
}

// stop ends all processes of the host.
func (h *Host) stop() {
	_ = h.in.Close()
	_ = h.init.Wait()
	for _, cmd := range h.runs {
		_ = cmd.Wait() // it was killed with the host
	}
}

// NewHost connects a new host to the switch.
func (n *Network) NewHost() *Host {
	n.t.Helper()
	h := newHost(n.t)
	n.hosts++
	h.IP, h.port = fmt.Sprintf("%s.%d", n.subnet, 10+n.hosts), fmt.Sprintf("port%d", n.hosts)
	do(n.t, exec.Command("ip", "link", "add", h.port, "netns", fmt.Sprint(n.bridge.pid), "type", "veth",
		"peer", "name", "eth0", "netns", fmt.Sprint(h.pid)))
	n.plug(h.port)
	h.do("ip", "addr", "add", h.IP+"/24", "dev", "eth0")
	h.do("ip", "link", "set", "eth0", "up")
	h.do("ip", "route", "add", "default", "via", n.Self()) // a Nomad client wants one to find its address
	return h
}

// plug connects an interface to the switch.
func (n *Network) plug(port string) {
	n.t.Helper()
	n.bridge.do("ip", "link", "set", port, "master", bridgeName)
	n.bridge.do("ip", "link", "set", port, "up")
}

// Cut takes a host off the network: what is sent to and from it is lost, and nobody is told.
func (n *Network) Cut(h *Host) {
	n.t.Helper()
	n.bridge.do("ip", "link", "set", h.port, "nomaster")
}

// Join ends Cut.
func (n *Network) Join(h *Host) {
	n.t.Helper()
	n.plug(h.port)
}

// command is a command that runs on the host. When the host ends it is killed.
func (h *Host) command(path string, args ...string) *exec.Cmd {
	args = append([]string{"--target", fmt.Sprint(h.pid), "--net", "--pid", "--mount", path}, args...)
	return exec.Command("nsenter", args...) //nolint:gosec // a test's own
}

// start starts a command that runs for as long as the host.
func (h *Host) start(cmd *exec.Cmd) {
	h.t.Helper()
	must(h.t, cmd.Start())
	h.runs = append(h.runs, cmd)
}

func (h *Host) do(path string, args ...string) {
	h.t.Helper()
	do(h.t, h.command(path, args...))
}

// do runs a command that ends soon.
func do(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { // after the end too, when it does nothing
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, out)
	}
}
