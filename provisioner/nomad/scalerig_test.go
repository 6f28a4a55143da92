package nomad_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/internal/simulation"
	"github.com/multinode/mn/provisioner"
	"github.com/multinode/mn/provisioner/nomad"
)

// realistic is a cluster as they are, with room for so many workers: requests take some
// milliseconds, one in a hundred is refused, another fails, of another the answer is lost.
// Images are there, so programs start in seconds; some never do.
func realistic(room int) simulation.Params {
	return simulation.Params{
		Seed:   1,
		Answer: simulation.Delay{Median: 5 * time.Millisecond, Sigma: 0.7},
		Write:  2 * time.Millisecond,
		// A Nomad server has as many schedulers as cores.
		Schedulers: 4, Evaluation: simulation.Delay{Median: 40 * time.Millisecond, Sigma: 0.5},
		Start: simulation.Delay{Median: 2 * time.Second, Sigma: 0.6},
		Room:  room, Reject: 0.01, Fail: 0.01, Lose: 0.01, Stream: 2 * time.Minute,
		Broken: 0.002, Life: 10 * time.Hour, Silent: 0.5,
	}
}

// corpse is for how long a dead process is left as it is: its lease is over by then.
const corpse = time.Minute

// fleet is a simulated cluster, a backend, and the apps that meet there. It lives in a bubble.
type fleet struct {
	*testing.T
	cluster     *simulation.Cluster
	backend     *simulation.Backend
	definitions func(simulation.Process) []mn.Definition // as a process has them
	quota       mn.Quota
	timing      mn.Timing
	naming      chan struct{} // held by the one that is being told what it serves
	busy, most  map[string]*atomic.Int64
	done, began atomic.Int64 // handlers
	born        time.Time
	stop        context.CancelFunc
}

func newFleet(t *testing.T, p simulation.Params, exact bool, pools ...string) *fleet {
	t.Helper()
	f := &fleet{
		T: t, backend: simulation.NewBackend(memory.New(), exact), naming: make(chan struct{}, 1), born: time.Now(),
		busy: map[string]*atomic.Int64{}, most: map[string]*atomic.Int64{}, timing: mn.DefaultTiming,
	}
	for _, pool := range pools {
		f.busy[pool], f.most[pool] = new(atomic.Int64), new(atomic.Int64)
	}
	p.Program = f.program
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	f.cluster = simulation.New(ctx, p)
	return f
}

// inBubble runs a test where time is simulated. What os/signal starts once is started before: it would keep the
// bubble's clock from going on.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
	begin := time.Now()
	synctest.Test(t, test)
	t.Logf("simulated in %s", time.Since(begin).Round(100*time.Millisecond))
}

// work is a handler's: it is busy for a time, unless its process dies.
func (f *fleet) work(ctx context.Context, p simulation.Process, d time.Duration) error {
	f.began.Add(1)
	busy, most := f.busy[p.Pool], f.most[p.Pool]
	for n, m := busy.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		continue
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		f.done.Add(1)
	case <-ctx.Done():
	case <-p.Killed.Done():
	}
	busy.Add(-1)
	if p.Killed.Err() != nil {
		<-ctx.Done() // what a dead process would have returned reaches nobody
	}
	return context.Cause(ctx)
}

// function returns a definition of a process; clients have no handler.
func (f *fleet) function(p simulation.Process, name string, opts ...mn.FunctionOption) *mn.Function[int, int] {
	if p.Killed == nil {
		return mn.NewFunction(name, func(context.Context, int) (int, error) { panic("a scheduler executes nothing") }, opts...)
	}
	p.Pool = name
	return mn.NewFunction(name, func(ctx context.Context, ms int) (int, error) {
		return ms, f.work(ctx, p, time.Duration(ms)*time.Millisecond)
	}, opts...)
}

func (f *fleet) config(b *simulation.View, p provisioner.Provisioner, defs []mn.Definition) mn.Config {
	return mn.Config{
		Name: "scale", Definitions: defs, Backend: b, Provisioner: p, Logger: quiet, Quota: f.quota, Timing: f.timing,
	}
}

// program is what a worker's allocation runs: the app, which finds out from its environment
// that it is a worker.
func (f *fleet) program(p simulation.Process) int {
	b := f.backend.As("worker", 0)
	f.naming <- struct{}{} // not a mutex, behind which the clock stands still
	os.Setenv(provisioner.WorkerVariable, p.Pool+"/"+p.Slot)
	app, err := mn.New(f.config(b, nomad.New(nomad.Config{}), f.definitions(p)))
	<-f.naming
	if err != nil {
		f.Error(err)
		return 1
	}
	over := make(chan error, 1)
	go func() {
		over <- app.Run(p.Term, func(context.Context) error { panic("a worker ran main") })
	}()
	select {
	case err := <-over:
		if err != nil {
			return 1
		}
		return 0
	case <-p.Killed.Done():
	}
	b.Cut()
	go func() { // what is left of it in this process goes when nobody can mistake it for alive
		time.Sleep(corpse) //nolint:forbidigo // synctest clock
		_ = app.Close()
	}()
	return provisioner.ExitKilled
}

// scheduler is an app that launches workers.
type scheduler struct {
	app  *mn.App
	door *simulation.Door
	view *simulation.View
}

func (f *fleet) scheduler(rate int) *scheduler {
	f.Helper()
	s := &scheduler{door: f.cluster.Door(), view: f.backend.As("scheduler", time.Millisecond)}
	p := &deployed{fleet: f, Provisioner: nomad.New(nomad.Through(nomad.Config{
		Address: "http://nomad.invalid:4646", Program: nomad.RawExec{Path: "/bin/program"}, DispatchRate: rate, Logger: quiet,
	}, s.door))}
	var err error
	s.app, err = mn.New(f.config(s.view, p, f.definitions(simulation.Process{})))
	require.NoError(f, err)
	return s
}

// deployed is a provisioner whose jobs are registered before it launches anything. Else the first dispatches
// wait for a lock that others hold over a request, and meanwhile the simulated clock stands still.
type deployed struct {
	*nomad.Provisioner
	fleet *fleet
}

func (d *deployed) Open(app string, host provisioner.Host) error {
	if err := d.Provisioner.Open(app, host); err != nil {
		return err
	}
	pools := map[string]provisioner.Resources{}
	for pool := range d.fleet.busy {
		pools[pool] = provisioner.Resources{CPU: 0.1, Memory: 256 << 20} // the defaults
	}
	return d.Deploy(d.fleet.Context(), pools)
}

// die ends a scheduler without a word to anybody.
func (s *scheduler) die() {
	s.view.Cut()
	s.door.Shut()
	go func() {
		time.Sleep(corpse) //nolint:forbidigo // synctest clock
		_ = s.app.Close()
	}()
}

// client returns an app that only calls.
func (f *fleet) client(defs ...mn.Definition) *mn.App {
	f.Helper()
	app, err := mn.New(f.config(f.backend.As("client", 0), provisioner.None, defs))
	require.NoError(f, err)
	return app
}

// lengths are n times around a mean, in milliseconds: from half of it to one and a half.
func lengths(seed uint64, n int, mean time.Duration) (ms []int, sum time.Duration) {
	rng := rand.New(rand.NewPCG(seed, 7))
	for range n {
		d := int(float64(mean.Milliseconds()) * (0.5 + rng.Float64()))
		ms = append(ms, d)
		sum += time.Duration(d) * time.Millisecond
	}
	return ms, sum
}

// drain has clients make calls, all at once, and returns how long that takes and how long
// all calls together take.
func (f *fleet) drain(name string, clients, each int, mean time.Duration) (took, work time.Duration) {
	f.Helper()
	over := make(chan int, clients)
	begin := time.Now()
	var apps []*mn.App
	for i := range clients {
		ms, sum := lengths(uint64(i), each, mean)
		work += sum
		fn := mn.NewFunction[int, int](name, nil)
		app := f.client(fn)
		apps = append(apps, app)
		go func() {
			n, bad := 0, 0
			for out, err := range fn.On(app).Map(f.Context(), slices.Values(ms), mn.MaxInFlight(each)) {
				if bad == 0 && (err != nil || out != ms[n]) {
					f.Errorf("call %d of client %d returned %d instead of %d: %v", n, i, out, ms[n], err)
				}
				if err != nil || out != ms[n] {
					bad++
				}
				n++
			}
			assert.Zero(f, bad, "results that are wrong")
			over <- n
		}()
	}
	results := 0
	for range clients {
		results += <-over
	}
	took = time.Since(begin)
	assert.Equal(f, clients*each, results)
	for _, app := range apps {
		assert.NoError(f, app.Close())
	}
	return took, work
}

// finish ends what lives, and waits for it.
func (f *fleet) finish(schedulers ...*scheduler) {
	for _, s := range schedulers {
		_ = s.app.Close()
	}
	f.cluster.Wait() // workers leave by themselves
	f.stop()
	time.Sleep(2 * corpse) //nolint:forbidigo // synctest clock
}

// watch tells every so often how it goes, until the returned function is called.
func (f *fleet) watch(every time.Duration) func() {
	over := make(chan struct{})
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		before := f.backend.Steps()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			steps := f.backend.Steps()
			text := ""
			for _, kind := range sortedKeys(steps) {
				if d := steps[kind] - before[kind]; d > 0 {
					text += fmt.Sprintf(" %s %.1f/s", kind, float64(d)/every.Seconds())
				}
			}
			before = steps
			c := f.cluster.Counts()
			f.Logf("%5s: %d alive, %d dispatched, %d done;%s", time.Since(f.born).Round(time.Second), f.cluster.Alive(), c.Dispatched, f.done.Load(), text)
		}
	}()
	return func() { close(over) }
}

func sortedKeys(m map[string]int) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// ratio rounds for people.
func ratio(took, ideal time.Duration) float64 {
	return math.Round(1000*took.Seconds()/ideal.Seconds()) / 1000
}
