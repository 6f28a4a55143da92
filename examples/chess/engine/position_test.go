package engine_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/corentings/chess/v2"

	"github.com/multinode/mn/examples/chess/engine"
)

const startFEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"

func TestPrepareStart(t *testing.T) {
	got, err := engine.Prepare(startFEN)
	if err != nil {
		t.Fatal(err)
	}
	full := engine.Counts{Pawns: 8, Knights: 2, Bishops: 2, Rooks: 2, Queens: 1, Kings: 1}
	want := engine.Position{
		FEN: startFEN, SideToMove: "white", MoveNumber: 1, Phase: engine.PhaseOpening,
		Status: engine.StatusOngoing, LegalMoves: 20, White: full, Black: full,
	}
	if got != want {
		t.Errorf("Prepare = %+v\nwant %+v", got, want)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back engine.Position
	if err := json.Unmarshal(text, &back); err != nil || back != got {
		t.Errorf("JSON round trip = %+v, %v", back, err)
	}
}

func TestPrepare(t *testing.T) {
	for _, tc := range []struct {
		name, fen, norm, phase, status string
		moves                          int
		check                          bool
	}{
		{"famous", engine.FamousFEN, engine.FamousFEN, engine.PhaseMiddlegame, engine.StatusOngoing, 47, false},
		{"four fields", "4k3/8/8/8/8/8/4P3/4K3 w - -", "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", engine.PhaseEndgame, engine.StatusOngoing, 6, false},
		{"spaces", "  4k3/8/8/8/8/8/4P3/4K3  b - - 3 9 ", "4k3/8/8/8/8/8/4P3/4K3 b - - 3 9", engine.PhaseEndgame, engine.StatusOngoing, 5, false},
		{"useless en passant", "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1", "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1", engine.PhaseOpening, engine.StatusOngoing, 20, false},
		{"useful en passant", "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", engine.PhaseEndgame, engine.StatusOngoing, 7, false},
		{"castling order", "r3k2r/8/8/8/8/8/8/R3K2R w qkQK - 0 1", "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", engine.PhaseEndgame, engine.StatusOngoing, 26, false},
		{"checkmate", "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", engine.PhaseOpening, engine.StatusCheckmate, 0, true},
		{"stalemate", "k7/2Q5/1K6/8/8/8/8/8 b - - 0 1", "k7/2Q5/1K6/8/8/8/8/8 b - - 0 1", engine.PhaseEndgame, engine.StatusStalemate, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := engine.Prepare(tc.fen)
			if err != nil {
				t.Fatal(err)
			}
			if p.FEN != tc.norm || p.Phase != tc.phase || p.Status != tc.status || p.LegalMoves != tc.moves || p.InCheck != tc.check {
				t.Errorf("Prepare = %+v", p)
			}
			again, err := engine.Prepare(p.FEN)
			if err != nil || again != p {
				t.Errorf("normalizing twice = %+v, %v", again, err)
			}
		})
	}
}

func TestInvalidFEN(t *testing.T) {
	for _, tc := range []struct{ name, fen, says string }{
		{"empty", "", "0 fields; want 6"},
		{"five fields", "4k3/8/8/8/8/8/8/4K3 w - - 0", "5 fields; want 6"},
		{"seven ranks", "4k3/8/8/8/8/8/4K3 w - - 0 1", "7 ranks"},
		{"short rank", "4k3/8/8/8/8/8/7/4K3 w - - 0 1", `rank 2 ("7") describes 7 squares; make it 8`},
		{"long rank", "4k3/8/8/8/8/8/8P/4K3 w - - 0 1", "describes 9 squares"},
		{"unknown piece", "4k3/8/8/3x4/8/8/8/4K3 w - - 0 1", `unknown piece 'x' on rank 5`},
		{"non-ASCII", "4k3/8/8/3é4/8/8/8/4K3 w - - 0 1", `unknown piece 'é'`},
		{"dot", "4k3/8/8/3.4/8/8/8/4K3 w - - 0 1", `unknown piece '.'`},
		{"turn", "4k3/8/8/8/8/8/8/4K3 x - - 0 1", `side to move "x"; write "w" or "b"`},
		{"castling text", "4k3/8/8/8/8/8/8/4K3 w KX - 0 1", "castling right"},
		{"castling twice", "4k3/8/8/8/8/8/8/4K2R w KK - 0 1", `castling rights "KK"`},
		{"castling rook", "4k3/8/8/8/8/8/8/4K3 w K - 0 1", "a rook on h1; remove it"},
		{"en passant name", "4k3/8/8/8/8/8/8/4K3 w - z9 0 1", `en passant square "z9"`},
		{"en passant pawn", "4k3/8/8/8/8/8/8/4K3 w - e6 0 1", "not behind a pawn"},
		{"en passant side", "4k3/8/8/8/4P3/8/8/4K3 w - e3 0 1", "not behind a pawn"},
		{"halfmove", "4k3/8/8/8/8/8/8/4K3 w - - x 1", `halfmove clock "x"`},
		{"move number", "4k3/8/8/8/8/8/8/4K3 w - - 0 0", `move number "0"`},
		{"no king", "8/8/8/8/8/8/8/4K3 w - - 0 1", "black has 0 kings"},
		{"two kings", "4k3/8/8/8/8/8/8/3KK3 w - - 0 1", "white has 2 kings"},
		{"nine pawns", "4k3/8/8/8/8/P7/PPPPPPPP/4K3 w - - 0 1", "white has 9 pawns"},
		{"pieces", "4k3/8/8/8/8/8/PPPPPPPP/QQ2K3 w - - 0 1", "1 promoted pieces and 8 pawns"},
		{"pawn rank", "P3k3/8/8/8/8/8/8/4K3 w - - 0 1", "a pawn stands on a8"},
		{"in check", "4k3/8/8/8/8/8/8/4RK2 w - - 0 1", "black is in check but white is to move"},
		{"kings touch", "8/8/8/8/8/8/4k3/4K3 w - - 0 1", "is in check"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := engine.Prepare(tc.fen)
			if !errors.Is(err, engine.ErrInvalidFEN) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Prepare error = %v; want %q", err, tc.says)
			}
			if _, err := engine.Search(t.Context(), engine.Request{FEN: tc.fen, Strategy: engine.StrategyMaterial}); !errors.Is(err, engine.ErrInvalidFEN) {
				t.Errorf("Search error = %v", err)
			}
			if _, _, err := engine.Apply(tc.fen, "e2e4"); !errors.Is(err, engine.ErrInvalidFEN) {
				t.Errorf("Apply error = %v", err)
			}
		})
	}
}

func TestApply(t *testing.T) {
	for _, tc := range []struct{ fen, uci, next, san string }{
		{startFEN, "g1f3", "rnbqkbnr/pppppppp/8/8/8/5N2/PPPPPPPP/RNBQKB1R b KQkq - 1 1", "Nf3"},
		{"r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1g1", "r3k2r/8/8/8/8/8/8/R4RK1 b kq - 1 1", "O-O"},
		{"r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 4 7", "e8c8", "2kr3r/8/8/8/8/8/8/R3K2R w KQ - 5 8", "O-O-O"},
		{"4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", "e5d6", "4k3/8/3P4/8/8/8/8/4K3 b - - 0 2", "exd6"},
		{"7k/4P1pp/8/8/8/8/8/6K1 w - - 0 1", "e7e8q", "4Q2k/6pp/8/8/8/8/8/6K1 b - - 0 1", "e8=Q#"},
		{"6k1/8/8/8/8/8/4K3/R6R w - - 0 1", "a1d1", "6k1/8/8/8/8/8/4K3/3R3R b - - 1 1", "Rad1"},
	} {
		next, san, err := engine.Apply(tc.fen, tc.uci)
		if err != nil || next != tc.next || san != tc.san {
			t.Errorf("Apply(%q, %q) = %q, %q, %v", tc.fen, tc.uci, next, san, err)
		}
	}
}

func TestApplyIllegal(t *testing.T) {
	for _, tc := range []struct{ fen, uci, says string }{
		{startFEN, "e2e5", "one of the 20 legal moves"},
		{startFEN, "", "one of the 20 legal moves"},
		{startFEN, "E2E4", "one of the 20 legal moves"},
		{"7k/4P1pp/8/8/8/8/8/6K1 w - - 0 1", "e7e8", "legal moves"},
		{"k7/2Q5/1K6/8/8/8/8/8 b - - 0 1", "a8a7", "the game is over"},
	} {
		_, _, err := engine.Apply(tc.fen, tc.uci)
		if !errors.Is(err, engine.ErrIllegalMove) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("Apply(%q, %q) error = %v", tc.fen, tc.uci, err)
		}
	}
}

const famousGame = `e4 d6 d4 Nf6 Nc3 g6 Be3 Bg7 Qd2 c6 f3 b5 Nge2 Nbd7 Bh6 Bxh6 Qxh6 Bb7
a3 e5 O-O-O Qe7 Kb1 a6 Nc1 O-O-O Nb3 exd4 Rxd4 c5 Rd1 Nb6 g3 Kb8 Na5 Ba8 Bh3 d5 Qf4+ Ka7
Rhe1 d4 Nd5 Nbxd5 exd5 Qd6 Rxd4 cxd4 Re7+ Kb6 Qxd4+ Kxa5 b4+ Ka4 Qc3 Qxd5 Ra7 Bb7 Rxb7 Qc4
Qxf6 Kxa3 Qxa6+ Kxb4 c3+ Kxc3 Qa1+ Kd2 Qb2+ Kd1 Bf1 Rd2 Rd7 Rxd7 Bxc4 bxc4 Qxh8 Rd3 Qa8 c3
Qa4+ Ke1 f4 f5 Kc1 Rd2 Qa7`

// TestFamousGame replays the whole game, so the constant is the position that
// arose and not a misremembered one.
func TestFamousGame(t *testing.T) {
	fen, met := startFEN, false
	for i, want := range strings.Fields(famousGame) {
		if fen == engine.FamousFEN {
			met = true
			if i != 46 || want != "Rxd4" {
				t.Errorf("position met before half-move %d, %s", i+1, want)
			}
		}
		options := legal(t, fen)
		uci, ok := options[want]
		if !ok {
			t.Fatalf("half-move %d, %s, is not legal in %q: %v", i+1, want, fen, options)
		}
		var err error
		if fen, _, err = engine.Apply(fen, uci); err != nil {
			t.Fatal(err)
		}
	}
	if !met {
		t.Errorf("the game does not reach %q", engine.FamousFEN)
	}
}

// legal maps the legal moves of a position from algebraic to UCI notation,
// without help from the package under test.
func legal(t *testing.T, fen string) map[string]string {
	t.Helper()
	out := map[string]string{}
	pos := library(t, fen)
	for _, m := range pos.ValidMoves() {
		out[chess.AlgebraicNotation{}.Encode(pos, &m)] = m.String()
	}
	return out
}

// library reads a FEN with the library's reader, which is not safe for
// concurrent use: tests that call it do not run in parallel.
func library(t *testing.T, fen string) *chess.Position {
	t.Helper()
	setup, err := chess.FEN(fen)
	if err != nil {
		t.Fatal(err)
	}
	return chess.NewGame(setup).Position()
}

func TestStrategiesIsACopy(t *testing.T) {
	names := engine.Strategies()
	if len(names) != 5 {
		t.Fatalf("Strategies = %v", names)
	}
	names[0] = "changed"
	if again := engine.Strategies(); reflect.DeepEqual(again, names) {
		t.Errorf("Strategies shares its slice: %v", again)
	}
}
