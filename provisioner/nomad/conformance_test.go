package nomad_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
	"github.com/multinode/mn/provisioner/provisionertest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestConformance(t *testing.T) {
	agent := needAgent(t)
	enough := 256
	provisionertest.Run(t, func(_ *testing.T, stage *provisionertest.Stage) provisioner.Provisioner {
		return nomad.New(nomad.Config{
			Address: agent.URL, Prefix: newPrefix(), Program: nomad.RawExec{},
			Env: map[string]string{stageVar: stage.Addr(), "GORACE": "atexit_sleep_ms=0"}, // no second of waiting at their end
			Edit: func(_ string, job *api.Job) { // the suite's workers ask for less than this program needs
				job.TaskGroups[0].Tasks[0].Resources.MemoryMB = &enough
			},
			PlacementTimeout: time.Second, StopOnClose: true, Logger: quiet,
		})
	}, provisionertest.Patience(time.Minute), provisionertest.Output(true), provisionertest.Refuses(provisioner.Resources{CPU: 1000, Memory: 1 << 20}))
}
