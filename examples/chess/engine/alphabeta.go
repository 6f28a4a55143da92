package engine

import (
	"context"

	"github.com/corentings/chess/v2"
)

const (
	maxPly      = 64      // deepest line followed, extensions and captures included
	infinite    = 1 << 20 // beyond every score
	mateBound   = MateScore - 2*maxPly
	deltaMargin = 200 // what a capture may gain in position besides its material
	pollNodes   = 1024
)

// searcher is the state of one search. It belongs to one goroutine.
type searcher struct {
	ctx    context.Context
	judge  evaluator
	us     int // the color the strategy plays for
	budget int // nodes it may visit

	nodes   int
	stopped bool  // budget spent or ctx done: unwind, results are void
	err     error // why, if ctx is done

	base    int // ply of the root, so that mates count from the request's position
	depth   int // nominal depth of the current iteration
	table   table
	order   orderer
	line    [maxPly + 1][maxPly + 1]code // best line found at each ply
	lineLen [maxPly + 1]int
}

// outcome is what a search has found.
type outcome struct {
	line  []code // best line, the move to play first
	score int    // for the side to move
	depth int    // last depth searched completely
}

func newSearcher(ctx context.Context, judge evaluator, us, budget int) *searcher {
	return &searcher{ctx: ctx, judge: judge, us: us, budget: budget, table: newTable(budget)}
}

// deepen searches a root with legal moves to depth 1, 2, … until maxDepth, the
// budget, or a mate that deeper search cannot improve. An unfinished iteration
// counts as far as it got: it starts with the best move so far, so what it has
// found is at least as well informed as the iteration before.
func (s *searcher) deepen(root *node, base, maxDepth int) (outcome, error) {
	s.base = base
	var out outcome
	for s.depth = 1; s.depth <= maxDepth; s.depth++ {
		score := s.search(root, s.depth, base, -infinite, infinite)
		if s.err != nil {
			return out, s.err
		}
		if n := s.lineLen[base]; n > 0 {
			out.line = append(out.line[:0], s.line[base][:n]...)
			out.score = score
		}
		if s.stopped {
			break
		}
		out.depth = s.depth
		if MateScore-abs(score) <= base+s.depth {
			break
		}
	}
	return out, nil
}

// tick counts a node and reports whether the search may go on.
func (s *searcher) tick() bool {
	if s.stopped {
		return false
	}
	if s.nodes%pollNodes == 0 {
		if s.err = s.ctx.Err(); s.err != nil {
			s.stopped = true
			return false
		}
	}
	if s.nodes >= s.budget {
		s.stopped = true
		return false
	}
	s.nodes++
	return true
}

// evaluate judges a position for the side to move.
func (s *searcher) evaluate(n *node) int {
	return s.judge(&n.board, s.us) * n.turn()
}

// search is negamax with alpha-beta and principal-variation windows. Its result
// is void once s.stopped is set, except at the root, where it is the best of
// the moves examined.
func (s *searcher) search(n *node, depth, ply, alpha, beta int) int {
	s.lineLen[ply] = 0
	if n.check && ply < s.base+2*s.depth {
		depth++ // a check forces replies; looking past them is cheap and finds mates
	}
	if depth <= 0 || ply >= maxPly-1 {
		return s.quiesce(n, ply, alpha, beta)
	}
	if !s.tick() {
		return 0
	}
	key := n.key()
	seen := s.table.probe(key)
	if seen.bound != 0 && beta-alpha == 1 && int(seen.depth) >= depth {
		// Only in null windows: elsewhere a cutoff would truncate the line.
		if seen.decides(ply, alpha, beta) {
			return fromTable(seen.score, ply)
		}
	}
	moves := n.moves()
	if len(moves) == 0 {
		return s.over(n, ply)
	}
	first := seen.move
	if ply == s.base && s.line[ply][0] != 0 {
		first = s.line[ply][0] // survives in the line of the last iteration
	}
	best, kind := s.try(n, s.order.queue(&n.board, moves, first, ply), depth, ply, alpha, beta)
	if !s.stopped {
		s.table.store(entry{key: key, score: toTable(best.score, ply), move: best.move, depth: int8(depth), bound: kind})
	}
	return best.score
}

// decides reports whether the stored score settles a null window.
func (e entry) decides(ply, alpha, beta int) bool {
	score := fromTable(e.score, ply)
	return e.bound == exact || e.bound == lower && score >= beta || e.bound == upper && score <= alpha
}

// over scores a position without legal moves. Nearer mates score higher.
func (s *searcher) over(n *node, ply int) int {
	if n.check {
		return -MateScore + ply
	}
	return 0
}

// choice is a move with its score.
type choice struct {
	move  code
	score int
}

// try searches the moves of a node in order.
func (s *searcher) try(n *node, q queue, depth, ply, alpha, beta int) (choice, bound) {
	best, kind := choice{score: -infinite}, upper
	for m := q.pop(); m != nil; m = q.pop() {
		child := n.play(m)
		score := s.child(&child, depth, ply, alpha, beta, best.move == 0)
		if s.stopped {
			return best, kind
		}
		if score > best.score {
			best = choice{codeOf(m), score}
		}
		if score <= alpha {
			continue
		}
		alpha, kind = score, exact
		s.extend(ply, best.move)
		if alpha >= beta {
			if !isTactical(m) {
				s.order.learn(best.move, ply, depth)
			}
			return best, lower
		}
	}
	return best, kind
}

// child searches the first move of a node with the full window and the others
// with a null window, which only tells whether they beat it; those that do are
// searched again.
func (s *searcher) child(n *node, depth, ply, alpha, beta int, first bool) int {
	if !first {
		score := -s.search(n, depth-1, ply+1, -alpha-1, -alpha)
		if score <= alpha || score >= beta || s.stopped {
			return score
		}
	}
	return -s.search(n, depth-1, ply+1, -beta, -alpha)
}

// extend makes the best line at ply the move followed by the child's line.
func (s *searcher) extend(ply int, c code) {
	n := s.lineLen[ply+1]
	s.line[ply][0] = c
	copy(s.line[ply][1:], s.line[ply+1][:n])
	s.lineLen[ply] = n + 1
}

// quiesce resolves captures and promotions, and checks that come with them, so
// that no position is judged in the middle of an exchange.
func (s *searcher) quiesce(n *node, ply, alpha, beta int) int {
	s.lineLen[ply] = 0
	if !s.tick() {
		return 0
	}
	if ply >= maxPly-1 {
		return s.evaluate(n)
	}
	best := -infinite
	stand := 0
	if !n.check { // in check there is no standing pat
		stand = s.evaluate(n)
		best = stand
		if best >= beta {
			return best
		}
		alpha = max(alpha, best)
	}
	moves := n.moves()
	if len(moves) == 0 {
		return s.over(n, ply)
	}
	q := s.order.forcing(n, moves, ply)
	for m := q.pop(); m != nil && alpha < beta && !s.stopped; m = q.pop() {
		if hope := stand + swing(&n.board, m) + deltaMargin; !n.check && hope <= alpha && !m.HasTag(chess.Check) {
			best = max(best, hope) // cannot lift alpha, unless by mate
			continue
		}
		child := n.play(m)
		score := -s.quiesce(&child, ply+1, -beta, -alpha)
		if score > best && !s.stopped {
			best = score
			alpha = max(alpha, score)
		}
	}
	return best
}

func abs(x int) int {
	return max(x, -x)
}
