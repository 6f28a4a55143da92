package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/chess/engine"
)

// position is engine.Prepare for a FEN that is right.
func position(t *testing.T, fen string) engine.Position {
	t.Helper()
	p, err := engine.Prepare(fen)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// played makes a move out of invented proposals.
func played(t *testing.T, before engine.Position, proposals ...engine.Suggestion) Move {
	t.Helper()
	m := Move{Chosen: best(proposals), Proposals: proposals}
	fen, _, err := engine.Apply(before.FEN, m.Chosen.Move)
	if err != nil {
		t.Fatal(err)
	}
	m.After = position(t, fen)
	return m
}

// history is a run of three moves that crashes once and is cancelled after two.
func history(t *testing.T) (options, []mn.JobInfo[Progress]) {
	start := position(t, "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 30")
	opts := options{start: start, Request: Request{FEN: start.FEN, N: 3, Strategies: []string{"material", "attack"}}}
	rook := engine.Suggestion{Strategy: "material", Move: "d1d7", SAN: "Rd7", ScoreCentipawns: 480, Depth: 5}
	king := engine.Suggestion{Strategy: "attack", Move: "g1f1", SAN: "Kf1", ScoreCentipawns: 455, Depth: 6}
	flight := engine.Suggestion{Strategy: "material", Move: "g8f8", SAN: "Kf8", ScoreCentipawns: -99_996, Depth: 4}
	agreed := engine.Suggestion{Strategy: "attack", Move: "g8f8", SAN: "Kf8", ScoreCentipawns: -99_996, Depth: 3}

	at := Progress{Start: start, Of: 3}
	half, one, two := at, at, at
	half.Proposals = []engine.Suggestion{king}
	one.Moves = []Move{played(t, start, rook, king)}
	two.Moves = []Move{one.Moves[0], played(t, one.Now(), flight, agreed)}
	failure := &mn.RunError{Message: "worker lost"}
	return opts, []mn.JobInfo[Progress]{
		{Status: mn.Pending, Reason: "a worker is starting"},
		{Status: mn.Running, Attempt: 1, Yields: 1, Result: at},
		{Status: mn.Running, Attempt: 1, Yields: 2, Result: half},
		{Status: mn.Running, Attempt: 1, Yields: 4, Result: one},
		{Status: mn.Pending, Attempt: 1, Yields: 4, Result: one, Error: failure, Reason: "retry in 1s"},
		{Status: mn.Running, Attempt: 2, Yields: 7, Result: two, Error: failure},
		{Status: mn.Cancelling, Attempt: 2, Yields: 7, Result: two, Error: failure},
		{Status: mn.Cancelled, Attempt: 2, Yields: 7, Result: two, Error: failure},
	}
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWithoutATerminalEachMoveIsPrintedOnce(t *testing.T) {
	opts, states := history(t)
	var out bytes.Buffer
	l := &lines{picture: picture{options: opts}, out: &out, elapsed: func() time.Duration { return 1500 * time.Millisecond }}
	for _, info := range states {
		l.show(info)
	}
	compare(t, out.String(), plainHistory)
}

const plainHistory = `6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 30

  30. Rd7      material       +4.80  over Kf1 +4.55

    a  b  c  d  e  f  g  h
 8  ·  ·  ·  ·  ·  ·  ♚  ·  8    Move 1 of 3: white to play
 7  ·  ·  · [♖] ·  ♟  ♟  ♟  7    endgame, 20 legal moves
 6  ·  ·  ·  ·  ·  ·  ·  ·  6
 5  ·  ·  ·  ·  ·  ·  ·  ·  5    > material     Rd7        +4.80  depth 5
 4  ·  ·  ·  ·  ·  ·  ·  ·  4      attack       Kf1        +4.55  depth 6
 3  ·  ·  ·  ·  ·  ·  ·  ·  3
 2  ·  ·  ·  ·  ·  ♙  ♙  ♙  2
 1  ·  ·  · [·] ·  ·  ♔  ·  1
    a  b  c  d  e  f  g  h

██████████░░░░░░░░░░░░░░░░░░░░ 2 of 6 searches, 1.5 s

(trying again after: worker lost)

(attempt 2)

30... Kf8      material         #-2  all agree

    a  b  c  d  e  f  g  h
 8  ·  ·  ·  ·  · [♚][·] ·  8    Move 2 of 3: black to play
 7  ·  ·  ·  ♖  ·  ♟  ♟  ♟  7    endgame, 8 legal moves
 6  ·  ·  ·  ·  ·  ·  ·  ·  6
 5  ·  ·  ·  ·  ·  ·  ·  ·  5    > material     Kf8          #-2  depth 4
 4  ·  ·  ·  ·  ·  ·  ·  ·  4      attack       Kf8          #-2  depth 3
 3  ·  ·  ·  ·  ·  ·  ·  ·  3
 2  ·  ·  ·  ·  ·  ♙  ♙  ♙  2
 1  ·  ·  ·  ·  ·  ·  ♔  ·  1
    a  b  c  d  e  f  g  h

████████████████████░░░░░░░░░░ 4 of 6 searches, 1.5 s

(cancelling)

30. Rd7 Kf8
Then: 5k2/3R1ppp/8/8/8/8/5PPP/6K1 w - - 2 31
Cancelled after 2 of 3 moves in 1.5 s
`

// terminal understands what a screen writes, and nothing else.
type terminal struct {
	t    *testing.T
	rows []string
	row  int // of the cursor, which is always at a line's beginning between writes
}

var (
	colours = regexp.MustCompile(`\x1b\[[\d;]*m`)
	up      = regexp.MustCompile(`^\x1b\[(\d+)A`)
)

func (w *terminal) Write(text []byte) (int, error) {
	rest := colours.ReplaceAllString(string(text), "")
	if m := up.FindStringSubmatch(rest); m != nil {
		n, _ := strconv.Atoi(m[1])
		w.row, rest = w.row-n, rest[len(m[0]):]
	}
	rest, begun := strings.CutPrefix(rest, "\r\x1b[?7l")
	rest, ended := strings.CutSuffix(rest, "\x1b[J\x1b[?7h")
	if !begun || !ended || w.row < 0 {
		w.t.Errorf("a frame above the screen, or not framed: %q", text)
	}
	for line := range strings.Lines(rest) {
		w.rows = append(w.rows[:w.row], strings.TrimRight(strings.TrimSuffix(line, "\x1b[K\n"), " "))
		w.row++
	}
	return len(text), nil
}

// drawn returns what a screen of some height shows after the first n states.
func drawn(t *testing.T, height, n int) string {
	opts, states := history(t)
	term := &terminal{t: t}
	s := newScreen(picture{options: opts, color: true}, term, func() int { return height }, func() time.Duration { return 1500 * time.Millisecond })
	for _, info := range states[:n] {
		s.show(info)
	}
	s.close()
	return strings.Join(term.rows, "\n") + "\n"
}

func TestTheScreenShowsWhoIsStillThinking(t *testing.T) {
	compare(t, drawn(t, 24, 3), `6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 30

    a  b  c  d  e  f  g  h
 8                    ♚     8    Move 1 of 3: white to play
 7                 ♟  ♟  ♟  7    endgame, 20 legal moves
 6                          6
 5                          5      material     thinking …
 4                          4      attack       Kf1        +4.55  depth 6
 3                          3
 2                 ♟  ♟  ♟  2
 1           ♜        ♚     1
    a  b  c  d  e  f  g  h

█████░░░░░░░░░░░░░░░░░░░░░░░░░ 1 of 6 searches  1.5 s
`)
}

func TestTheScreenEndsWithTheWholeStory(t *testing.T) {
	const want = `6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 30

    a  b  c  d  e  f  g  h
 8                 ♚        8    Move 2 of 3: black to play
 7           ♜     ♟  ♟  ♟  7    endgame, 8 legal moves
 6                          6
 5                          5    > material     Kf8          #-2  depth 4
 4                          4      attack       Kf8          #-2  depth 3
 3                          3
 2                 ♟  ♟  ♟  2
 1                    ♚     1
    a  b  c  d  e  f  g  h

  30. Rd7      material       +4.80  over Kf1 +4.55
30... Kf8      material         #-2  all agree

████████████████████░░░░░░░░░░ 4 of 6 searches  1.5 s
30. Rd7 Kf8
Then: 5k2/3R1ppp/8/8/8/8/5PPP/6K1 w - - 2 31
Cancelled after 2 of 3 moves in 1.5 s
`
	_, states := history(t)
	for _, height := range []int{100, 24, 16} { // what does not fit while it runs is there at the end
		compare(t, drawn(t, height, len(states)), want)
	}
}

func TestARunningScreenIsNeverHigherThanTheTerminal(t *testing.T) {
	_, states := history(t)
	for height := 2; height < 24; height++ {
		if rows := strings.Count(drawn(t, height, len(states)-1), "\n"); rows >= height {
			t.Errorf("%d rows on a terminal of %d", rows, height)
		}
	}
	if got := drawn(t, 17, 6); !strings.Contains(got, "30... Kf8") || strings.Contains(got, "  30. Rd7") {
		t.Errorf("the newest move should be the one that is shown:\n%s", got)
	}
}

func TestScoresReadAsChessPlayersWriteThem(t *testing.T) {
	for centipawns, want := range map[int]string{0: "+0.00", 62: "+0.62", -150: "-1.50", engine.MateScore - 1: "#1", -engine.MateScore + 4: "#-2"} {
		if got := score(centipawns); got != want {
			t.Errorf("%d is %q, want %q", centipawns, got, want)
		}
	}
}

func TestTheRecordNumbersMovesOfEitherSide(t *testing.T) {
	start := position(t, "4k3/8/8/8/8/8/8/4K3 b - - 0 7")
	p := Progress{Start: start}
	for _, m := range []engine.Suggestion{{Move: "e8e7", SAN: "Ke7"}, {Move: "e1e2", SAN: "Ke2"}, {Move: "e7e6", SAN: "Ke6"}} {
		p.Moves = append(p.Moves, played(t, p.Now(), m))
	}
	compare(t, record(p), "7... Ke7 8. Ke2 Ke6")
}

func TestTheEndingSaysHowItEnded(t *testing.T) {
	at := Progress{Start: position(t, mateInOneFEN), Of: 5}
	mate := Progress{Start: position(t, "3R2k1/5ppp/8/8/8/8/5PPP/6K1 b - - 1 1"), Of: 5}
	stale := Progress{Start: position(t, stalemateFEN), Of: 5}
	for want, got := range map[string]string{
		"0 of 5 moves in 2.0 s":                 ending(at, mn.Succeeded, 2*time.Second),
		"Checkmate after 0 of 5 moves in 2.0 s": ending(mate, mn.Succeeded, 2*time.Second),
		"Stalemate after 0 of 5 moves in 2.0 s": ending(stale, mn.Succeeded, 2*time.Second),
		"Failed after 0 of 5 moves in 2.0 s":    ending(at, mn.Failed, 2*time.Second),
		"Cancelled after 0 of 5 moves in 2.0 s": ending(at, mn.Cancelled, 2*time.Second),
	} {
		compare(t, got, want)
	}
	p := picture{options: options{Request: Request{Strategies: []string{"attack"}}}}
	compare(t, p.bar(mate, true), fmt.Sprintf("%s 0 of 0 searches", strings.Repeat("█", barWidth)))
}
