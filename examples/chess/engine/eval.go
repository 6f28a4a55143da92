package engine

// values is the worth of each kind in centipawns.
var values = [7]int{pawn: 100, knight: 320, bishop: 330, rook: 500, queen: 900}

const bishopPair = 30

// Every function below returns centipawns: those without a color argument
// positive when White is better, those with one positive when it favors (for
// shelter, pressure and closeness) that color.

// material is the balance of chessmen.
func material(b *board) int {
	total := 0
	var bishops [3]int // by color+1
	for _, p := range b {
		if p == empty {
			continue
		}
		total += p.color() * values[p.kind()]
		if p.kind() == bishop {
			bishops[p.color()+1]++
		}
	}
	if bishops[white+1] >= 2 {
		total += bishopPair
	}
	if bishops[black+1] >= 2 {
		total -= bishopPair
	}
	return total
}

// advance is how many ranks a square lies beyond its side's first.
func advance(sq, color int) int {
	if color == white {
		return sq / 8
	}
	return 7 - sq/8
}

// pawnSteps is how much further White's pawns have advanced: a little of it
// keeps strategies that ignore structure from shuffling in the endgame.
func pawnSteps(b *board) int {
	total := 0
	for sq, p := range b {
		if p.kind() == pawn {
			total += p.color() * advance(sq, p.color())
		}
	}
	return total
}

const center squares = 1<<27 | 1<<28 | 1<<35 | 1<<36 // d4 e4 d5 e5

// mobility counts the squares pieces reach, the center twice. Queens count
// least, or they would come out too early.
func mobility(b *board) int {
	weight := [7]int{knight: 4, bishop: 4, rook: 3, queen: 1}
	var own [3]squares // by color+1
	for sq, p := range b {
		own[p.color()+1] |= 1 << uint(sq)
	}
	total := 0
	for sq, p := range b {
		if w := weight[p.kind()]; w != 0 {
			reach := b.attacks(sq) &^ own[p.color()+1]
			total += p.color() * w * (reach.count() + (reach & center).count())
		}
	}
	return total
}

// shelter is how well a color's pawns protect its king, fading as the pieces
// that could attack it disappear.
func shelter(b *board, color int) int {
	home := b.find(king * piece(color))
	total := -6 * advance(home, color) // a king that has left its first rank
	for file := max(home%8-1, 0); file <= min(home%8+1, 7); file++ {
		total += cover(b, home, file, color)
	}
	return total * b.phase() / fullPhase
}

// cover scores one file in front of a king by the nearest pawn of its own.
func cover(b *board, home, file, color int) int {
	nearest, open := 8, true
	for sq := file; sq < 64; sq += 8 {
		if b[sq].kind() != pawn {
			continue
		}
		open = false
		ahead := advance(sq, color) - advance(home, color)
		if b[sq].color() == color && ahead > 0 {
			nearest = min(nearest, ahead)
		}
	}
	switch {
	case nearest == 1:
		return 15
	case nearest == 2:
		return 8
	case open:
		return -20
	case nearest == 8:
		return -10
	}
	return 0
}

// pressure is a color's attack on the squares around the enemy king. Attackers
// count for more together than alone.
func pressure(b *board, color int) int {
	weight := [7]int{pawn: 4, knight: 7, bishop: 6, rook: 8, queen: 10}
	home := b.find(king * piece(-color))
	zone := kingSteps[home] | 1<<uint(home)
	hits, attackers := 0, 0
	for sq, p := range b {
		if p.color() != color || p.kind() == king {
			continue
		}
		if n := (b.attacks(sq) & zone).count(); n > 0 {
			hits += n * weight[p.kind()]
			attackers++
		}
	}
	share := [...]int{0, 2, 4, 6, 7, 8}
	return hits * share[min(attackers, len(share)-1)] / 4
}

// closeness is how near a color's pieces, and pawns that could storm, are to
// the enemy king.
func closeness(b *board, color int) int {
	weight := [7]int{pawn: 1, knight: 3, bishop: 2, rook: 2, queen: 4}
	home := b.find(king * piece(-color))
	total := 0
	for sq, p := range b {
		if p.color() == color {
			total += weight[p.kind()] * (7 - distance(sq, home))
		}
	}
	return total
}

// distance is the number of king's moves between two squares.
func distance(a, b int) int {
	return max(abs(a%8-b%8), abs(a/8-b/8))
}

// pawnFile is one color's pawns on one file.
type pawnFile struct {
	count int
	rear  int // the least advance of them
}

// pawnFiles holds the files of both colors, by color+1. Index file+1 leaves an
// empty file on either side of the board.
type pawnFiles [3][10]pawnFile

func filesOf(b *board) *pawnFiles {
	var out pawnFiles
	for sq, p := range b {
		if p.kind() != pawn {
			continue
		}
		f, a := &out[p.color()+1][sq%8+1], advance(sq, p.color())
		if f.count == 0 || a < f.rear {
			f.rear = a
		}
		f.count++
	}
	return &out
}

// structure scores passed, doubled and isolated pawns.
func structure(b *board) int {
	files := filesOf(b)
	total := 0
	for sq, p := range b {
		if p.kind() != pawn {
			continue
		}
		color, f := p.color(), sq%8+1
		own, enemy := &files[color+1], &files[1-color]
		score := 0
		if own[f].count > 1 {
			score -= 8
		}
		if own[f-1].count+own[f+1].count == 0 {
			score -= 12
		}
		if a := advance(sq, color); passed(enemy, f, 7-a) {
			score += 3 * a * a
		}
		total += color * score
	}
	return total
}

// passed reports whether no enemy pawn stands on the three files ahead of a pawn
// whose rank, counted from the enemy's side, is rank.
func passed(enemy *[10]pawnFile, file, rank int) bool {
	for f := file - 1; f <= file+1; f++ {
		if enemy[f].count > 0 && enemy[f].rear < rank {
			return false
		}
	}
	return true
}
