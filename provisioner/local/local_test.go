package local_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
	"github.com/multinode/mn/provisioner/provisionertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	provisionertest.Run(t, func(*testing.T, *provisionertest.Stage) provisioner.Provisioner {
		return local.New()
	})
}

func TestConformanceWithALimit(t *testing.T) {
	provisionertest.Run(t, func(*testing.T, *provisionertest.Stage) provisioner.Provisioner {
		return local.New(local.Limit(4, 1<<30))
	}, provisionertest.Refuses(provisioner.Resources{CPU: 16, Memory: 1 << 20}), provisionertest.Patience(3e9))
}
