// Package provisionertest tests any provisioner against the contract of package
// provisioner: one call of [Run] in the provisioner's own tests.
//
// A worker lives in Host.Serve of the tested process, as for package local, or in a
// process of its own, wherever that runs. There it calls [Work], which reports to the
// test over TCP and does what the test says. The usual way is that the test's own
// binary is what the provisioner launches:
//
//	func TestMain(m *testing.M) {
//		if id, addr := os.Getenv("WORKER_ID"), os.Getenv("STAGE"); addr != "" {
//			if err := provisionertest.Work(addr, id, newProvisioner()); err != nil {
//				os.Exit(1)
//			}
//			os.Exit(0)
//		}
//		os.Exit(m.Run())
//	}
package provisionertest

import (
	"testing"
	"time"

	"github.com/multinode/mn/provisioner"
)

// Open returns a provisioner that nobody has opened yet. Where its workers are
// processes they must call [Work] with stage.Addr and their ID.
type Open func(t *testing.T, stage *Stage) provisioner.Provisioner

// Option changes a Run.
type Option func(*suite)

// Refuses says what the platform has no room for. Without it the cases about refused
// workers are skipped.
func Refuses(r provisioner.Resources) Option { return func(s *suite) { s.refused = &r } }

// Output says that workers are processes whose output is handed over to Host.Output. Without it
// the cases about output are skipped. live: while they run, and by what they execute; Work must
// then be given a [provisioner.Guest] if that is how the provisioner does it.
func Output(live bool) Option { return func(s *suite) { s.prints, s.live = true, live } }

// Patience is how long the platform may take for what it is asked. Default 10 s.
func Patience(d time.Duration) Option { return func(s *suite) { s.patience = d } }

// suite is one Run.
type suite struct {
	open     Open
	refused  *provisioner.Resources
	patience time.Duration
	prints   bool
	live     bool
}

// small is what workers ask for: the platform must have room for many.
var small = provisioner.Resources{CPU: 0.01, Memory: 1 << 20}

// pool is the definition that all workers execute.
const pool = "pool"

// Run tests the provisioners that open returns; each case gets its own, and closes it.
func Run(t *testing.T, open Open, opts ...Option) {
	s := &suite{open: open, patience: 10 * time.Second}
	for _, o := range opts {
		o(s)
	}
	for _, c := range []struct {
		rule string
		test func(*play)
	}{
		{"a launched worker begins and is told who it is", begins},
		{"many workers live at the same time", livesWithOthers},
		{"a worker launched twice begins once", launchedTwice},
		{"launch does not block", launchDoesNotBlock},
		{"a worker that ends by itself is not reported", endsByItself},
		{"a worker that fails is reported once", fails},
		{"a refused worker is reported as refused", isRefused},
		{"a refused worker takes no room", refusedTakesNoRoom},
		{"the last lines of a worker that fails are handed over before its end is reported", lastWords},
		{"lines are handed over while their worker lives, in order", printsLive},
		{"lines belong to what their worker executed when it printed them", printsByExecution},
		{"what is printed before anything is executed belongs to what is executed first", printsEarly},
		{"the last lines of a worker that ends by itself are handed over", printsLast},
		{"kill ends a running worker and no other", kill},
		{"a worker killed before it has begun does not stay", killEarly},
		{"kill of an unknown or ended worker does nothing", killNobody},
		{"close without workers returns", closeEmpty},
		{"close ends running workers and waits for them", closeEndsWorkers},
		{"close waits for what the host is being told", closeWaitsForReports},
		{"close may be called again", closeTwice},
		{"nothing is launched after close", closeIsTheEnd},
		{"launches that race with close leave nothing behind", closeRaces},
		{"a second open is refused", secondOpen},
	} {
		t.Run(c.rule, func(t *testing.T) { s.run(t, c.test) })
	}
}
