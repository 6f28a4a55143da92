package nomad_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
	"github.com/multinode/mn/provisioner/provisionertest"
)

// The test binary is also the program that Nomad runs as a worker. What kind of worker it is, and
// whom it serves, it learns by these variables.
const (
	stageVar = "MN_TEST_STAGE" // address of a provisionertest.Stage
	redisVar = "MN_TEST_REDIS" // URL of an app's backend
	nameVar  = "MN_TEST_APP"   // the app's name
	dirVar   = "MN_TEST_DIR"   // where handlers leave traces
)

func TestMain(m *testing.M) {
	if w, ok := provisioner.ParseWorker(os.Getenv(provisioner.WorkerVariable)); ok {
		os.Exit(work(w))
	}
	if os.Getenv(scheduleVar) != "" {
		os.Exit(exitCode(schedule()))
	}
	goleak.VerifyTestMain(tests{m})
}

// tests ends the agent, if one was started, before goroutines are counted.
type tests struct{ *testing.M }

func (t tests) Run() int {
	defer stopAgent()
	return t.M.Run()
}

func work(w provisioner.Worker) int {
	var err error
	if addr := os.Getenv(stageVar); addr != "" {
		err = provisionertest.Work(addr, w.ID, nomad.New(nomad.Config{}))
	} else {
		err = serveApp()
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
