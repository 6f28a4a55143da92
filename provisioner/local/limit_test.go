package local_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
)

const gib = 1 << 30

// host serves workers until they are told to end.
type host struct {
	serve   func(w provisioner.Worker) error
	exits   chan provisioner.Exit
	abandon func(id string)
}

func (h *host) Serve(w provisioner.Worker) error { return h.serve(w) }

func (h *host) Abandon(id string) {
	if h.abandon != nil {
		h.abandon(id)
	}
}

func (*host) Output(provisioner.Worker, provisioner.Output) {}

func (h *host) Exited(_ provisioner.Worker, e provisioner.Exit) { h.exits <- e }

// open gives a provisioner whose workers live until end is closed.
func open(t *testing.T, opts ...local.Option) (p *local.Provisioner, h *host, end chan struct{}) {
	t.Helper()
	end = make(chan struct{})
	h = &host{exits: make(chan provisioner.Exit, 100), serve: func(provisioner.Worker) error { <-end; return nil }}
	p = local.New(opts...)
	require.NoError(t, p.Open("app", h))
	return p, h, end
}

func worker(id string, cpu float64, memory int64) provisioner.Worker {
	return provisioner.Worker{ID: id, Pool: "pool", Resources: provisioner.Resources{CPU: cpu, Memory: memory}}
}

// refusal is the note of a refusal, or "" if there was none.
func refusal(h *host) string {
	synctest.Wait()
	select {
	case e := <-h.exits:
		return e.Note
	default:
		return ""
	}
}

func TestRefusalsSayWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		cpu         float64
		memory      int64
		first, next provisioner.Worker
		says        string
	}{
		{4, 0, worker("a", 1, 1), worker("b", 16, 1), "no node has 16 CPU (this machine's limit is 4)"},
		{4, 0, worker("a", 3, 1), worker("b", 2, 1), "no node has 2 CPU free (3 of 4 in use)"},
		{0, 4 * gib, worker("a", 1, 1), worker("b", 1, 5*gib), "no node has 5120 MiB of memory (this machine's limit is 4096 MiB)"},
		{0, 4 * gib, worker("a", 1, 3*gib), worker("b", 1, 2*gib), "no node has 2048 MiB of memory free (3072 of 4096 MiB in use)"},
		{4, 4 * gib, worker("a", 2, 2*gib), worker("b", 2, 2*gib), ""},
		{0, 0, worker("a", 2000, 2000*gib), worker("b", 2000, 2000*gib), ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, h, end := open(t, local.Limit(c.cpu, c.memory))
				p.Launch(c.first)
				assert.Empty(t, refusal(h))
				p.Launch(c.next)
				assert.Equal(t, c.says, refusal(h))
				close(end)
				require.NoError(t, p.Close(t.Context()))
			})
		})
	}
}

func TestRoomComesBackWhenWorkersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h, end := open(t, local.Limit(1, 0))
		for round := range 100 {
			// Ten tenths fill one core, though they do not sum up to 1 in binary.
			for i := range 10 {
				p.Launch(worker(fmt.Sprint(round, ".", i), 0.1, 1))
			}
			require.Empty(t, refusal(h))
			p.Launch(worker("more", 0.1, 1))
			require.Contains(t, refusal(h), "no node has 0.1 CPU free")
			for range 10 {
				end <- struct{}{}
			}
			synctest.Wait()
		}
		require.NoError(t, p.Close(t.Context()))
	})
}

func TestRefusedWorkerTakesNoRoomWhileItsRefusalIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h, end := open(t, local.Limit(4, 0))
		h.exits = make(chan provisioner.Exit) // telling takes until somebody listens
		p.Launch(worker("large", 16, 1))
		p.Launch(worker("small", 4, 1))
		assert.Equal(t, "no node has 16 CPU (this machine's limit is 4)", (<-h.exits).Note)
		assert.Empty(t, refusal(h), "the small one has its room")
		close(end)
		require.NoError(t, p.Close(t.Context()))
	})
}

func TestGoexitInAWorkerFreesItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h, _ := open(t, local.Limit(1, 0))
		h.serve = func(provisioner.Worker) error { runtime.Goexit(); return nil }
		for i := range 10 {
			p.Launch(worker(fmt.Sprint(i), 1, 1))
			require.Empty(t, refusal(h))
		}
		require.NoError(t, p.Close(t.Context()))
	})
}

func TestErrorOfServeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h, _ := open(t)
		h.serve = func(provisioner.Worker) error { return errors.New("no handler") }
		p.Launch(worker("a", 1, 1))
		assert.Equal(t, "no handler", refusal(h))
		require.NoError(t, p.Close(t.Context()))
	})
}

func TestCloseWaitsForStubbornWorkersNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, h, end := open(t)
		var abandoned atomic.Int64
		h.abandon = func(string) { abandoned.Add(1) } // as a handler that does not listen
		p.Launch(worker("a", 1, 1))
		p.Launch(worker("b", 1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, p.Close(ctx), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(began))
		assert.EqualValues(t, 2, abandoned.Load())
		close(end)
		require.NoError(t, p.Close(t.Context()))
	})
}

func TestUnopenedProvisionerMayBeClosed(t *testing.T) {
	p := local.New()
	p.Kill("nobody")
	require.NoError(t, p.Close(t.Context()))
}

func TestGoroutinesRestInBoundedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, end := open(t)
		before := runtime.NumGoroutine()
		for i := range 500 {
			p.Launch(worker(fmt.Sprint(i), 1, 1))
		}
		synctest.Wait()
		assert.Greater(t, runtime.NumGoroutine(), before+400)
		close(end)
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+80)
		require.NoError(t, p.Close(t.Context()))
	})
}
