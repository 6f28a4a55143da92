package scaler

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/provisioner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is the backend and the provisioner as the scaler sees them: it has slots for
// whoever asks, and notes what it is asked.
type fake struct {
	backend.Store
	provisioner.Provisioner

	mu       sync.Mutex
	lacking  int // slots that the next Reserve hands out
	sweeps   []int
	err      error
	reserved [][]string
	swept    []time.Time
	launched []provisioner.Worker
	killed   []string
	exits    []backend.SlotExit
	blocked  string         // what the backend says of the pool
	room     map[string]int // nil: there is no end of it
}

// forget forgets what was done so far; the next Reserve will hand out slots.
func (f *fake) forget(lacking int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved, f.swept, f.launched, f.lacking = nil, nil, nil, lacking
}

func (f *fake) Reserve(_ context.Context, _ string, pools []string, limit int) (slots []backend.Slot, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved = append(f.reserved, pools)
	for ; f.err == nil && f.lacking > 0 && len(slots) < limit; f.lacking-- {
		slots = append(slots, backend.Slot{ID: "s", Pool: pools[0]})
	}
	return slots, f.err
}

func (f *fake) Pools(context.Context) ([]backend.PoolInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []backend.PoolInfo{{Spec: backend.PoolSpec{Name: "p"}, Blocked: f.blocked}}, f.err
}

func (f *fake) Sweep(_ context.Context, limit int) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.swept = append(f.swept, time.Now())
	if len(f.sweeps) > 0 {
		n, f.sweeps = f.sweeps[0], f.sweeps[1:]
	}
	return min(n, limit), f.err
}

func (f *fake) Exit(_ context.Context, exits []backend.SlotExit) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.exits = append(f.exits, exits...)
	for _, e := range exits {
		if e.Refused {
			f.blocked = e.Note
		}
	}
	return f.err
}

// paced is a provisioner that has room for so many.
type paced struct{ *fake }

func (p paced) Room(pool string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.room[pool]
}

func (f *fake) Launch(w provisioner.Worker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.room != nil {
		f.room[w.Pool]--
	}
	f.launched = append(f.launched, w)
}

func (f *fake) Kill(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.killed = append(f.killed, id)
}

const sweepEvery = 2 * time.Second

var hardware = provisioner.Resources{CPU: 2, Memory: 1 << 30}

// running returns a scaler that runs until the bubble's test ends, after its first tick.
func running(t *testing.T, f *fake) *Scaler {
	t.Helper()
	return runningWith(t, f, f)
}

func runningWith(t *testing.T, f *fake, p provisioner.Provisioner, sets ...func(*Config)) *Scaler {
	t.Helper()
	c := Config{
		Store: f, Provisioner: p, Session: "me", Sweep: sweepEvery, Logger: slog.New(slog.DiscardHandler),
		Pools: map[string]provisioner.Resources{"p": hardware},
	}
	for _, set := range sets {
		set(&c)
	}
	s := New(c)
	go s.Run(t.Context())
	synctest.Wait()
	return s
}

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // synctest clock
	synctest.Wait()
}

func TestDemandLaunchesTheReservedSlotsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		f.forget(2)
		s.Demand("p")
		synctest.Wait()
		require.Equal(t, [][]string{{"p"}}, f.reserved)
		w := provisioner.Worker{ID: "s", Pool: "p", Resources: hardware}
		require.Equal(t, []provisioner.Worker{w, w}, f.launched)
	})
}

func TestDemandsThatComeTogetherAreServedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		f.forget(0)
		s.Demand("p")
		s.Demand("q")
		s.Demand("p")
		synctest.Wait()
		require.Len(t, slices.Concat(f.reserved...), 2)
	})
}

func TestEachTickAsksForAllPoolsAndSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{err: errors.New("connection refused")} // failures change nothing
		running(t, f)
		pass(time.Minute)
		require.Equal(t, len(f.swept), len(f.reserved))
		require.Greater(t, len(f.swept), 30)
		require.Less(t, len(f.swept), 60)
		for i := 1; i < len(f.swept); i++ {
			gap := f.swept[i].Sub(f.swept[i-1])
			require.LessOrEqual(t, gap, sweepEvery, "what is lost is found within Sweep")
			require.GreaterOrEqual(t, gap, sweepEvery/2)
		}
		require.NotEqual(t, f.swept[1].Sub(f.swept[0]), f.swept[2].Sub(f.swept[1]), "with jitter")
	})
}

func TestFullSweepIsRepeatedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{sweeps: []int{sweepLimit, sweepLimit, 3, sweepLimit}}
		running(t, f)
		require.Len(t, f.swept, 3)
	})
}

func TestRefusedPoolRestsLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		refused := provisioner.Exit{Note: "no node has 16 CPU", Refused: true}
		for n, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
			rest := time.Duration(seconds) * time.Second
			s.Exited(provisioner.Worker{ID: "x", Pool: "p"}, refused)
			require.Equal(t, backend.SlotExit{Slot: "x", Note: refused.Note, Refused: true}, f.exits[len(f.exits)-1])

			f.forget(0)
			pass(rest - 1)
			s.Demand("p")
			synctest.Wait()
			require.Empty(t, f.reserved, "refusal %d", n+1)

			s.Launch(backend.Slot{ID: "early", Pool: "p"}) // a submit reserved it nevertheless
			require.Empty(t, f.launched)
			require.Equal(t, "early", f.exits[len(f.exits)-1].Slot, "it is given back, with the reason")
			require.Equal(t, refused.Note, f.exits[len(f.exits)-1].Note)

			pass(1)
			s.Demand("p")
			synctest.Wait()
			require.NotEmpty(t, f.reserved, "refusal %d", n+1)
		}
		s.Served("p") // a worker came: the next refusal is the first again
		s.Exited(provisioner.Worker{ID: "x", Pool: "p"}, refused)
		f.forget(0)
		pass(firstRetry + sweepEvery)
		require.NotEmpty(t, f.reserved)
	})
}

func TestRestOfOnePoolIsNotThatOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		s.Exited(provisioner.Worker{ID: "x", Pool: "q"}, provisioner.Exit{Refused: true})
		f.forget(1)
		s.Demand("q")
		s.Demand("p")
		synctest.Wait()
		require.Equal(t, []string{"p"}, slices.Concat(f.reserved...))
		require.Len(t, f.launched, 1)
	})
}

func TestWorkerThatEndedByForceIsToldWithoutARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		s.Exited(provisioner.Worker{ID: "x", Pool: "p"}, provisioner.Exit{Note: "exit code 137: out of memory"})
		require.Equal(t, []backend.SlotExit{{Slot: "x", Note: "exit code 137: out of memory"}}, f.exits)
		f.forget(0)
		s.Demand("p")
		synctest.Wait()
		require.NotEmpty(t, f.reserved)
	})
}

func TestWorkerThatLivedShortlyIsTheReasonOfThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		s.Exited(provisioner.Worker{ID: "x", Pool: "p"}, provisioner.Exit{Note: "exit code 1: no database", Lived: shortLife - 1})
		require.Equal(t, []backend.SlotExit{{Slot: "x", Note: "exit code 1: no database", Refused: true}}, f.exits)
		s.Exited(provisioner.Worker{ID: "y", Pool: "p"}, provisioner.Exit{Note: "exit code 3", Lived: shortLife})
		require.False(t, f.exits[1].Refused)
	})
}

func TestPausedScalerReservesNothingButKillsAndSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		s.Pause()
		f.forget(0)
		s.Demand("p")
		s.Kill("a")
		s.Kill("b")
		pass(time.Minute)
		require.Empty(t, f.reserved)
		require.NotEmpty(t, f.swept)
		require.Equal(t, []string{"a", "b"}, f.killed)
	})
}

func TestAppThatLaunchesNothingSweepsAndReservesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		runningWith(t, f, provisioner.None)
		f.forget(0)
		pass(10 * sweepEvery)
		require.Empty(t, f.reserved)
		require.GreaterOrEqual(t, len(f.swept), 10)
	})
}

func TestWorkerProcessSweepsRarelyAndReservesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		runningWith(t, f, provisioner.None, func(c *Config) { c.Worker = true })
		require.Empty(t, f.swept, "thousands may start together")
		f.forget(0)
		pass(10 * time.Minute)
		require.Empty(t, f.reserved)
		require.GreaterOrEqual(t, len(f.swept), 30)
		require.LessOrEqual(t, len(f.swept), 60)
		for i := 1; i < len(f.swept); i++ {
			require.LessOrEqual(t, f.swept[i].Sub(f.swept[i-1]), restful*sweepEvery)
		}
	})
}

func TestNoMoreIsReservedThanTheProvisionerHasRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{room: map[string]int{"p": 0}}
		runningWith(t, f, paced{f})
		f.forget(100)
		pass(sweepEvery)
		require.Empty(t, f.reserved, "there is no room")
		launched := 0
		for _, room := range []int{30, 50, 40} { // 20 are left of the last
			f.mu.Lock()
			f.room["p"] = room
			f.mu.Unlock()
			pass(roomLook)
			require.Len(t, f.launched, min(100, launched+room), "it looks again soon while more is wanted")
			launched += room
		}
		f.forget(0)
		pass(sweepEvery / 4)
		require.LessOrEqual(t, len(f.reserved), 1, "nothing more is wanted")
	})
}

func TestPoolsWithoutRoomDoNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{room: map[string]int{"p": 0, "q": 5}}
		s := runningWith(t, f, paced{f})
		f.forget(3)
		s.Demand("p")
		s.Demand("q")
		synctest.Wait()
		require.Len(t, f.launched, 3)
		require.Equal(t, []string{"q"}, slices.Concat(f.reserved...))
	})
}

func TestALargeDemandIsServedInSeveralExchangesAtOnceOrSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		f.forget(2*reserveLimit + 1)
		s.Demand("p")
		pass(3 * roomLook)
		require.Len(t, f.launched, 2*reserveLimit+1)
	})
}

func TestRefusalsOfWorkersThatWereLaunchedTogetherCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		for range 32 {
			s.Exited(provisioner.Worker{ID: "x", Pool: "p"}, provisioner.Exit{Note: "no node", Refused: true})
		}
		require.Len(t, f.exits, 32)
		f.forget(0)
		pass(firstRetry)
		s.Demand("p")
		synctest.Wait()
		require.NotEmpty(t, f.reserved)
	})
}

// Workers that live in other processes show in the backend alone.
func TestRefusalAfterWorkersHaveComeIsTheFirstAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := running(t, f)
		refuse := func(e provisioner.Exit, rest time.Duration) {
			t.Helper()
			s.Exited(provisioner.Worker{ID: "x", Pool: "p"}, e)
			f.forget(0)
			pass(rest - 1)
			s.Demand("p")
			synctest.Wait()
			require.Empty(t, f.reserved)
			pass(1)
			s.Demand("p")
			synctest.Wait()
			require.NotEmpty(t, f.reserved)
		}
		refused := provisioner.Exit{Note: "no node", Refused: true}
		refuse(refused, firstRetry)
		refuse(refused, 2*firstRetry)
		f.mu.Lock()
		f.blocked = "" // a worker has claimed for the first time
		f.mu.Unlock()
		refuse(refused, firstRetry)
		f.mu.Lock()
		f.blocked = ""
		f.mu.Unlock()
		crashed := provisioner.Exit{Note: "exit code 1", Lived: time.Second}
		refuse(crashed, 2*firstRetry) // it may have claimed itself, and the next will crash too
		f.forget(0)
		pass(forgetAfter + 1)
		refuse(crashed, firstRetry)
	})
}
