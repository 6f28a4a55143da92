package memory_test

import (
	"testing"

	"github.com/multinode/mn/backend/backendtest/apptest"
	"github.com/multinode/mn/backend/memory"
)

func TestApps(t *testing.T) {
	apptest.Run(t, func(*testing.T) apptest.Place { return apptest.Shared(memory.New()) })
}
