package nomad

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// noCapacity words why Nomad has found no node for a worker.
func noCapacity(m *api.AllocationMetric, r provisioner.Resources) string {
	inPool := ""
	if m.NodePool != "" && m.NodePool != api.NodePoolDefault {
		inPool = fmt.Sprintf(" in node pool %q", m.NodePool)
	}
	if m.NodesEvaluated == 0 {
		return fmt.Sprintf("no capacity: no node%s is ready in the wanted datacenters (are there Nomad clients? see nomad node status, and Config.Placement)", inPool)
	}
	var why []string
	for _, c := range byCount(m.ConstraintFiltered) {
		if driver, ok := strings.CutPrefix(c.name, "missing drivers"); ok {
			c.name = "without the driver of Config.Program" + driver
		} else {
			c.name = fmt.Sprintf("not meeting %q", c.name)
		}
		why = append(why, fmt.Sprintf("%d %s", c.count, c.name))
	}
	for _, c := range byCount(m.DimensionExhausted) {
		why = append(why, fmt.Sprintf("%d without enough free %s", c.count, c.name))
	}
	if rest := m.NodesEvaluated - m.NodesFiltered - m.NodesExhausted; len(why) == 0 && rest >= 0 {
		why = append(why, "none suitable")
	}
	for _, q := range m.QuotaExhausted {
		why = append(why, "the Nomad quota is used up: "+q)
	}
	nodes := fmt.Sprintf("%d nodes", m.NodesEvaluated)
	if m.NodesEvaluated == 1 {
		nodes = "1 node"
	}
	return fmt.Sprintf("no capacity for %g CPU and %d MiB: of %s%s, %s (add nodes, or ask for less)", r.CPU, mebibytes(r.Memory), nodes, inPool, strings.Join(why, ", "))
}

type count struct {
	name  string
	count int
}

func byCount(counts map[string]int) []count {
	var cs []count
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		cs = append(cs, count{name, counts[name]})
	}
	slices.SortStableFunc(cs, func(a, b count) int { return cmp.Compare(b.count, a.count) })
	return cs
}

// blockedNote reads from an evaluation why its job was not placed; "" if it was.
func blockedNote(ev *api.Evaluation, r provisioner.Resources) string {
	groups := slices.Sorted(maps.Keys(ev.FailedTGAllocs)) // one, unless Config.Edit has added some
	if len(groups) == 0 || ev.FailedTGAllocs[groups[0]] == nil {
		return ""
	}
	return noCapacity(ev.FailedTGAllocs[groups[0]], r)
}
