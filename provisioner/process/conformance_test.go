package process_test

import (
	"io"
	"testing"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/process"
	"github.com/multinode/mn/provisioner/provisionertest"
)

func TestConformance(t *testing.T) {
	provisionertest.Run(t, func(_ *testing.T, stage *provisionertest.Stage) provisioner.Provisioner {
		return process.New(process.Env(stageVar+"="+stage.Addr(), quickExit), process.Output(io.Discard))
	}, provisionertest.Output(true))
}

// quickExit spares processes with a race detector the second that they wait at their end.
const quickExit = "GORACE=atexit_sleep_ms=0"
