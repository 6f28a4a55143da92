// Package apptest proves the promises of package backend end to end: as programs see
// them that use package mn, several of them on one place, through crashes, cut lines
// and lost replies. It is the second tier beside package backendtest, which tests a
// backend's steps one by one.
//
// One call tests any backend:
//
//	func TestApps(t *testing.T) {
//		apptest.Run(t, func(t *testing.T) apptest.Place { return apptest.Shared(memory.New()) })
//	}
//
// The suite runs in real time, so that it can test servers. It waits for states, not
// for moments. Only what must be found by an expired lease uses short leases, and only
// for the process that is to be lost, so that a machine which stalls for half a second
// fails nothing.
package apptest

import (
	"testing"

	"github.com/multinode/mn/backend"
)

// Place is one place that holds state, such as a server, as the processes of a cluster
// find it.
type Place interface {
	// Open returns a backend on the place, with connections of its own where there are
	// any: it is called once for each app, and once for the suite to look on. All
	// backends of one place share everything. What it starts it ends with t.Cleanup.
	Open(t *testing.T) backend.Backend
}

// Leftovers is implemented by places that can tell what is stored. The suite asks once
// all apps of a case have left and all its jobs are removed.
type Leftovers interface {
	// Leftovers names what is stored of a namespace, apart from what may stay for
	// good, such as its pools' specs.
	Leftovers(t *testing.T, namespace string) []string
}

// Shared is a place where all processes use the same backend, as in memory.
func Shared(b backend.Backend) Place { return shared{b} }

type shared struct{ b backend.Backend }

func (s shared) Open(*testing.T) backend.Backend { return s.b }

// rule is one case: what must hold, and how to see whether it does.
type rule struct {
	name  string
	check func(w *world)
}

// topics are the rules in the order of a task's life, with what goes wrong last.
var topics = []struct {
	name  string
	rules []rule
}{
	{"share", shareRules},
	{"yield", yieldRules},
	{"call", callRules},
	{"limit", limitRules},
	{"lock", lockRules},
	{"cancel", cancelRules},
	{"grace", graceRules},
	{"timeout", timeoutRules},
	{"remove", removeRules},
	{"list", listRules},
	{"retry", retryRules},
	{"drain", drainRules},
	{"codec", codecRules},
	{"log", logRules},
	{"calls", trailRules},
	{"crash", crashRules},
	{"zombie", zombieRules},
	{"rejoin", rejoinRules},
	{"vanish", vanishRules},
	{"loss", lossRules},
}

// Run tests a backend. open is called once for each case and returns a place that may
// hold other data; cases use namespaces of their own and run in parallel.
func Run(t *testing.T, open func(t *testing.T) Place) {
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range topic.rules {
				t.Run(r.name, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, open(t))
					r.check(w)
					w.finish()
				})
			}
		})
	}
}
