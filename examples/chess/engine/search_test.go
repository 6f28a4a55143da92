package engine_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/corentings/chess/v2"

	"github.com/multinode/mn/examples/chess/engine"
)

// testNodes keeps the suite quick, also under the race detector.
const testNodes = 6_000

// each runs a test for every strategy with its suggestion for a position.
func each(t *testing.T, fen string, nodes int, check func(t *testing.T, s engine.Suggestion)) {
	t.Helper()
	for _, name := range engine.Strategies() {
		t.Run(name, func(t *testing.T) {
			s, err := engine.Search(t.Context(), engine.Request{FEN: fen, Strategy: name, Nodes: nodes})
			if err != nil {
				t.Fatal(err)
			}
			verify(t, fen, s)
			if s.Nodes > nodes {
				t.Errorf("visited %d nodes of %d", s.Nodes, nodes)
			}
			check(t, s)
		})
	}
}

// verify checks what holds of every suggestion: a legal move, a playable line.
func verify(t *testing.T, fen string, s engine.Suggestion) {
	t.Helper()
	moves := legal(t, fen)
	if moves[s.SAN] != s.Move || s.Move == "" {
		t.Errorf("%s (%s) is not legal in %q", s.SAN, s.Move, fen)
	}
	if len(s.PV) == 0 || s.PV[0] != s.SAN {
		t.Fatalf("line %v does not start with %s", s.PV, s.SAN)
	}
	for at, san := range s.PV {
		uci, ok := legal(t, fen)[san]
		if !ok {
			t.Fatalf("line %v is not legal from its half-move %d", s.PV, at+1)
		}
		fen, _, _ = engine.Apply(fen, uci)
	}
}

// mates reports whether the side to move mates within so many of its moves, by
// trying everything.
func mates(pos *chess.Position, moves int) bool {
	for _, m := range pos.ValidMoves() {
		if mated(pos.Update(&m), moves-1) {
			return true
		}
	}
	return false
}

// mated reports whether every reply is followed by mate within so many moves.
func mated(pos *chess.Position, moves int) bool {
	switch pos.Status() {
	case chess.Checkmate:
		return true
	case chess.Stalemate:
		return false
	}
	if moves == 0 {
		return false
	}
	for _, m := range pos.ValidMoves() {
		if !mates(pos.Update(&m), moves) {
			return false
		}
	}
	return true
}

func TestMates(t *testing.T) {
	for _, tc := range []struct {
		name, fen string
		moves     int
	}{
		{"back rank", "6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1", 1},
		{"scholar", "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4", 1},
		{"fool", "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2", 1},
		{"smothered", "6rk/6pp/7N/8/8/8/8/6K1 w - - 0 1", 1},
		{"promotion", "7k/4P1pp/8/8/8/8/8/6K1 w - - 0 1", 1},
		{"rook exchange", "3r2k1/5ppp/8/8/8/8/4RPPP/4R1K1 w - - 0 1", 2},
		{"queen sacrifice", "r6k/6pp/7N/8/2Q5/8/8/6K1 w - - 0 1", 2},
		{"quiet rook", "kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", 2},
		{"black to play", "4r1k1/4rppp/8/8/8/8/5PPP/3R2K1 b - - 0 1", 2},
		{"two rooks", "7k/8/8/8/8/8/R7/1R4K1 w - - 0 1", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pos := library(t, tc.fen)
			if !mates(pos, tc.moves) || tc.moves > 1 && mates(pos, tc.moves-1) {
				t.Fatalf("not a mate in %d", tc.moves)
			}
			each(t, tc.fen, testNodes, func(t *testing.T, s engine.Suggestion) {
				if n, ok := engine.MateIn(s.ScoreCentipawns); !ok || n != tc.moves {
					t.Errorf("%s scores %d, which is mate in %d, %v", s.SAN, s.ScoreCentipawns, n, ok)
				}
				next, _, err := engine.Apply(tc.fen, s.Move)
				if err != nil {
					t.Fatal(err)
				}
				if !mated(library(t, next), tc.moves-1) {
					t.Errorf("%s does not mate in %d", s.SAN, tc.moves)
				}
			})
		})
	}
}

func TestTactics(t *testing.T) {
	for _, tc := range []struct {
		name, fen string
		want      []string // acceptable moves; empty for any not in avoid
		avoid     []string
		low, high int // bounds of the score
	}{
		{name: "hanging queen", fen: "4k3/8/8/3q4/8/4N3/8/4K3 w - - 0 1", want: []string{"Nxd5"}, low: 100, high: 800},
		{name: "hanging rook", fen: "r3k3/8/8/8/8/8/8/R3K3 w - - 0 1", want: []string{"Rxa8+"}, low: 300, high: 1000},
		{name: "fork", fen: "r3k3/8/8/1N6/8/8/6PP/6K1 w - - 0 1", want: []string{"Nc7+"}, low: 300, high: 1200},
		{name: "defended pawn", fen: "4k3/8/2p5/3p4/8/8/3Q4/4K3 w - - 0 1", avoid: []string{"Qxd5"}, low: 300, high: 1200},
		{name: "en passant wins", fen: "4k3/8/8/3pP3/2N5/8/8/4K3 w - d6 0 2", want: []string{"exd6"}, low: 300, high: 900},
		{name: "poisoned pawn, mate threatened", fen: "r5k1/5ppp/8/3p4/8/2N5/5PPP/6K1 w - - 0 1", avoid: []string{"Nxd5", "Kh1"}, low: -900, high: 0},
		{name: "stalemate trap", fen: "k7/2Q5/8/1K6/8/8/8/8 w - - 0 1", avoid: []string{"Ka6", "Kb6", "Kc6"}, low: 700, high: engine.MateScore},
	} {
		t.Run(tc.name, func(t *testing.T) {
			each(t, tc.fen, testNodes, func(t *testing.T, s engine.Suggestion) {
				if slices.Contains(tc.avoid, s.SAN) || len(tc.want) > 0 && !slices.Contains(tc.want, s.SAN) {
					t.Errorf("plays %s", s.SAN)
				}
				if s.ScoreCentipawns < tc.low || s.ScoreCentipawns > tc.high {
					t.Errorf("%s scores %d; want %d to %d", s.SAN, s.ScoreCentipawns, tc.low, tc.high)
				}
			})
		})
	}
}

func TestBeingMated(t *testing.T) {
	// White has one move, after which Black mates.
	each(t, "7k/8/8/8/8/1r6/r7/7K w - - 0 1", testNodes, func(t *testing.T, s engine.Suggestion) {
		if n, ok := engine.MateIn(s.ScoreCentipawns); !ok || n != -1 {
			t.Errorf("%s scores %d, mate in %d, %v; want -1", s.SAN, s.ScoreCentipawns, n, ok)
		}
	})
}

func TestMateIn(t *testing.T) {
	for _, tc := range []struct {
		score, moves int
		ok           bool
	}{
		{0, 0, false},
		{2500, 0, false},
		{-2500, 0, false},
		{engine.MateScore - 1, 1, true},
		{engine.MateScore - 3, 2, true},
		{-engine.MateScore + 2, -1, true},
		{-engine.MateScore + 4, -2, true},
	} {
		if moves, ok := engine.MateIn(tc.score); moves != tc.moves || ok != tc.ok {
			t.Errorf("MateIn(%d) = %d, %v", tc.score, moves, ok)
		}
	}
}

var variety = []string{
	startFEN,
	engine.FamousFEN,
	"r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
	"r1bq1rk1/pp2bppp/2n1pn2/2pp4/3P1B2/2PBPN2/PP1N1PPP/R2QK2R b KQ - 3 8",
	"8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
	"4k3/8/8/8/8/8/4P3/4K3 b - - 0 1",
}

// TestDeterministic asks every question twice, all at once, and expects the same
// answers; the race detector watches the shared tables.
func TestDeterministic(t *testing.T) {
	var wg sync.WaitGroup
	for _, fen := range variety[:4] {
		for _, name := range engine.Strategies() {
			req := engine.Request{FEN: fen, Strategy: name, Nodes: 2500}
			var got [2]engine.Suggestion
			var pair sync.WaitGroup
			for i := range got {
				pair.Go(func() {
					var err error
					if got[i], err = engine.Search(t.Context(), req); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				pair.Wait()
				if !reflect.DeepEqual(got[0], got[1]) {
					t.Errorf("%+v gave %+v and %+v", req, got[0], got[1])
				}
			})
		}
	}
	wg.Wait()
}

// TestVariety expects legal moves in all kinds of positions.
func TestVariety(t *testing.T) {
	for _, fen := range variety {
		each(t, fen, testNodes/3, func(*testing.T, engine.Suggestion) {})
	}
}

// TestStrategiesDiffer looks where nothing forces a move.
func TestStrategiesDiffer(t *testing.T) {
	played := map[string]bool{}
	each(t, startFEN, 2*testNodes, func(t *testing.T, s engine.Suggestion) {
		played[s.Move] = true
		if s.Depth < 2 {
			t.Errorf("depth %d", s.Depth)
		}
	})
	if len(played) < 3 {
		t.Errorf("only %v are played", played)
	}
}

// TestTinyBudgets expects a legal move even if nothing can be searched.
func TestTinyBudgets(t *testing.T) {
	for _, nodes := range []int{1, 2, 5, 17, 100} {
		s, err := engine.Search(t.Context(), engine.Request{FEN: engine.FamousFEN, Strategy: engine.StrategyAttack, Nodes: nodes})
		if err != nil {
			t.Fatal(err)
		}
		verify(t, engine.FamousFEN, s)
		if s.Nodes > nodes {
			t.Errorf("visited %d nodes of %d", s.Nodes, nodes)
		}
	}
}

func TestMaxDepth(t *testing.T) {
	s, err := engine.Search(t.Context(), engine.Request{FEN: startFEN, Strategy: engine.StrategyMaterial, MaxDepth: 2})
	if err != nil || s.Depth != 2 {
		t.Errorf("depth %d, %v", s.Depth, err)
	}
}

func TestInvalidRequests(t *testing.T) {
	for _, tc := range []struct {
		name string
		req  engine.Request
		want error
		says string
	}{
		{"strategy", engine.Request{FEN: startFEN, Strategy: "luck"}, engine.ErrUnknownStrategy, `"luck"; use one of material, `},
		{"nodes", engine.Request{FEN: startFEN, Strategy: "attack", Nodes: -1}, engine.ErrInvalidLimit, "-1 nodes"},
		{"depth", engine.Request{FEN: startFEN, Strategy: "attack", MaxDepth: 99}, engine.ErrInvalidLimit, "depth 99"},
		{"checkmate", engine.Request{FEN: "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", Strategy: "attack"}, engine.ErrCheckmate, "checkmate of white"},
		{"stalemate", engine.Request{FEN: "k7/2Q5/1K6/8/8/8/8/8 b - - 0 1", Strategy: "attack"}, engine.ErrStalemate, "stalemate of black"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := engine.Search(t.Context(), tc.req)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error = %v", err)
			}
			if over := errors.Is(tc.want, engine.ErrNoLegalMoves); errors.Is(err, engine.ErrNoLegalMoves) != over {
				t.Errorf("error = %v; wraps ErrNoLegalMoves: %v", err, !over)
			}
		})
	}
}

// tiring is a context that is canceled at its nth poll: a cancellation in the
// middle of a search, without a clock.
type tiring struct {
	context.Context
	left, late int
}

func (c *tiring) Err() error {
	if c.left > 0 {
		c.left--
		return nil
	}
	c.late++
	return context.Canceled
}

func TestCancel(t *testing.T) {
	req := engine.Request{FEN: engine.FamousFEN, Strategy: engine.StrategyPositional, Nodes: 1 << 30}
	for _, polls := range []int{0, 1, 5} {
		ctx := &tiring{Context: t.Context(), left: polls}
		s, err := engine.Search(ctx, req)
		if !errors.Is(err, context.Canceled) || !reflect.DeepEqual(s, engine.Suggestion{}) {
			t.Errorf("after %d polls: %+v, %v", polls, s, err)
		}
		if ctx.late != 1 {
			t.Errorf("after %d polls: searched on for %d more", polls, ctx.late-1)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := engine.Search(ctx, req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
}
