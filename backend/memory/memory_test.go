package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/backendtest"
	"github.com/multinode/mn/backend/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBackend(t *testing.T) {
	backendtest.Run(t, func(*testing.T) backend.Backend { return memory.New() })
}
