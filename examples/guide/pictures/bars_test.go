package pictures

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// measure is a row of the tables of docs/benchmarks.md that has a target.
type measure struct {
	name, target string
	ratio        float64
	bound        float64
	atLeast      bool // the ratio should be, and not at most
}

// tables are those of docs/benchmarks.md.
type tables struct {
	sections []section
	peers    []peer
}

type section struct {
	name     string
	measures []measure
}

type peer struct {
	name           string
	callers, batch float64 // pieces a second
}

var (
	ratioRow  = regexp.MustCompile(`(?m)^\| (.+?) \| (≤|≥) ([0-9/.]+) × \| .*?\*\*([0-9.]+).*\|$`)
	wholeRow  = regexp.MustCompile(`(?m)^\| (.+?) \| (≤|≥) ([0-9/.]+) \| .*?\*\*([0-9.]+).*\|$`)
	peerTable = regexp.MustCompile(`(?s)\| idle p50, p99 \|.*?\n\n`)
)

func readTables(t *testing.T) (all tables) {
	page, err := os.ReadFile("../../../docs/benchmarks.md")
	require.NoError(t, err)
	for _, name := range []string{"Memory", "Redis"} {
		_, text, found := strings.Cut(string(page), "\n## "+name+"\n")
		require.True(t, found, "docs/benchmarks.md has no section %q", name)
		text, _, _ = strings.Cut(text, "\n## ")
		s := section{name: name}
		for _, pattern := range []*regexp.Regexp{ratioRow, wholeRow} {
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				s.measures = append(s.measures, newMeasure(t, m))
			}
		}
		require.Greater(t, len(s.measures), 6, "the table of %q is not understood", name)
		all.sections = append(all.sections, s)
	}
	table := peerTable.FindString(string(page))
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 9 {
			continue
		}
		callers, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(cells[4]), " ", ""), 64)
		if err != nil {
			continue // the head
		}
		batch, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(cells[7]), " ", ""), 64)
		require.NoError(t, err, row)
		all.peers = append(all.peers, peer{strings.ReplaceAll(strings.TrimSpace(cells[1]), "**", ""), callers, batch})
	}
	require.Greater(t, len(all.peers), 8, "the table of the peers is not understood")
	return all
}

func newMeasure(t *testing.T, m []string) measure {
	t.Helper()
	number := func(s string) float64 {
		over, under, fraction := strings.Cut(s, "/")
		v, err := strconv.ParseFloat(over, 64)
		require.NoError(t, err)
		if fraction {
			u, err := strconv.ParseFloat(under, 64)
			require.NoError(t, err)
			v /= u
		}
		return v
	}
	unit := " ×"
	if strings.Contains(m[1], "bytes") {
		unit = ""
	}
	return measure{
		name: plainText(m[1]), target: m[2] + " " + m[3] + unit, ratio: number(m[4]), bound: number(m[3]), atLeast: m[2] == "≥",
	}
}

// plainText is a cell of a table without its marks, and shorter.
func plainText(cell string) string {
	r := strings.NewReplacer("`", "", ", likewise", ", many jobs stored", ", to empty", "", "1 000 000", "many", "100 000", "many")
	return r.Replace(cell)
}

// share is the cost as a share of what the target allows: above 1 it is missed.
func (m *measure) share() float64 {
	if m.atLeast {
		return m.bound / m.ratio
	}
	return m.ratio / m.bound
}

func drawBenchmarks(all tables) string {
	c := newCanvas("The measures and their targets", "For each measure of the two tables, the cost as a share of what its target allows. Bars that cross "+
		"the line miss their target.")
	c.text(20, 30, "head", "Cost as a share of what the target allows")
	c.right(740, 30, "small dim", "shorter is better; past the line: missed")
	const x0, unit = 250.0, 300.0
	y := 46.0
	for _, s := range all.sections {
		y += 18
		c.text(20, y, "strong", s.name)
		y += 10
		top := y
		for _, m := range s.measures {
			class := "green"
			if m.share() > 1 {
				class = "amber"
			}
			c.right(x0-10, y+14, "small", m.name)
			c.rect(x0, y, unit*m.share(), 18, 3, class)
			c.text(x0+max(unit, unit*m.share())+10, y+13.5, "small", format(m.ratio))
			c.right(740, y+13.5, "small dim", m.target)
			y += 23
		}
		c.line(x0+unit, top-6, x0+unit, y, "s-red")
	}
	return c.svg(y + 14)
}

func format(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func drawPeers(all tables) string {
	c := newCanvas("mn and its peers", "Pieces of work a second, from 16 callers and in batches of 1000, for each row of the table.")
	c.text(20, 30, "head", "Pieces of work a second, there and back")
	c.text(262, 56, "strong", "16 callers, each awaits its own")
	c.text(516, 56, "strong", "batches of 1000")
	most := 0.0
	for _, p := range all.peers {
		most = max(most, p.callers, p.batch)
	}
	y := 68.0
	for _, p := range all.peers {
		class := "grey"
		if strings.HasPrefix(p.name, "mn") {
			class = "blue"
		}
		name, _, _ := strings.Cut(p.name, ":")
		c.right(250, y+14, "small", name)
		c.bar(262, y, p.callers, most, class)
		c.bar(516, y, p.batch, most, class)
		y += 24
	}
	return c.svg(y + 12)
}

func (c *canvas) bar(x, y, v, most float64, class string) {
	w := max(1, 175*v/most)
	c.rect(x, y, w, 18, 3, class)
	c.text(x+w+6, y+13.5, "small", thousands(v))
}

func thousands(v float64) string {
	s := format(v)
	if len(s) > 3 {
		s = s[:len(s)-3] + " " + s[len(s)-3:]
	}
	return s
}
