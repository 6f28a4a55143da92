package engine

import (
	"errors"
	"fmt"

	"github.com/corentings/chess/v2"
)

// ErrIllegalMove is wrapped by the error of [Apply] for a move that cannot be
// played.
var ErrIllegalMove = errors.New("illegal move")

// Apply plays a move given in UCI notation (from and to squares, then the
// promotion piece if any: "e2e4", "e1g1", "e7e8q") and returns the resulting
// FEN and the move in standard algebraic notation ("Nf3", "O-O", "e8=Q#").
// Errors wrap [ErrInvalidFEN] or [ErrIllegalMove].
func Apply(fen, uci string) (nextFEN string, san string, err error) {
	n, s, err := load(fen)
	if err != nil {
		return "", "", err
	}
	moves := n.moves()
	for i := range moves {
		if m := &moves[i]; m.String() == uci {
			return n.pos.Update(m).XFENString(), sanOf(n.pos, m), nil
		}
	}
	remedy := "the game is over, so no move can be played"
	if len(moves) > 0 {
		remedy = fmt.Sprintf("choose one of the %d legal moves, such as %q", len(moves), moves[0].String())
	}
	return "", "", fmt.Errorf("%w %q for %s in %q: %s", ErrIllegalMove, uci, colorName(s.turn), fen, remedy)
}

func sanOf(pos *chess.Position, m *chess.Move) string {
	return chess.AlgebraicNotation{}.Encode(pos, m)
}

// code is a move packed into two bytes, small enough for tables. Zero, which
// would be a1 to a1, is no move.
type code uint16

func codeOf(m *chess.Move) code {
	return code(m.S1()) | code(m.S2())<<6 | code(m.Promo())<<12
}

// squares returns the index of the from and to squares together, for tables
// indexed by both.
func (c code) squares() int { return int(c & 0xfff) }

// replay plays packed moves from n and returns them in algebraic notation. It
// stops at a move that is not legal.
func replay(n node, line []code) []string {
	san := make([]string, 0, len(line))
	for _, c := range line {
		m := n.move(c)
		if m == nil {
			break
		}
		san = append(san, sanOf(n.pos, m))
		n = n.play(m)
	}
	return san
}

// moves returns the legal moves of a node, in an order that depends only on the
// position.
func (n *node) moves() []chess.Move {
	moves := n.pos.ValidMoves()
	for i := range moves {
		m := &moves[i]
		if m.Promo() == chess.NoPieceType || m.Promo() == chess.Queen || !m.HasTag(chess.Check) {
			continue
		}
		// The generator lets an underpromotion inherit the check that the
		// promotion to a queen gives; a move decoded by itself is right.
		if fresh, err := (chess.UCINotation{}).Decode(n.pos, m.String()); err == nil {
			*m = *fresh
		}
	}
	return moves
}

// move finds a packed move among the legal ones, or returns nil.
func (n *node) move(c code) *chess.Move {
	moves := n.moves()
	for i := range moves {
		if codeOf(&moves[i]) == c {
			return &moves[i]
		}
	}
	return nil
}
