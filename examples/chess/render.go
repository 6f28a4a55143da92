package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/multinode/mn"
	"github.com/multinode/mn/examples/chess/engine"
)

// picture turns a run into text. It knows no terminal: what it returns depends on its
// fields and arguments alone.
type picture struct {
	options
	color bool
}

// ANSI sequences of a coloured picture.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	green = "\x1b[32m"
	reset = "\x1b[0m"
)

func (p picture) paint(style, text string) string {
	if !p.color || text == "" {
		return text
	}
	return style + text + reset
}

// title names the position, by its game if it has a name.
func (p picture) title() string {
	if p.start.FEN == engine.FamousFEN {
		return p.paint(bold, engine.FamousName)
	}
	return p.paint(bold, p.start.FEN)
}

// scene is a board with the panel of proposals beside it.
func (p picture) scene(at Progress, status mn.Status) []string {
	last := ""
	if n := len(at.Moves); n > 0 {
		last = at.Moves[n-1].Chosen.Move
	}
	board := strings.Split(strings.TrimSuffix(engine.Draw(at.Now().FEN, last, p.color), "\n"), "\n")
	panel := append([]string{""}, p.panel(at, status)...)
	for i, line := range panel[:min(len(panel), len(board))] {
		if line != "" { // the first is, beside the letters, so that all boards' lines are as wide
			board[i] += "    " + line
		}
	}
	return board
}

// panel is what the strategies propose for the move that is being looked for; when none
// is, what they proposed for the last one.
func (p picture) panel(at Progress, status mn.Status) []string {
	n, proposals, chosen := len(at.Moves), at.Proposals, ""
	if n > 0 && (at.Finished() || status.Terminal()) && len(proposals) == 0 {
		n--
		proposals, chosen = at.Moves[n].Proposals, at.Moves[n].Chosen.Strategy
	}
	before := at.Before(n)
	lines := []string{
		p.paint(bold, fmt.Sprintf("Move %d of %d: %s to play", n+1, at.Of, before.SideToMove)),
		p.paint(dim, fmt.Sprintf("%s, %d legal moves", before.Phase, before.LegalMoves)),
		"",
	}
	for _, name := range engine.Strategies() { // in this order, whatever the flag's
		if slices.Contains(p.Strategies, name) {
			lines = append(lines, p.proposal(name, proposals, chosen, status))
		}
	}
	return lines
}

// proposal is a strategy's line in the panel.
func (p picture) proposal(name string, answers []engine.Suggestion, chosen string, status mn.Status) string {
	i := slices.IndexFunc(answers, func(s engine.Suggestion) bool { return s.Strategy == name })
	switch {
	case i < 0 && status.Terminal():
		return p.paint(dim, fmt.Sprintf("  %-12s no answer", name))
	case i < 0:
		return p.paint(dim, fmt.Sprintf("  %-12s thinking …", name))
	}
	s := answers[i]
	line := fmt.Sprintf("%-12s %-8s %7s  depth %d", name, s.SAN, score(s.ScoreCentipawns), s.Depth)
	if name == chosen {
		return p.paint(green, "> "+line)
	}
	return "  " + line
}

// moveList has a line for each move chosen so far.
func (p picture) moveList(at Progress) (lines []string) {
	for i := range at.Moves {
		lines = append(lines, p.moveLine(at, i))
	}
	return lines
}

func (p picture) moveLine(at Progress, i int) string {
	m := at.Moves[i]
	line := fmt.Sprintf("%5s %-8s %-12s %7s  ", number(at.Before(i)), m.Chosen.SAN, m.Chosen.Strategy, score(m.Chosen.ScoreCentipawns))
	if len(m.Proposals) == 1 {
		return strings.TrimRight(line, " ")
	}
	return line + p.paint(dim, against(m))
}

// against lists the other moves that were proposed, the better ones first.
func against(m Move) string {
	others := slices.Clone(m.Proposals)
	slices.SortStableFunc(others, func(a, b engine.Suggestion) int { return b.ScoreCentipawns - a.ScoreCentipawns })
	seen := []string{m.Chosen.SAN}
	var parts []string
	for _, s := range others {
		if !slices.Contains(seen, s.SAN) {
			seen = append(seen, s.SAN)
			parts = append(parts, s.SAN+" "+score(s.ScoreCentipawns))
		}
	}
	if len(parts) == 0 {
		return "all agree"
	}
	return "over " + strings.Join(parts, ", ")
}

// number introduces a move as in a game's record: "24." for White's, "24..." for Black's.
func number(before engine.Position) string {
	if before.SideToMove == "black" {
		return fmt.Sprintf("%d...", before.MoveNumber)
	}
	return fmt.Sprintf("%d.", before.MoveNumber)
}

// score is in pawns for the side that moves, or "#3" for mate in three moves, "#-3" for
// being mated.
func score(centipawns int) string {
	if moves, mate := engine.MateIn(centipawns); mate {
		return fmt.Sprintf("#%d", moves)
	}
	return fmt.Sprintf("%+.2f", float64(centipawns)/100)
}

// record is the moves in one line: "24. Rxd4 cxd4 25. Re7+".
func record(at Progress) string {
	var words []string
	for i, m := range at.Moves {
		if before := at.Before(i); i == 0 || before.SideToMove == "white" {
			words = append(words, number(before))
		}
		words = append(words, m.Chosen.SAN)
	}
	return strings.Join(words, " ")
}

const barWidth = 30

// bar is how far the searches are. A game that ends early is complete.
func (p picture) bar(at Progress, ended bool) string {
	each := len(p.Strategies)
	done, all := len(at.Moves)*each+len(at.Proposals), at.Of*each
	if ended && at.Finished() {
		all = done
	}
	full := barWidth
	if all > 0 {
		full = barWidth * done / all
	}
	return fmt.Sprintf("%s%s %d of %d searches",
		p.paint(green, strings.Repeat("█", full)), p.paint(dim, strings.Repeat("░", barWidth-full)), done, all)
}

// state is the line beside the bar: what the job is doing.
func state(info mn.JobInfo[Progress]) string {
	switch {
	case info.Status == mn.Pending && info.Error != nil:
		return "trying again after: " + info.Error.Message
	case info.Status == mn.Pending && info.Reason != "":
		return "waiting: " + info.Reason
	case info.Status == mn.Cancelling:
		return "cancelling"
	case info.Status == mn.Running && info.Attempt > 1:
		return fmt.Sprintf("attempt %d", info.Attempt)
	}
	return ""
}

// ending is what the run came to.
func ending(at Progress, status mn.Status, elapsed time.Duration) string {
	moves := fmt.Sprintf("%d of %d moves", len(at.Moves), at.Of)
	switch now := at.Now(); {
	case status == mn.Cancelled:
		moves = "Cancelled after " + moves
	case status == mn.Failed:
		moves = "Failed after " + moves
	case now.Status == engine.StatusCheckmate:
		moves = "Checkmate after " + moves
	case now.Status == engine.StatusStalemate:
		moves = "Stalemate after " + moves
	}
	return fmt.Sprintf("%s in %s", moves, seconds(elapsed))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// summary is the last thing that is shown: the line, how it ended, and what to go on from.
func (p picture) summary(info mn.JobInfo[Progress], elapsed time.Duration) (lines []string) {
	at := p.known(info)
	if len(at.Moves) > 0 {
		lines = append(lines, p.paint(bold, record(at)), "Then: "+at.Now().FEN)
	}
	return append(lines, ending(at, info.Status, elapsed))
}

// known is what is known of a run that may not have yielded yet.
func (p picture) known(info mn.JobInfo[Progress]) Progress {
	if info.Yields == 0 {
		return Progress{Start: p.start, Of: p.N}
	}
	return info.Result
}
