package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corentings/chess/v2"
)

// ErrInvalidFEN is wrapped by every error about a position that is malformed or
// cannot arise in a game. Asking again with the same text cannot succeed.
var ErrInvalidFEN = errors.New("invalid FEN")

// setup is a position as its FEN spells it. The library's own reader keeps
// scratch space in a package variable, which two goroutines reading at once
// would corrupt, so the text is read here and handed over in binary form.
type setup struct {
	board    board
	turn     int
	castling string // a subset of "KQkq", in that order
	passant  int    // the en passant target square, or -1
	halfmove int
	fullmove int
}

// parseFEN reads and validates a FEN of six fields, or of four, the counters
// then being "0 1".
func parseFEN(fen string) (setup, error) {
	fields := strings.Fields(fen)
	if len(fields) == 4 {
		fields = append(fields, "0", "1")
	}
	if len(fields) != 6 {
		return setup{}, fmt.Errorf("%w %q: %d fields; want 6: pieces, side to move, castling, en passant, halfmove clock, move number",
			ErrInvalidFEN, fen, len(fields))
	}
	var s setup
	// Later fields are judged by earlier ones; the first fault is reported.
	for _, step := range []error{
		s.readBoard(fields[0]),
		s.readTurn(fields[1]),
		s.readCastling(fields[2]),
		s.readPassant(fields[3]),
		s.readCounters(fields[4], fields[5]),
	} {
		if step != nil {
			return setup{}, fmt.Errorf("%w %q: %w", ErrInvalidFEN, fen, step)
		}
	}
	if err := s.check(); err != nil {
		return setup{}, fmt.Errorf("%w %q: %w", ErrInvalidFEN, fen, err)
	}
	return s, nil
}

func (s *setup) readBoard(field string) error {
	ranks := strings.Split(field, "/")
	if len(ranks) != 8 {
		return fmt.Errorf("%d ranks in %q; write 8, from the eighth down, separated by \"/\"", len(ranks), field)
	}
	for i, text := range ranks {
		rank, file := 7-i, 0
		for _, c := range text {
			if c >= '1' && c <= '8' {
				file += int(c - '0')
				continue
			}
			p := pieceOf(c)
			if p == empty {
				return fmt.Errorf("unknown piece %q on rank %d; use KQRBNP for White, kqrbnp for Black", c, rank+1)
			}
			if file < 8 {
				s.board[rank*8+file] = p
			}
			file++
		}
		if file != 8 {
			return fmt.Errorf("rank %d (%q) describes %d squares; make it 8", rank+1, text, file)
		}
	}
	return nil
}

func pieceOf(c rune) piece {
	if i := strings.IndexRune(letters, c); i > 0 {
		return -piece(i)
	}
	if i := strings.IndexRune(strings.ToUpper(letters), c); i > 0 {
		return piece(i)
	}
	return empty
}

func (s *setup) readTurn(field string) error {
	switch field {
	case "w":
		s.turn = white
	case "b":
		s.turn = black
	default:
		return fmt.Errorf("side to move %q; write \"w\" or \"b\"", field)
	}
	return nil
}

func (s *setup) readCastling(field string) error {
	if field == "-" {
		return nil
	}
	for _, right := range []struct {
		letter     string
		king, rook int
		color      piece
	}{{"K", 4, 7, white}, {"Q", 4, 0, white}, {"k", 60, 63, black}, {"q", 60, 56, black}} {
		if !strings.Contains(field, right.letter) {
			continue
		}
		if s.board[right.king] != king*right.color || s.board[right.rook] != rook*right.color {
			return fmt.Errorf("castling right %q needs the king on %s and a rook on %s; remove it",
				right.letter, squareName(right.king), squareName(right.rook))
		}
		s.castling += right.letter
	}
	if len(s.castling) != len(field) {
		return fmt.Errorf("castling rights %q; write \"-\" or some of KQkq, each once", field)
	}
	return nil
}

func (s *setup) readPassant(field string) error {
	s.passant = -1
	if field == "-" {
		return nil
	}
	sq := squareOf(field)
	if sq < 0 {
		return fmt.Errorf("en passant square %q; write \"-\" or a square such as \"e3\"", field)
	}
	// The pawn just moved stands beyond the target, seen from the side to move.
	rank := 2
	if s.turn == white {
		rank = 5
	}
	if sq/8 != rank || s.board[sq] != empty || s.board[sq+8*s.turn] != empty ||
		s.board[sq-8*s.turn] != pawn*piece(-s.turn) {
		return fmt.Errorf("en passant square %q is not behind a pawn that has just advanced two squares; write \"-\"", field)
	}
	s.passant = sq
	return nil
}

func (s *setup) readCounters(halfmove, fullmove string) error {
	var err error
	// The bounds are those of the library's binary form.
	if s.halfmove, err = strconv.Atoi(halfmove); err != nil || s.halfmove < 0 || s.halfmove > 255 {
		return fmt.Errorf("halfmove clock %q; write a number from 0 to 255", halfmove)
	}
	if s.fullmove, err = strconv.Atoi(fullmove); err != nil || s.fullmove < 1 || s.fullmove > 60000 {
		return fmt.Errorf("move number %q; write a number from 1 to 60000", fullmove)
	}
	return nil
}

// check rejects positions no game can reach. Besides being meaningless, they
// break the library: it reserves room for the most moves a legal position has.
func (s *setup) check() error {
	for _, side := range []int{white, black} {
		c := s.board.census(side)
		switch spare := c.promoted(); {
		case c.Kings != 1:
			return fmt.Errorf("%s has %d kings; give it exactly one", colorName(side), c.Kings)
		case c.Pawns > 8:
			return fmt.Errorf("%s has %d pawns; at most 8 are possible", colorName(side), c.Pawns)
		case spare > 8-c.Pawns:
			return fmt.Errorf("%s has %d promoted pieces and %d pawns; together at most 8 are possible", colorName(side), spare, c.Pawns)
		}
	}
	for file := range 8 {
		for _, sq := range []int{file, 56 + file} {
			if s.board[sq].kind() == pawn {
				return fmt.Errorf("a pawn stands on %s; move it off the first and last ranks", squareName(sq))
			}
		}
	}
	if s.board.attacked(s.board.find(king*piece(-s.turn)), s.turn) {
		return fmt.Errorf("%s is in check but %s is to move; change the side to move", colorName(-s.turn), colorName(s.turn))
	}
	return nil
}

// position builds the library's position.
func (s *setup) position() (*chess.Position, error) {
	order := []piece{king, queen, rook, bishop, knight, pawn}
	raw := make([]byte, 0, 101)
	for _, side := range []piece{white, black} {
		for _, kind := range order {
			var set uint64
			for sq, p := range s.board {
				if p == kind*side {
					set |= 1 << (63 - sq) // the library's first square is the highest bit
				}
			}
			raw = binary.BigEndian.AppendUint64(raw, set)
		}
	}
	raw = append(raw, byte(s.halfmove))
	raw = binary.BigEndian.AppendUint16(raw, uint16(s.fullmove))
	raw = append(raw, byte(int8(s.passant)), s.flags())
	pos := new(chess.Position)
	if err := pos.UnmarshalBinary(raw); err != nil {
		return nil, fmt.Errorf("cannot set up the position: %w", err)
	}
	return pos, nil
}

// flags packs castling rights, turn and the presence of an en passant square as
// the library's binary form lays them out.
func (s *setup) flags() byte {
	var out byte
	for i, right := range []byte("KQkq") {
		if slices.Contains([]byte(s.castling), right) {
			out |= 1 << i
		}
	}
	if s.turn == black {
		out |= 1 << 4
	}
	if s.passant >= 0 {
		out |= 1 << 5
	}
	return out
}

// squareName is the algebraic name of a square.
func squareName(sq int) string {
	return string([]byte{'a' + byte(sq%8), '1' + byte(sq/8)})
}

// squareOf is the square of that algebraic name, or -1.
func squareOf(name string) int {
	if len(name) != 2 || name[0] < 'a' || name[0] > 'h' || name[1] < '1' || name[1] > '8' {
		return -1
	}
	return int(name[1]-'1')*8 + int(name[0]-'a')
}

func colorName(color int) string {
	if color == white {
		return "white"
	}
	return "black"
}
