package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn"
	"github.com/multinode/mn/provisioner/nomad"
)

// Nomad is a cluster to check.
type Nomad struct {
	Client      *api.Client
	Namespace   string
	App         string              // "": not known
	Definitions []mn.DefinitionInfo // of the app, as far as they are known

	nodes    []*api.NodeListStub
	nodesErr error
}

// NewNomad makes a client. It does not reach for the server. Empty values are those of the
// environment.
func NewNomad(address, namespace, token string) (*Nomad, error) {
	c := api.DefaultConfig()
	if address != "" {
		c.Address = address
	}
	if token != "" {
		c.SecretID = token
	}
	if namespace != "" {
		c.Namespace = namespace
	}
	if c.Namespace == "" {
		c.Namespace = api.DefaultNamespace
	}
	client, err := api.NewClient(c)
	if err != nil {
		return nil, fmt.Errorf("the address of Nomad must be like http://host:4646: %w", err)
	}
	return &Nomad{Client: client, Namespace: c.Namespace}, nil
}

// NomadChecks are all checks of a cluster, in order. If the first fails, the rest is left out.
var NomadChecks = []Check[Nomad]{
	{"nomad-reach", "the address answers, and the cluster has a leader", checkLeader},
	{"nomad-version", "Nomad 1.11.2 or newer", checkNomadVersion},
	{"nomad-rights", "the token has the rights of docs/nomad.md, and no more than needed", checkNomadRights},
	{"nomad-nodes", "there are nodes that take work", checkNodes},
	{"nomad-resources", "each definition fits on some node", checkResources},
	{"nomad-jobs", "each definition is registered as a parameterized job", checkJobs},
	{"nomad-kill-timeout", "workers have time to hand back their work", checkKillTimeout},
}

// CheckNomad executes [NomadChecks] and hands on each result.
func CheckNomad(ctx context.Context, n *Nomad, report func(Result)) {
	usable := true
	run(ctx, n, NomadChecks[:1], func(r Result) {
		usable = r.Level != Fail
		report(r)
	})
	if !usable {
		return
	}
	n.nodes, _, n.nodesErr = n.Client.Nodes().List((&api.QueryOptions{Params: map[string]string{"resources": "true"}}).WithContext(ctx))
	run(ctx, n, NomadChecks[1:], report)
}

func (n *Nomad) query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{Namespace: n.Namespace}).WithContext(ctx)
}

// status is the status of an answer that is an error, 0 for other errors.
func status(err error) int {
	var answer api.UnexpectedResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode()
	}
	return 0
}

func checkLeader(ctx context.Context, n *Nomad) Result {
	ctx, cancel := context.WithTimeout(ctx, reaching)
	defer cancel()
	var leader string
	_, err := n.Client.Raw().Query("/v1/status/leader", &leader, (&api.QueryOptions{}).WithContext(ctx))
	switch {
	case err != nil:
		return found(Fail, "check NOMAD_ADDR, firewalls, and the variables for TLS (NOMAD_CACERT and others)", "%s: %v", n.Client.Address(), err)
	case leader == "":
		return found(Fail, "see nomad server members", "the cluster has no leader")
	}
	return ok("%s answers, the leader is %s", n.Client.Address(), leader)
}

// repeatable is the first version in which a repeated dispatch starts one worker.
var repeatable = []int{1, 11, 2}

func checkNomadVersion(ctx context.Context, n *Nomad) Result {
	version, err := n.version(ctx)
	if err != nil {
		return skipped(err)
	}
	if slices.Compare(numbers(version), repeatable) < 0 {
		return found(Note, "upgrade to 1.11.2 or newer when it suits", "Nomad %s may dispatch twice when a request is repeated; the second worker ends at once", version)
	}
	return ok("Nomad %s", version)
}

// version is that of the agent, or the lowest of the nodes if that may not be read.
func (n *Nomad) version(ctx context.Context) (string, error) {
	var self struct {
		Member struct{ Tags map[string]string } `json:"member"`
	}
	_, err := n.Client.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(ctx))
	if v := self.Member.Tags["build"]; err == nil && v != "" {
		return v, nil
	}
	lowest := ""
	for _, node := range n.nodes {
		if lowest == "" || slices.Compare(numbers(node.Version), numbers(lowest)) < 0 {
			lowest = node.Version
		}
	}
	if lowest == "" {
		return "", fmt.Errorf("the token may read neither agents nor nodes")
	}
	return lowest, nil
}

func numbers(version string) []int {
	plain, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	plain, _, _ = strings.Cut(plain, "+")
	var n []int
	for part := range strings.SplitSeq(plain, ".") {
		i, _ := strconv.Atoi(part)
		n = append(n, i)
	}
	return n
}

func checkNodes(_ context.Context, n *Nomad) Result {
	if n.nodesErr != nil {
		return skipped(fmt.Errorf("the token may not read nodes: %w", n.nodesErr))
	}
	ready := 0
	for _, node := range n.nodes {
		if usable(node) {
			ready++
		}
	}
	if ready == 0 {
		return found(Fail, "start Nomad clients, or make nodes eligible: nomad node status", "none of %d nodes is ready and eligible", len(n.nodes))
	}
	return ok("%d of %d nodes are ready and eligible", ready, len(n.nodes))
}

func usable(n *api.NodeListStub) bool {
	return n.Status == api.NodeStatusReady && n.SchedulingEligibility == api.NodeSchedulingEligible && !n.Drain
}

func checkResources(_ context.Context, n *Nomad) Result {
	if n.nodesErr != nil {
		return skipped(fmt.Errorf("the token may not read nodes: %w", n.nodesErr))
	}
	if len(n.Definitions) == 0 {
		return skipped(fmt.Errorf("the app's definitions are not known"))
	}
	for _, d := range n.Definitions {
		if !d.Declared || slices.ContainsFunc(n.nodes, func(node *api.NodeListStub) bool { return usable(node) && fits(node, &d) }) {
			continue
		}
		return found(Fail, "add nodes, or ask for less by mn.CPU and mn.Memory",
			"no node has the %g CPU and %s that %q asks for", d.CPU, d.Memory, d.Name)
	}
	return ok("each definition fits on some node")
}

// fits reports whether a node would have room if it were empty, at the usual
// nomad.DefaultCoreMHz. A node that does not tell its resources counts as large enough.
func fits(node *api.NodeListStub, d *mn.DefinitionInfo) bool {
	if node.NodeResources == nil {
		return true
	}
	mhz, memory := node.NodeResources.Cpu.CpuShares, node.NodeResources.Memory.MemoryMB
	if r := node.ReservedResources; r != nil {
		mhz, memory = mhz-int64(r.Cpu.CpuShares), memory-int64(r.Memory.MemoryMB)
	}
	return d.CPU*nomad.DefaultCoreMHz <= float64(mhz) && int64(d.Memory)>>20 <= memory
}

func checkJobs(ctx context.Context, n *Nomad) Result {
	if n.App == "" || len(n.Definitions) == 0 {
		return skipped(fmt.Errorf("the app's definitions are not known"))
	}
	var missing []string
	for _, d := range n.Definitions {
		if !d.Declared {
			continue
		}
		id := nomad.JobID("", n.App, d.Name)
		job, _, err := n.Client.Jobs().Info(id, n.query(ctx))
		switch {
		case status(err) == http.StatusNotFound:
			missing = append(missing, id)
		case err != nil:
			return skipped(err)
		case job.ParameterizedJob == nil:
			return found(Fail, "remove it, or choose another nomad.Config.Prefix", "the Nomad job %s is none of mn", id)
		case job.Stop != nil && *job.Stop:
			return found(Fail, "register it again: app.Deploy", "the Nomad job %s is stopped", id)
		}
	}
	if len(missing) > 0 {
		return found(Warn, "app.Deploy, or start an app that may register jobs; check the namespace too",
			"not registered in namespace %s: %s", n.Namespace, strings.Join(missing, ", "))
	}
	return ok("all are registered in namespace %s", n.Namespace)
}

// handBack is how long a worker may need after SIGTERM to finish or hand back its work, while
// the backend answers: docs/nomad.md, Ends.
const handBack = 16 * time.Second

func checkKillTimeout(ctx context.Context, n *Nomad) Result {
	shortest, of := time.Duration(0), ""
	for _, d := range n.Definitions {
		job, _, err := n.Client.Jobs().Info(nomad.JobID("", n.App, d.Name), n.query(ctx))
		if err != nil {
			continue // nomad-jobs has said it
		}
		for _, g := range job.TaskGroups {
			for _, t := range g.Tasks {
				if t.KillTimeout != nil && (of == "" || *t.KillTimeout < shortest) {
					shortest, of = *t.KillTimeout, *job.ID
				}
			}
		}
	}
	limit, err := n.maxKillTimeout(ctx)
	switch {
	case of != "" && shortest < handBack:
		return found(Warn, "leave nomad.Config.KillTimeout at its 30s", "the Nomad job %s has a kill_timeout of %s, and a worker needs up to %s", of, shortest, handBack)
	case err == nil && limit > 0 && limit < handBack:
		return found(Warn, "leave max_kill_timeout in the client's configuration at its 30s",
			"the client allows %s, and a worker needs up to %s", limit, handBack)
	case of == "" && err != nil:
		return skipped(err)
	}
	return ok("workers have %s or more", max(shortest, handBack))
}

// maxKillTimeout is the limit of the agent that answers, 0 if it is no client.
func (n *Nomad) maxKillTimeout(ctx context.Context) (time.Duration, error) {
	var self struct {
		Config struct {
			Client struct {
				Enabled        bool
				MaxKillTimeout string
			}
		} `json:"config"`
	}
	if _, err := n.Client.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
		return 0, fmt.Errorf("the token may not read agents: %w", err)
	}
	if !self.Config.Client.Enabled {
		return 0, nil
	}
	d, err := time.ParseDuration(self.Config.Client.MaxKillTimeout)
	if err != nil {
		return 0, nil //nolint:nilerr // an agent that does not tell
	}
	return d, nil
}
