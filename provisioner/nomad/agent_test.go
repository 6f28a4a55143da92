package nomad_test

import (
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	"github.com/multinode/mn/internal/nomadtest"
)

// shared is a real Nomad server and client in one process that all tests share.
var shared struct {
	sync.Mutex
	agent *nomadtest.Agent
}

// needAgent returns the agent that all tests share, if there is a nomad program.
func needAgent(t testing.TB) *nomadtest.Agent {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.agent == nil {
		shared.agent = nomadtest.Start(t, "")
	}
	return shared.agent
}

// stopAgent ends the shared agent, if there is one.
func stopAgent() {
	shared.Lock()
	defer shared.Unlock()
	if shared.agent != nil {
		shared.agent.Stop()
	}
}

// newPrefix keeps the jobs of each test apart.
func newPrefix() string { return "t" + strings.ToLower(rand.Text()[:10]) }
