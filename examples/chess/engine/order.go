package engine

import "github.com/corentings/chess/v2"

// Ordering bands: alpha-beta prunes most when the best move comes first.
const (
	orderHash    = 1 << 30 // the best move of an earlier, shallower search
	orderCapture = 1 << 26 // captures and promotions, biggest gain first
	orderKiller  = 1 << 25 // quiet moves that refuted a sibling
	historyLimit = 1 << 24 // other quiet moves, by how often they refuted anything
)

// orderer remembers which quiet moves have been refutations.
type orderer struct {
	killers [maxPly][2]code
	history [64 * 64]int32
}

// learn records a quiet move that caused a cutoff.
func (o *orderer) learn(c code, ply, depth int) {
	if k := &o.killers[ply]; k[0] != c {
		k[0], k[1] = c, k[0]
	}
	h := &o.history[c.squares()]
	*h = min(*h+int32(depth*depth), historyLimit-1)
}

// queue hands out moves best first. It sorts lazily, since a cutoff usually
// makes the rest of the order irrelevant.
type queue struct {
	moves  []chess.Move
	scores []int32
	next   int
}

// queue orders all moves of a node, trying the move first if it is among them.
func (o *orderer) queue(b *board, moves []chess.Move, first code, ply int) queue {
	q := queue{moves: moves, scores: make([]int32, len(moves))}
	for i := range moves {
		m := &moves[i]
		c := codeOf(m)
		switch k := &o.killers[ply]; {
		case c == first:
			q.scores[i] = orderHash
		case isTactical(m):
			q.scores[i] = orderCapture + int32(gain(b, m))
		case c == k[0]:
			q.scores[i] = orderKiller + 1
		case c == k[1]:
			q.scores[i] = orderKiller
		default:
			q.scores[i] = o.history[c.squares()]
		}
	}
	return q
}

// forcing orders the moves a quiescence search looks at: every move out of
// check, otherwise only captures and promotions.
func (o *orderer) forcing(n *node, moves []chess.Move, ply int) queue {
	if n.check {
		return o.queue(&n.board, moves, 0, ply)
	}
	kept := moves[:0]
	for i := range moves {
		if isTactical(&moves[i]) {
			kept = append(kept, moves[i])
		}
	}
	q := queue{moves: kept, scores: make([]int32, len(kept))}
	for i := range kept {
		q.scores[i] = int32(gain(&n.board, &kept[i]))
	}
	return q
}

// pop returns the best move left, or nil. The order of equal moves
// follows from the generator's and is the same on every run.
func (q *queue) pop() *chess.Move {
	if q.next == len(q.moves) {
		return nil
	}
	best := q.next
	for i := q.next + 1; i < len(q.moves); i++ {
		if q.scores[i] > q.scores[best] {
			best = i
		}
	}
	at := q.next
	q.moves[at], q.moves[best] = q.moves[best], q.moves[at]
	q.scores[at], q.scores[best] = q.scores[best], q.scores[at]
	q.next++
	return &q.moves[at]
}

// isTactical reports whether a move changes the material on the board.
func isTactical(m *chess.Move) bool {
	return m.HasTag(chess.Capture) || m.HasTag(chess.EnPassant) || m.Promo() != chess.NoPieceType
}

// gain ranks captures by most valuable victim, then least valuable attacker.
func gain(b *board, m *chess.Move) int {
	return swing(b, m)*8 - values[b[m.S1()].kind()]/8
}

// swing is the material a move wins at once, in centipawns.
func swing(b *board, m *chess.Move) int {
	won := values[b[m.S2()].kind()]
	if m.HasTag(chess.EnPassant) {
		won = values[pawn]
	}
	if k := kindOf(m.Promo()); k != empty {
		won += values[k] - values[pawn]
	}
	return won
}
