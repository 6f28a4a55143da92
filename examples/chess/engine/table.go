package engine

import "math/bits"

// bound says how a stored score relates to the true one.
type bound uint8

const (
	exact bound = iota + 1
	lower       // the true score is at least this
	upper       // the true score is at most this
)

// entry is what is remembered of one position.
type entry struct {
	key   uint64
	score int32
	move  code
	depth int8
	bound bound
}

// table is a transposition table: positions reached by different move orders
// are searched once. Each search has its own, so that searches neither share
// state nor influence one another's results.
type table []entry

const (
	minTable = 1 << 10
	maxTable = 1 << 16
)

// newTable sizes a table for a search of so many nodes: at least one entry a
// node, within limits that keep it small.
func newTable(nodes int) table {
	size := 1 << bits.Len(uint(min(max(nodes, minTable), maxTable)-1))
	return make(table, size)
}

func (t table) slot(key uint64) *entry { return &t[key&uint64(len(t)-1)] }

// probe returns what is remembered of a position, or the zero entry.
func (t table) probe(key uint64) entry {
	if e := t.slot(key); e.key == key {
		return *e
	}
	return entry{}
}

// store remembers a result, keeping a markedly deeper one of another position.
func (t table) store(e entry) {
	old := t.slot(e.key)
	if old.bound == 0 || old.key == e.key || e.depth+2 >= old.depth {
		*old = e
	}
}

// toTable makes a mate score relative to the node instead of the root, since
// the same position may be met at another distance from the root.
func toTable(score, ply int) int32 {
	switch {
	case score >= mateBound:
		score += ply
	case score <= -mateBound:
		score -= ply
	}
	return int32(score)
}

// fromTable undoes toTable at another ply.
func fromTable(score int32, ply int) int {
	switch s := int(score); {
	case s >= mateBound:
		return s - ply
	case s <= -mateBound:
		return s + ply
	default:
		return s
	}
}

// zobrist holds the random words that are combined into position keys.
type zobrist struct {
	piece    [64][13]uint64
	castling [128]uint64 // by letter
	passant  [8]uint64   // by file
	black    uint64
}

var keys = makeKeys()

// makeKeys fills the words from a fixed seed: keys, and with them the rare
// collisions, are the same in every process.
func makeKeys() (z zobrist) {
	state := uint64(0x6d6e)
	next := func() uint64 { // splitmix64
		state += 0x9e3779b97f4a7c15
		x := state
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	for sq := range z.piece {
		for p := range z.piece[sq] {
			z.piece[sq][p] = next()
		}
	}
	for _, c := range "KQkq" {
		z.castling[c] = next()
	}
	for f := range z.passant {
		z.passant[f] = next()
	}
	z.black = next()
	return z
}

// key identifies a position up to repetition: pieces, turn and rights. It is
// computed afresh because that is cheap next to generating moves.
func (n *node) key() uint64 {
	var k uint64
	for sq, p := range n.board {
		if p != empty {
			k ^= keys.piece[sq][p+king]
		}
	}
	for _, c := range []byte(n.pos.CastleRights()) {
		k ^= keys.castling[c&127]
	}
	if sq := n.pos.EnPassantSquare(); sq >= 0 {
		k ^= keys.passant[sq%8]
	}
	if n.turn() == black {
		k ^= keys.black
	}
	return k
}
