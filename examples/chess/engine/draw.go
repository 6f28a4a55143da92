package engine

import "strings"

// ANSI sequences of a colored board.
const (
	ansiReset      = "\x1b[0m"
	ansiLight      = "\x1b[48;5;180m"
	ansiDark       = "\x1b[48;5;137m"
	ansiMovedLight = "\x1b[48;5;186m"
	ansiMovedDark  = "\x1b[48;5;143m"
	ansiWhite      = "\x1b[1;38;5;231m"
	ansiBlack      = "\x1b[1;38;5;16m"
)

// Glyphs by kind. A colored board uses the solid ones for both sides, which
// fill the square better than the outlines.
var (
	outlined = [7]string{"·", "♙", "♘", "♗", "♖", "♕", "♔"}
	solid    = [7]string{"·", "♟", "♞", "♝", "♜", "♛", "♚"}
)

// Draw returns the board as ten lines of text for a terminal, White at the
// bottom, with coordinates. The two squares of lastMoveUCI are highlighted: by
// background if color is set, by brackets otherwise; a move that is empty or
// not in UCI notation highlights nothing. For an invalid FEN it returns one
// line that says what is wrong. Every line ends in a newline.
func Draw(fen, lastMoveUCI string, color bool) string {
	s, err := parseFEN(fen)
	if err != nil {
		return err.Error() + "\n"
	}
	from, to := -1, -1
	if len(lastMoveUCI) == 4 || len(lastMoveUCI) == 5 {
		from, to = squareOf(lastMoveUCI[:2]), squareOf(lastMoveUCI[2:4])
	}
	const files = "    a  b  c  d  e  f  g  h\n"
	var out strings.Builder
	out.WriteString(files)
	for rank := 7; rank >= 0; rank-- {
		label := string(rune('1' + rank))
		out.WriteString(" " + label + " ")
		for sq := rank * 8; sq < rank*8+8; sq++ {
			moved := sq == from || sq == to
			if color {
				out.WriteString(colorCell(sq, s.board[sq], moved))
			} else {
				out.WriteString(plainCell(s.board[sq], moved))
			}
		}
		out.WriteString(" " + label + "\n")
	}
	out.WriteString(files)
	return out.String()
}

func plainCell(p piece, moved bool) string {
	glyph := solid[p.kind()]
	if p > 0 {
		glyph = outlined[p.kind()]
	}
	if moved {
		return "[" + glyph + "]"
	}
	return " " + glyph + " "
}

func colorCell(sq int, p piece, moved bool) string {
	light := (sq/8+sq%8)%2 == 1 // a1 is dark
	background := ansiDark
	switch {
	case moved && light:
		background = ansiMovedLight
	case moved:
		background = ansiMovedDark
	case light:
		background = ansiLight
	}
	glyph, ink := " ", ""
	if p != empty {
		glyph, ink = solid[p.kind()], ansiBlack
	}
	if p > 0 {
		ink = ansiWhite
	}
	return background + ink + " " + glyph + " " + ansiReset
}
