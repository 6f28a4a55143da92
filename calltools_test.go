package mn_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/mntest"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/local"
)

// place is where the tests of calls look behind the scenes: the backend that their
// apps share.
type place struct {
	backend.Backend
	t *testing.T
}

func newPlace(t *testing.T) *place { return &place{Backend: memory.New(), t: t} }

// app returns an app on the place.
func (p *place) app(defs ...mn.Definition) *mn.App {
	return mntest.NewWith(p.t, mn.Config{Backend: p, Definitions: defs})
}

// pool is a definition's workers and queue as the backend sees them.
func (p *place) pool(d mn.Definition) backend.PoolInfo {
	p.t.Helper()
	pools, err := p.Namespace("test").Pools(context.Background())
	require.NoError(p.t, err)
	for _, info := range pools {
		if info.Spec.Name == d.Name() {
			return info
		}
	}
	return backend.PoolInfo{}
}

// cpus is the hardware of all slots at one moment, where each pool's slots have the given CPUs.
func (p *place) cpus(of map[string]float64) (sum float64) {
	p.t.Helper()
	pools, err := p.Namespace("test").Pools(context.Background())
	require.NoError(p.t, err)
	for _, info := range pools {
		sum += float64(info.Slots) * of[info.Spec.Name]
	}
	return sum
}

// double is the function for tests in which it does not matter.
var double = mn.NewFunction("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

// upTo gives 0, 1, … n-1.
func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// waiting is a function whose handler waits until its context ends, and tells why it did.
func waiting(ended *log[error]) *mn.Function[int, int] {
	return mn.NewFunction("waiting", func(ctx context.Context, n int) (int, error) {
		<-ctx.Done()
		ended.add(context.Cause(ctx))
		return n, nil
	})
}

// fragile is a provisioner whose workers crash when the test says so.
type fragile struct {
	provisioner.Provisioner
	host     provisioner.Host
	launched log[provisioner.Worker]
}

func newFragile(opts ...local.Option) *fragile { return &fragile{Provisioner: local.New(opts...)} }

func (f *fragile) Open(app string, host provisioner.Host) error {
	f.host = host
	return f.Provisioner.Open(app, host)
}

func (f *fragile) Launch(w provisioner.Worker) {
	f.launched.add(w)
	f.Provisioner.Launch(w)
}

// crash ends the worker launched last as if its process had died.
func (f *fragile) crash(note string) {
	all := f.launched.entries()
	last := all[len(all)-1]
	f.Kill(last.ID)
	f.host.Exited(last, provisioner.Exit{Note: note})
}
