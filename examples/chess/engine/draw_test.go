package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multinode/mn/examples/chess/engine"
)

func ExampleDraw() {
	next, san, err := engine.Apply(engine.FamousFEN, "d1d4")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(san)
	fmt.Print(engine.Draw(next, "d1d4", false))
	// Output:
	// Rxd4
	//     a  b  c  d  e  f  g  h
	//  8  ♝  ·  ·  ♜  ·  ·  ·  ♜  8
	//  7  ♚  ·  ·  ·  ·  ♟  ·  ♟  7
	//  6  ♟  ·  ·  ♛  ·  ♞  ♟  ·  6
	//  5  ♘  ♟  ♟  ♙  ·  ·  ·  ·  5
	//  4  ·  ·  · [♖] ·  ♕  ·  ·  4
	//  3  ♙  ·  ·  ·  ·  ♙  ♙  ♗  3
	//  2  ·  ♙  ♙  ·  ·  ·  ·  ♙  2
	//  1  ·  ♔  · [·] ♖  ·  ·  ·  1
	//     a  b  c  d  e  f  g  h
}

func TestDrawColor(t *testing.T) {
	plain, colored := engine.Draw(startFEN, "", false), engine.Draw(startFEN, "e2e4", true)
	if strings.Contains(plain, "\x1b") || strings.Contains(plain, "[") {
		t.Errorf("plain board has decorations:\n%q", plain)
	}
	if strings.Count(colored, "\x1b[0m") != 64 || strings.Count(colored, "\n") != 10 {
		t.Errorf("colored board:\n%q", colored)
	}
	if same := engine.Draw(startFEN, "nonsense", true); same == colored {
		t.Error("the last move is not highlighted")
	}
}

func TestDrawInvalid(t *testing.T) {
	for _, move := range []string{"", "e2", "z9z9", "éé"} {
		if got := engine.Draw("nonsense", move, false); !strings.HasPrefix(got, "invalid FEN") || strings.Count(got, "\n") != 1 {
			t.Errorf("Draw = %q", got)
		}
		engine.Draw(startFEN, move, true)
	}
}
