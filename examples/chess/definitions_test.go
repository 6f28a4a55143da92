package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/chess/engine"
	"github.com/multinode/mn/mntest"
)

func TestMain(m *testing.M) {
	if at := slices.Index(os.Args, traceFlag); at > 0 {
		os.Exit(runTraced(os.Args[1:], at-1))
	}
	goleak.VerifyTestMain(m)
}

const (
	mateInOneFEN = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
	stalemateFEN = "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"
)

// request asks for n moves of the famous position with little thought.
func request(n int) Request {
	return Request{FEN: engine.FamousFEN, N: n, Strategies: engine.Strategies(), Nodes: 400}
}

func newApp(t *testing.T, faults ...mntest.Fault) *mn.App {
	return mntest.NewWith(t, mn.Config{Definitions: []mn.Definition{NextMoves, Preprocess, Suggest}}, faults...)
}

// finish runs a job to its end.
func finish(t *testing.T, app *mn.App, req Request) mn.JobInfo[Progress] {
	t.Helper()
	return finishWith(t, app, req, func(mn.JobInfo[Progress], mn.JobID) {})
}

// finishWith calls see for each state of the job.
func finishWith(t *testing.T, app *mn.App, req Request, see func(mn.JobInfo[Progress], mn.JobID)) (end mn.JobInfo[Progress]) {
	t.Helper()
	jobs := NextMoves.On(app)
	id, err := jobs.Start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range jobs.Watch(t.Context(), id) {
		if err != nil {
			t.Fatal(err)
		}
		see(info, id)
		end = info
	}
	return end
}

// checkMoves fails unless the moves follow from the position, each the best proposal of
// its step.
func checkMoves(t *testing.T, req Request, p Progress) {
	t.Helper()
	fen := p.Start.FEN
	for i, m := range p.Moves {
		next, san, err := engine.Apply(fen, m.Chosen.Move)
		if err != nil || san != m.Chosen.SAN || next != m.After.FEN {
			t.Fatalf("move %d is %s to %q; by the rules it is %s to %q, error %v", i+1, m.Chosen.SAN, m.After.FEN, san, next, err)
		}
		fen = next
		if len(m.Proposals) != len(req.Strategies) {
			t.Errorf("move %d: %d proposals, want one of each of %v", i+1, len(m.Proposals), req.Strategies)
		}
		for _, s := range m.Proposals {
			if s.ScoreCentipawns > m.Chosen.ScoreCentipawns {
				t.Errorf("move %d: %s (%d) was chosen, %s by %s has %d", i+1, m.Chosen.SAN, m.Chosen.ScoreCentipawns, s.SAN, s.Strategy, s.ScoreCentipawns)
			}
		}
	}
}

func TestFiveMovesAreEachTheBestOfTheirStep(t *testing.T) {
	var seen []int
	req := request(5)
	end := finishWith(t, newApp(t), req, func(info mn.JobInfo[Progress], _ mn.JobID) {
		seen = append(seen, len(info.Result.Moves)*10+len(info.Result.Proposals))
	})
	if end.Status != mn.Succeeded || len(end.Result.Moves) != 5 {
		t.Fatalf("ended %s with %d moves, error %v", end.Status, len(end.Result.Moves), end.Error)
	}
	checkMoves(t, req, end.Result)
	if !slices.IsSorted(seen) {
		t.Errorf("moves and proposals came in the order %v", seen)
	}
	if p := end.Result; p.Start.FEN != engine.FamousFEN || p.Of != 5 || p.Proposals != nil {
		t.Errorf("ended from %q, of %d, with %d proposals left", p.Start.FEN, p.Of, len(p.Proposals))
	}
}

func TestOnlyTheNamedStrategiesCompete(t *testing.T) {
	req := request(2)
	req.Strategies = []string{engine.StrategyAttack, engine.StrategyMaterial}
	end := finish(t, newApp(t), req)
	checkMoves(t, req, end.Result)
	for i, m := range end.Result.Moves {
		if m.Proposals[0].Strategy != engine.StrategyMaterial || m.Proposals[1].Strategy != engine.StrategyAttack {
			t.Errorf("move %d: proposals of %s and %s, want the engine's order", i+1, m.Proposals[0].Strategy, m.Proposals[1].Strategy)
		}
	}
}

func TestOfEqualScoresTheFirstStrategyWins(t *testing.T) {
	var arrived []engine.Suggestion
	for i, name := range slices.Backward(engine.Strategies()) {
		arrived = append(arrived, engine.Suggestion{Strategy: name, ScoreCentipawns: min(i, 2)})
	}
	if got, want := best(inOrder(arrived)).Strategy, engine.Strategies()[2]; got != want {
		t.Errorf("%s won, want %s", got, want)
	}
}

func TestTheEndOfTheGameEndsTheJobEarly(t *testing.T) {
	for _, tc := range []struct {
		fen, status string
		moves       int
	}{
		{mateInOneFEN, engine.StatusCheckmate, 1},
		{stalemateFEN, engine.StatusStalemate, 0},
	} {
		req := request(5)
		req.FEN = tc.fen
		end := finish(t, newApp(t), req)
		if end.Status != mn.Succeeded || len(end.Result.Moves) != tc.moves || end.Result.Now().Status != tc.status {
			t.Errorf("%s: ended %s with %d moves in %s, want %d moves and %s",
				tc.fen, end.Status, len(end.Result.Moves), end.Result.Now().Status, tc.moves, tc.status)
		}
	}
}

func TestARequestThatCannotSucceedFailsWithoutARetry(t *testing.T) {
	for want, spoil := range map[string]func(*Request){
		"invalid FEN":          func(r *Request) { r.FEN = "nonsense" },
		"moves: 0":             func(r *Request) { r.N = 0 },
		"moves: 101":           func(r *Request) { r.N = maxMoves + 1 },
		"nodes: -1":            func(r *Request) { r.Nodes = -1 },
		"strategies: none":     func(r *Request) { r.Strategies = nil },
		`unknown "luck"`:       func(r *Request) { r.Strategies = []string{"luck"} },
		"attack\" is named tw": func(r *Request) { r.Strategies = []string{"attack", "attack"} },
	} {
		t.Run(want, func(t *testing.T) {
			req := request(1)
			spoil(&req)
			end := finish(t, newApp(t), req)
			if end.Status != mn.Failed || end.Attempt != 1 {
				t.Fatalf("ended %s in attempt %d, want FAILED in the first", end.Status, end.Attempt)
			}
			if !strings.Contains(end.Error.Message, want) {
				t.Errorf("failed with %q, want %q", end.Error.Message, want)
			}
		})
	}
}

func TestAfterACrashTheJobGoesOnFromItsLastYield(t *testing.T) {
	req := request(2)
	undisturbed := finish(t, newApp(t), req)
	steps := uint64(1 + req.N*(len(req.Strategies)+1)) // the position, then answers and a move each
	if undisturbed.Yields != steps {
		t.Fatalf("%d yields, want %d", undisturbed.Yields, steps)
	}
	for n := uint64(1); n < steps; n += 2 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the wait before the retry passes at once
				end := finish(t, newApp(t, mntest.KillAfterYield(NextMoves.Name(), n)), req)
				if end.Status != mn.Succeeded || end.Attempt != 2 {
					t.Fatalf("ended %s in attempt %d, want SUCCEEDED in the second", end.Status, end.Attempt)
				}
				if !reflect.DeepEqual(end.Result, undisturbed.Result) {
					t.Errorf("found %s, without the crash %s", record(end.Result), record(undisturbed.Result))
				}
				if end.Yields != steps {
					t.Errorf("%d yields, want %d: each step once", end.Yields, steps)
				}
			})
		})
	}
}

func TestACancelledJobKeepsTheMovesItFound(t *testing.T) {
	app := newApp(t)
	req := request(maxMoves)
	end := finishWith(t, app, req, func(info mn.JobInfo[Progress], id mn.JobID) {
		if len(info.Result.Moves) == 0 || info.Status != mn.Running {
			return
		}
		if err := NextMoves.On(app).Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	if n := len(end.Result.Moves); end.Status != mn.Cancelled || n == 0 || n == maxMoves {
		t.Fatalf("ended %s with %d moves, want CANCELLED with some", end.Status, n)
	}
	checkMoves(t, req, end.Result)
}
