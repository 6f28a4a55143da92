package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/multinode/mn/backend/backendtest/apptest"
	"github.com/multinode/mn/backend/memory"
)

func TestApps(t *testing.T) {
	running := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, running) }) // once all cases have ended
	apptest.Run(t, func(*testing.T) apptest.Place { return apptest.Shared(memory.New()) })
}
