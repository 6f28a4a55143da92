package engine

import "github.com/corentings/chess/v2"

// The default position of the example.
const (
	// FamousName names the game [FamousFEN] comes from.
	FamousName = "Kasparov–Topalov, Wijk aan Zee 1999, before 24.Rxd4"
	// FamousFEN is the position, White to move, in which Kasparov began one of
	// the deepest combinations ever played over the board.
	FamousFEN = "b2r3r/k4p1p/p2q1np1/NppP4/3p1Q2/P4PPB/1PP4P/1K1RR3 w - - 1 24"
)

// Game phases, as [Position.Phase] gives them.
const (
	PhaseOpening    = "opening"    // at least three minor pieces still at home
	PhaseMiddlegame = "middlegame" // neither of the others
	PhaseEndgame    = "endgame"    // a third or less of the pieces are left, by weight
)

// States of play, as [Position.Status] gives them.
const (
	StatusOngoing   = "ongoing"   // the side to move has a legal move
	StatusCheckmate = "checkmate" // the side to move is mated
	StatusStalemate = "stalemate" // the side to move has no legal move and is not in check
)

// Counts is how many chessmen of each kind one side has.
type Counts struct {
	Pawns   int `json:"pawns"`
	Knights int `json:"knights"`
	Bishops int `json:"bishops"`
	Rooks   int `json:"rooks"`
	Queens  int `json:"queens"`
	Kings   int `json:"kings"`
}

// promoted is how many pieces must have come from promotions.
func (c Counts) promoted() int {
	return max(c.Knights-2, 0) + max(c.Bishops-2, 0) + max(c.Rooks-2, 0) + max(c.Queens-1, 0)
}

// Position is what [Prepare] finds out about a position.
type Position struct {
	FEN           string `json:"fen"`            // normalized: six fields, en passant only if a pawn stands ready to capture
	SideToMove    string `json:"side_to_move"`   // "white" or "black"
	MoveNumber    int    `json:"move_number"`    // full moves, from 1
	HalfmoveClock int    `json:"halfmove_clock"` // half-moves since a capture or pawn move
	Phase         string `json:"phase"`          // [PhaseOpening], [PhaseMiddlegame] or [PhaseEndgame]
	Status        string `json:"status"`         // [StatusOngoing], [StatusCheckmate] or [StatusStalemate]
	InCheck       bool   `json:"in_check"`       // whether the side to move is in check
	LegalMoves    int    `json:"legal_moves"`    // moves the side to move may choose from
	White         Counts `json:"white"`          // White's chessmen
	Black         Counts `json:"black"`          // Black's chessmen
}

// Prepare validates a FEN and describes the position. It accepts six fields, or
// the first four with the counters left out. It costs one move generation, some
// tens of microseconds. A position in which the game is over is valid: Status
// tells. Errors wrap [ErrInvalidFEN] and name the faulty part and its remedy.
func Prepare(fen string) (Position, error) {
	n, s, err := load(fen)
	if err != nil {
		return Position{}, err
	}
	p := Position{
		FEN:           n.pos.XFENString(),
		SideToMove:    colorName(s.turn),
		MoveNumber:    s.fullmove,
		HalfmoveClock: s.halfmove,
		Phase:         n.board.phaseName(),
		Status:        StatusOngoing,
		InCheck:       n.check,
		LegalMoves:    len(n.moves()),
		White:         n.board.census(white),
		Black:         n.board.census(black),
	}
	switch {
	case p.LegalMoves == 0 && p.InCheck:
		p.Status = StatusCheckmate
	case p.LegalMoves == 0:
		p.Status = StatusStalemate
	}
	return p, nil
}

// node is a position inside a search.
type node struct {
	pos   *chess.Position
	board board
	check bool // whether the side to move is in check
}

// load reads a FEN into a node.
func load(fen string) (node, setup, error) {
	s, err := parseFEN(fen)
	if err != nil {
		return node{}, s, err
	}
	pos, err := s.position()
	if err != nil {
		return node{}, s, err
	}
	home := s.board.find(king * piece(s.turn))
	return node{pos: pos, board: s.board, check: s.board.attacked(home, -s.turn)}, s, nil
}

// play returns the node after a legal move.
func (n *node) play(m *chess.Move) node {
	return node{pos: n.pos.Update(m), board: n.board.after(m), check: m.HasTag(chess.Check)}
}

// turn is the color to move.
func (n *node) turn() int {
	if n.pos.Turn() == chess.White {
		return white
	}
	return black
}

// census counts one side's chessmen.
func (b *board) census(color int) Counts {
	var by [7]int
	for _, p := range b {
		if p.color() == color {
			by[p.kind()]++
		}
	}
	return Counts{by[pawn], by[knight], by[bishop], by[rook], by[queen], by[king]}
}

// fullPhase is what phase returns for the starting position.
const fullPhase = 24

// phase weighs the pieces left: 24 at the start, 0 with only kings and pawns.
func (b *board) phase() int {
	weight := [7]int{knight: 1, bishop: 1, rook: 2, queen: 4}
	total := 0
	for _, p := range b {
		total += weight[p.kind()]
	}
	return min(total, fullPhase)
}

// phaseName does not trust the move number, which composed positions often
// leave at 1.
func (b *board) phaseName() string {
	atHome := 0
	for i, kind := range []piece{knight, bishop, bishop, knight} {
		file := []int{1, 2, 5, 6}[i]
		if b[file] == kind {
			atHome++
		}
		if b[56+file] == -kind {
			atHome++
		}
	}
	switch phase := b.phase(); {
	case phase <= 8:
		return PhaseEndgame
	case phase >= 20 && atHome >= 3:
		return PhaseOpening
	}
	return PhaseMiddlegame
}
