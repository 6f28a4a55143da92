package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/corentings/chess/v2"
)

// TestBoardFollowsLibrary plays random games and compares the package's own
// board, FEN reader and check detection with the library at every step.
func TestBoardFollowsLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		n, _, err := load("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1")
		if err != nil {
			t.Fatal(err)
		}
		for range 120 {
			moves := n.moves()
			if len(moves) == 0 {
				break
			}
			n = n.play(&moves[random.IntN(len(moves))])
			compare(t, &n)
		}
	}
}

func compare(t *testing.T, n *node) {
	t.Helper()
	fen := n.pos.String()
	for sq, p := range n.board {
		want := n.pos.Board().Piece(chess.Square(sq))
		if kindOf(want.Type()) != p.kind() || (want.Color() == chess.White) != (p > 0) {
			t.Fatalf("%s holds %v; want %v in %q", squareName(sq), p, want, fen)
		}
	}
	home := n.board.find(king * piece(n.turn()))
	if n.board.attacked(home, -n.turn()) != n.check {
		t.Fatalf("in check = %v in %q", n.check, fen)
	}
	again, _, err := load(fen)
	if err != nil {
		t.Fatal(err)
	}
	if again.board != n.board || again.check != n.check || again.key() != n.key() || again.pos.String() != fen {
		t.Fatalf("%q reads back as %q", fen, again.pos.String())
	}
	if a, b := len(again.pos.ValidMoves()), len(n.pos.ValidMoves()); a != b {
		t.Fatalf("%q has %d moves once read back, %d before", fen, a, b)
	}
}

// TestUnderpromotionCheck has a promotion that checks as a queen or rook only.
func TestUnderpromotionCheck(t *testing.T) {
	n, _, err := load("4k3/P7/8/8/8/8/8/4K3 w - - 0 1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a7a8q": "a8=Q+", "a7a8r": "a8=R+", "a7a8b": "a8=B", "a7a8n": "a8=N"}
	for _, m := range n.moves() {
		if san, ok := want[m.String()]; ok {
			if got := sanOf(n.pos, &m); got != san {
				t.Errorf("%s is written %s; want %s", m.String(), got, san)
			}
			child := n.play(&m)
			compare(t, &child)
		}
	}
}

func TestRefereeAtTheEnd(t *testing.T) {
	for _, tc := range []struct {
		fen  string
		want int
	}{
		{"k7/2Q5/1K6/8/8/8/8/8 b - - 0 1", 0},
		{"k7/1Q6/1K6/8/8/8/8/8 b - - 0 1", MateScore - 1},
		{"7k/8/8/8/8/1r6/r7/6K1 b - - 0 1", -MateScore + 2},
	} {
		n, _, err := load(tc.fen)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := referee(t.Context(), n, 5000); got != tc.want || err != nil {
			t.Errorf("referee on %q = %d, %v; want %d", tc.fen, got, err, tc.want)
		}
	}
}

// TestEvaluationsAreFair mirrors positions: swapping the colors must negate
// every evaluation, or a strategy would play one color better.
func TestEvaluationsAreFair(t *testing.T) {
	for _, fen := range []string{
		FamousFEN,
		"r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
		"8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
	} {
		n, _, err := load(fen)
		if err != nil {
			t.Fatal(err)
		}
		var mirror board
		for sq, p := range n.board {
			mirror[sq^56] = -p
		}
		for _, s := range strategies {
			for _, us := range []int{white, black} {
				if a, b := s.judge(&n.board, us), s.judge(&mirror, -us); a != -b {
					t.Errorf("%s: %d and %d when mirrored, in %q", s.name, a, b, fen)
				}
			}
		}
		if a, b := judgeAll(&n.board, white), judgeAll(&mirror, white); a != -b {
			t.Errorf("referee: %d and %d when mirrored, in %q", a, b, fen)
		}
	}
}

func TestStructure(t *testing.T) {
	for _, tc := range []struct {
		name, fen string
		want      int
	}{
		{"passed and isolated", "4k3/8/8/4P3/8/8/8/4K3 w - - 0 1", 3*4*4 - 12},
		{"blocked by a neighbor", "4k3/3p4/8/4P3/8/8/8/4K3 w - - 0 1", 0},
		{"doubled", "4k3/p7/8/8/8/P7/P7/4K3 w - - 0 1", 2*(-8-12) + 12},
		{"beyond the enemy's pawns", "4k3/8/4P3/3p4/8/8/8/4K3 w - - 0 1", 3*5*5 - 3*3*3},
	} {
		n, _, err := load(tc.fen)
		if err != nil {
			t.Fatal(err)
		}
		if got := structure(&n.board); got != tc.want {
			t.Errorf("%s: %d; want %d", tc.name, got, tc.want)
		}
	}
}

func TestTableKeepsMateDistance(t *testing.T) {
	for _, score := range []int{0, 150, -150, MateScore - 7, -MateScore + 8} {
		if got := fromTable(toTable(score, 5), 5); got != score {
			t.Errorf("%d comes back as %d", score, got)
		}
	}
	// Mate two half-moves below a node at ply 5 is mate at ply 7; the same node
	// met at ply 3 mates at ply 5.
	if got := fromTable(toTable(MateScore-7, 5), 3); got != MateScore-5 {
		t.Errorf("mate moved to %d", MateScore-got)
	}
}
