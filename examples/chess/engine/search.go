package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Limits of a [Request].
const (
	// DefaultNodes is the budget of a request that names none: about one
	// second of one slow core.
	DefaultNodes = 60_000
	// DefaultDepth is the depth limit, in half-moves, of a request that names
	// none. The node budget ends most searches well before.
	DefaultDepth = 24
	// MaxDepth is the greatest depth limit a request may name, in half-moves.
	MaxDepth = 32
)

// MateScore is the score, in centipawns, of mating at once: mate in n half-moves
// scores MateScore-n, being mated the negative. See [MateIn].
const MateScore = 100_000

var (
	// ErrNoLegalMoves is wrapped by the error of [Search] for a position in
	// which the game is over. [ErrCheckmate] and [ErrStalemate] say how.
	ErrNoLegalMoves = errors.New("no legal moves")
	// ErrCheckmate means the side to move is mated. It wraps [ErrNoLegalMoves].
	ErrCheckmate = fmt.Errorf("%w: checkmate", ErrNoLegalMoves)
	// ErrStalemate means the game is drawn. It wraps [ErrNoLegalMoves].
	ErrStalemate = fmt.Errorf("%w: stalemate", ErrNoLegalMoves)
	// ErrUnknownStrategy is wrapped by the error of [Search] for a strategy
	// that [Strategies] does not list.
	ErrUnknownStrategy = errors.New("unknown strategy")
	// ErrInvalidLimit is wrapped by the error of [Search] for a node budget or
	// depth limit out of range.
	ErrInvalidLimit = errors.New("invalid search limit")
)

// Request asks one strategy for its move in one position.
type Request struct {
	FEN      string `json:"fen"`                 // the position, as [Prepare] accepts it
	Strategy string `json:"strategy"`            // one of [Strategies]
	Nodes    int    `json:"nodes,omitempty"`     // positions to visit at most, the referee's included; 0 means [DefaultNodes]
	MaxDepth int    `json:"max_depth,omitempty"` // half-moves to look ahead at most, captures beyond; 0 means [DefaultDepth]
}

// Suggestion is a strategy's answer.
type Suggestion struct {
	Strategy        string   `json:"strategy"`         // who suggests
	Move            string   `json:"move"`             // the move in UCI notation, for [Apply]
	SAN             string   `json:"san"`              // the same move in standard algebraic notation
	ScoreCentipawns int      `json:"score_centipawns"` // the referee's score for the side to move, in hundredths of a pawn; see [MateIn]
	Depth           int      `json:"depth"`            // half-moves the strategy looked ahead completely; 0 if its budget did not last for one
	Nodes           int      `json:"nodes"`            // positions visited, the referee's included
	PV              []string `json:"pv"`               // the play the strategy expects, its move first, in standard algebraic notation
}

// MateIn tells whether a score announces mate, and in how many moves of the
// mating side: positive if the side the score is for mates, negative if it is
// mated.
func MateIn(scoreCentipawns int) (moves int, ok bool) {
	switch plies := MateScore - abs(scoreCentipawns); {
	case plies > 2*maxPly:
		return 0, false
	case scoreCentipawns > 0:
		return (plies + 1) / 2, true
	default:
		return -((plies + 1) / 2), true
	}
}

// Search finds the move a strategy prefers and has the referee score it.
//
// The strategy searches within four fifths of the node budget. The referee then
// looks at most two half-moves (and captures) past the chosen move, with
// an evaluation that weighs everything the strategies do, so scores of
// different strategies for the same position compare, given equal budgets. A
// mate the strategy has proved is scored as that mate.
//
// Search stops soon after ctx is done (about a thousand nodes) with an error
// wrapping ctx.Err. Other errors wrap [ErrInvalidFEN], [ErrUnknownStrategy],
// [ErrInvalidLimit], [ErrCheckmate] or [ErrStalemate]; repeating the request
// cannot cure those.
func Search(ctx context.Context, req Request) (Suggestion, error) {
	judge, err := req.resolve()
	if err != nil {
		return Suggestion{}, err
	}
	root, start, err := load(req.FEN)
	if err != nil {
		return Suggestion{}, err
	}
	moves := root.moves()
	if len(moves) == 0 {
		return Suggestion{}, gameOver(req.FEN, &root)
	}
	s := newSearcher(ctx, judge, start.turn, req.Nodes-req.Nodes/5)
	found, err := s.deepen(&root, 0, req.MaxDepth)
	if err != nil {
		return Suggestion{}, stopped(req, err)
	}
	if len(found.line) == 0 { // not even one move fitted in the budget
		found.line = []code{codeOf(&moves[0])}
	}
	move := root.move(found.line[0])
	score, nodes, err := referee(ctx, root.play(move), req.Nodes/5)
	if err != nil {
		return Suggestion{}, stopped(req, err)
	}
	if found.score >= mateBound {
		score = found.score
	}
	return Suggestion{
		Strategy:        req.Strategy,
		Move:            move.String(),
		SAN:             sanOf(root.pos, move),
		ScoreCentipawns: score,
		Depth:           found.depth,
		Nodes:           s.nodes + nodes,
		PV:              replay(root, found.line),
	}, nil
}

// resolve checks the request, fills in defaults, and finds the strategy.
func (r *Request) resolve() (evaluator, error) {
	switch {
	case r.Nodes < 0:
		return nil, fmt.Errorf("%w: %d nodes; use a positive number, or 0 for %d", ErrInvalidLimit, r.Nodes, DefaultNodes)
	case r.MaxDepth < 0 || r.MaxDepth > MaxDepth:
		return nil, fmt.Errorf("%w: depth %d; use 1 to %d, or 0 for %d", ErrInvalidLimit, r.MaxDepth, MaxDepth, DefaultDepth)
	}
	if r.Nodes == 0 {
		r.Nodes = DefaultNodes
	}
	if r.MaxDepth == 0 {
		r.MaxDepth = DefaultDepth
	}
	for _, s := range strategies {
		if s.name == r.Strategy {
			return s.judge, nil
		}
	}
	return nil, fmt.Errorf("%w %q; use one of %s", ErrUnknownStrategy, r.Strategy, strings.Join(Strategies(), ", "))
}

// gameOver is the error for a position without legal moves.
func gameOver(fen string, n *node) error {
	how := ErrStalemate
	if n.check {
		how = ErrCheckmate
	}
	return fmt.Errorf("%w of %s in %q; search a position in which the game goes on", how, colorName(n.turn()), fen)
}

func stopped(req Request, err error) error {
	return fmt.Errorf("search by %q in %q stopped: %w", req.Strategy, req.FEN, err)
}

// refereeDepth is how far the referee looks past the move it scores. It is
// fixed, and low enough for the budget to suffice nearly always, because scores
// from different depths do not compare.
const refereeDepth = 2

// referee scores the position after a move for the side that made it.
func referee(ctx context.Context, n node, budget int) (score, nodes int, err error) {
	s := newSearcher(ctx, judgeAll, n.turn(), budget)
	if len(n.moves()) == 0 {
		return -s.over(&n, 1), 0, nil
	}
	found, err := s.deepen(&n, 1, refereeDepth)
	if err != nil {
		return 0, s.nodes, err
	}
	if len(found.line) == 0 { // the budget did not last: judge as it stands
		return -s.evaluate(&n), s.nodes, nil
	}
	return -found.score, s.nodes, nil
}
