package term

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Table is aligned columns under a head. Cells are safe already and may be styled.
type Table struct {
	Head []string
	Rows [][]string
	// Right names columns that are aligned to the right.
	Right map[int]bool
	// Cut is the column that is shortened where a row is wider than Width; -1: the last.
	Cut   int
	Width int // 0: no bound
}

// gap is between two columns.
const gap = "  "

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write writes the table.
func (t *Table) Write(w io.Writer) error {
	_, err := io.WriteString(w, t.String())
	return err
}

// String is the table's text, each line with its line break.
func (t *Table) String() string {
	widths := t.widths()
	var b strings.Builder
	if t.Head != nil {
		head := make([]string, len(t.Head))
		for i, h := range t.Head {
			head[i] = Faint(h)
		}
		t.line(&b, head, widths)
	}
	for _, row := range t.Rows {
		t.line(&b, row, widths)
	}
	return b.String()
}

func (t *Table) widths() []int {
	var widths []int
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	if t.Width > 0 && total > t.Width && len(widths) > 0 {
		cut := t.Cut
		if cut < 0 || cut >= len(widths) {
			cut = len(widths) - 1
		}
		widths[cut] = max(min(8, widths[cut]), widths[cut]-(total-t.Width))
	}
	return widths
}

func (t *Table) line(b *strings.Builder, row []string, widths []int) {
	pending := 0 // spaces that nothing may follow
	for i, cell := range row {
		if i > 0 {
			pending += len(gap)
		}
		cell = ansi.Truncate(cell, widths[i], "…")
		room := widths[i] - ansi.StringWidth(cell)
		if t.Right[i] {
			pending, room = pending+room, 0
		}
		if cell != "" {
			b.WriteString(strings.Repeat(" ", pending))
			b.WriteString(cell)
			pending = 0
		}
		pending += room
	}
	b.WriteByte('\n')
}
