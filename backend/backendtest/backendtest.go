// Package backendtest proves that a backend keeps its contract: the promises in the
// documentation of package backend, each a named case whose name says the rule.
//
// One call tests any backend:
//
//	func TestBackend(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) backend.Backend { return memory.New() })
//	}
//
// The suite runs in real time, so that it can test servers. It waits for states, not
// for moments; where a rule says that nothing happens, the case lets something else
// happen that would have come later. Leases that are to expire are some hundred
// milliseconds long, so a machine that stalls for longer than that can fail a case.
//
// [Faulty] makes a backend unreliable in the ways of networks, for tests of backends
// and of whatever uses them.
package backendtest

import (
	"testing"

	"github.com/multinode/mn/backend"
)

// rule is one case: what must hold, and how to see whether it does.
type rule struct {
	name  string
	check func(w *world)
}

// topics are the rules in the order of a task's life.
var topics = []struct {
	name  string
	rules []rule
}{
	{"names", nameRules},
	{"session", sessionRules},
	{"submit", submitRules},
	{"claim", claimRules},
	{"idle", idleRules},
	{"nested", nestedRules},
	{"lease", leaseRules},
	{"heartbeat", heartbeatRules},
	{"yield", yieldRules},
	{"lock", lockRules},
	{"settle", settleRules},
	{"retry", retryRules},
	{"result", resultRules},
	{"cancel", cancelRules},
	{"remove", removeRules},
	{"attempts", attemptRules},
	{"journal", journalRules},
	{"link", linkRules},
	{"await", awaitRules},
	{"list", listRules},
	{"reason", reasonRules},
	{"scale", scaleRules},
	{"workers", workerRules},
	{"stats", statsRules},
	{"quota", quotaRules},
	{"exit", exitRules},
	{"sweep", sweepRules},
	{"transition", transitionRules},
	{"repeat", repeatRules},
	{"exchange", exchangeRules},
	{"batch", batchRules},
	{"bundle", bundleRules},
	{"batch exchange", batchExchangeRules},
	{"stress", stressRules},
}

// Run tests a backend. open is called once for each case and returns a backend that
// may hold other data; cases use namespaces of their own. What open starts it ends
// with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) backend.Backend) {
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			for _, r := range topic.rules {
				t.Run(r.name, func(t *testing.T) { r.check(newWorld(t, open(t))) })
			}
		})
	}
	t.Run("random histories", func(t *testing.T) { RunHistories(t, open) })
	t.Run("work under faults", func(t *testing.T) { RunFaults(t, open) })
}
