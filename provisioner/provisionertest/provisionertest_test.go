package provisionertest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/provisionertest"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv("STAGE"); addr != "" {
		if provisionertest.Work(addr, os.Getenv("WORKER_ID"), nil) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// The suite is for workers in processes of their own, too.
func TestSuitePassesForChildProcesses(t *testing.T) {
	provisionertest.Run(t, func(_ *testing.T, stage *provisionertest.Stage) provisioner.Provisioner {
		return &children{stage: stage.Addr(), limit: 8, known: make(map[string]*child)}
	}, provisionertest.Refuses(provisioner.Resources{CPU: 9, Memory: 1 << 20}), provisionertest.Output(false))
}

// children is the simplest provisioner of processes: they are this test's binary.
type children struct {
	stage string
	limit float64 // cores of one worker at the most

	mu     sync.Mutex
	host   provisioner.Host
	closed bool
	known  map[string]*child
	all    sync.WaitGroup
}

type child struct {
	kill context.CancelFunc
}

func (c *children) Open(_ string, host provisioner.Host) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.host != nil {
		return errors.New("open already")
	}
	c.host = host
	return nil
}

func (c *children) Launch(w provisioner.Worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.known[w.ID] != nil {
		return
	}
	ctx, kill := context.WithCancel(context.Background())
	c.known[w.ID] = &child{kill: kill}
	c.all.Go(func() {
		defer kill()
		if w.CPU > c.limit {
			c.host.Exited(w, provisioner.Exit{Note: "no node has that many cores", Refused: true})
			return
		}
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), "STAGE="+c.stage, "WORKER_ID="+w.ID)
		printed, err := cmd.CombinedOutput()
		if len(printed) > 0 && ctx.Err() == nil {
			c.host.Output(w, provisioner.Output{Text: string(printed), Tail: true})
		}
		if err != nil && ctx.Err() == nil {
			c.host.Exited(w, provisioner.Exit{Note: err.Error()})
		}
	})
}

func (c *children) Kill(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.known[id]; w != nil {
		w.kill()
	}
}

func (c *children) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	for _, w := range c.known {
		w.kill()
	}
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.all.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
