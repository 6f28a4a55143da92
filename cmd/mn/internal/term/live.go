package term

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Live is a block of lines at the end of the output that is drawn again and again. It is for
// terminals only.
type Live struct {
	Out   io.Writer // understands cursor movements
	Width func() int
	drawn int // lines
}

// Draw replaces the block. Lines that are too long are cut, since one that wraps could not be
// replaced.
func (l *Live) Draw(lines ...string) {
	var b strings.Builder
	b.WriteString(l.back())
	width := l.Width()
	for _, line := range lines {
		if width > 0 {
			line = ansi.Truncate(line, width-1, "…")
		}
		b.WriteString(line + "\n")
	}
	l.drawn = len(lines)
	_, _ = io.WriteString(l.Out, b.String())
}

// Print writes lines that stay above the block, which has to be drawn again.
func (l *Live) Print(format string, args ...any) {
	fmt.Fprint(l.Out, l.back()+fmt.Sprintf(format, args...))
	l.drawn = 0
}

// Clear takes the block away.
func (l *Live) Clear() {
	_, _ = io.WriteString(l.Out, l.back())
	l.drawn = 0
}

// back moves to the block's first line and clears it.
func (l *Live) back() string {
	if l.drawn == 0 {
		return ""
	}
	return ansi.CursorUp(l.drawn) + "\r" + ansi.EraseScreenBelow
}
