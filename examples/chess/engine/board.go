package engine

import (
	"math/bits"

	"github.com/corentings/chess/v2"
)

// piece is a chessman: its magnitude is the kind, its sign the color
// (positive for White). Zero is an empty square.
type piece int8

const (
	empty piece = iota
	pawn
	knight
	bishop
	rook
	queen
	king
)

// Colors as signs, so that white-relative scores and pieces can be multiplied
// by them.
const (
	white = 1
	black = -1
)

// kind is the piece without its color.
func (p piece) kind() piece {
	if p < 0 {
		return -p
	}
	return p
}

// color is white, black, or 0 for an empty square.
func (p piece) color() int {
	switch {
	case p > 0:
		return white
	case p < 0:
		return black
	}
	return 0
}

// letters holds the FEN letter of each kind, as Black's.
const letters = ".pnbrqk"

// board is a mailbox of 64 squares, a1 = 0, b1 = 1, … h8 = 63. It mirrors the
// library's position because evaluation reads squares far more often than the
// library's lookup can serve.
type board [64]piece

// find returns the square of the first such piece, or -1.
func (b *board) find(p piece) int {
	for sq, q := range b {
		if q == p {
			return sq
		}
	}
	return -1
}

// after returns the board once a legal move m is played on it.
func (b *board) after(m *chess.Move) board {
	next := *b
	from, to := int(m.S1()), int(m.S2())
	p := next[from]
	next[from] = empty
	if m.HasTag(chess.EnPassant) {
		next[to-8*p.color()] = empty
	}
	if k := kindOf(m.Promo()); k != empty {
		p = k * piece(p.color())
	}
	next[to] = p
	home := from &^ 7
	switch {
	case m.HasTag(chess.KingSideCastle):
		next[home+5], next[home+7] = next[home+7], empty
	case m.HasTag(chess.QueenSideCastle):
		next[home+3], next[home] = next[home], empty
	}
	return next
}

// kindOf translates the library's piece type.
func kindOf(t chess.PieceType) piece {
	switch t {
	case chess.Pawn:
		return pawn
	case chess.Knight:
		return knight
	case chess.Bishop:
		return bishop
	case chess.Rook:
		return rook
	case chess.Queen:
		return queen
	case chess.King:
		return king
	}
	return empty
}

// squares is a set of squares, bit n being square n.
type squares uint64

func (s squares) has(sq int) bool { return s>>uint(sq)&1 != 0 }

func (s squares) count() int { return bits.OnesCount64(uint64(s)) }

// The first four directions are a rook's, the last four a bishop's.
const directions = 8

var (
	rays        = makeRays()
	kingSteps   = makeSteps([][2]int{{0, 1}, {1, 1}, {1, 0}, {1, -1}, {0, -1}, {-1, -1}, {-1, 0}, {-1, 1}})
	knightSteps = makeSteps([][2]int{{1, 2}, {2, 1}, {2, -1}, {1, -2}, {-1, -2}, {-2, -1}, {-2, 1}, {-1, 2}})
	whitePawns  = makeSteps([][2]int{{-1, 1}, {1, 1}})
	blackPawns  = makeSteps([][2]int{{-1, -1}, {1, -1}})
)

// makeRays lists, for each square and direction, the squares met going outward.
func makeRays() (out [64][directions][]int8) {
	steps := [directions][2]int{{0, 1}, {1, 0}, {0, -1}, {-1, 0}, {1, 1}, {1, -1}, {-1, -1}, {-1, 1}}
	for sq := range 64 {
		for d, step := range steps {
			f, r := sq%8+step[0], sq/8+step[1]
			for f >= 0 && f < 8 && r >= 0 && r < 8 {
				out[sq][d] = append(out[sq][d], int8(r*8+f))
				f, r = f+step[0], r+step[1]
			}
		}
	}
	return out
}

// makeSteps lists, for each square, the squares one given step away.
func makeSteps(steps [][2]int) (out [64]squares) {
	for sq := range 64 {
		for _, step := range steps {
			f, r := sq%8+step[0], sq/8+step[1]
			if f >= 0 && f < 8 && r >= 0 && r < 8 {
				out[sq] |= 1 << uint(r*8+f)
			}
		}
	}
	return out
}

// attacks is the set of squares the piece on sq attacks or defends.
func (b *board) attacks(sq int) squares {
	switch b[sq] {
	case pawn:
		return whitePawns[sq]
	case -pawn:
		return blackPawns[sq]
	case knight, -knight:
		return knightSteps[sq]
	case king, -king:
		return kingSteps[sq]
	case rook, -rook:
		return b.slide(sq, 0, 4)
	case bishop, -bishop:
		return b.slide(sq, 4, 8)
	case queen, -queen:
		return b.slide(sq, 0, 8)
	}
	return 0
}

func (b *board) slide(sq, first, end int) squares {
	var out squares
	for d := first; d < end; d++ {
		for _, to := range rays[sq][d] {
			out |= 1 << uint(to)
			if b[to] != empty {
				break
			}
		}
	}
	return out
}

// attacked reports whether any piece of that color attacks sq.
func (b *board) attacked(sq, by int) bool {
	for from, p := range b {
		if p.color() == by && b.attacks(from).has(sq) {
			return true
		}
	}
	return false
}
