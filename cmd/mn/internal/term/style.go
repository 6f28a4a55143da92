package term

import (
	"io"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	xterm "github.com/charmbracelet/x/term"
)

// Styles, of the terminal's own sixteen colours, so that they fit its theme.
var (
	Bold   = style(ansi.Style{}.Bold())
	Faint  = style(ansi.Style{}.Faint())
	Red    = style(ansi.Style{}.ForegroundColor(ansi.Red))
	Green  = style(ansi.Style{}.ForegroundColor(ansi.Green))
	Yellow = style(ansi.Style{}.ForegroundColor(ansi.Yellow))
	Blue   = style(ansi.Style{}.ForegroundColor(ansi.Blue))
	Invert = style(ansi.Style{}.Reverse(true))
)

// Style colours text that is safe already.
type Style func(string) string

func style(s ansi.Style) Style {
	return func(text string) string {
		if text == "" {
			return ""
		}
		return s.Styled(text)
	}
}

// Status colours a run's or a call's status.
func Status(s string) string {
	switch s {
	case "RUNNING":
		return Blue(s)
	case "SUCCEEDED":
		return Green(s)
	case "FAILED":
		return Red(s)
	case "CANCELLING", "CANCELLED":
		return Yellow(s)
	}
	return Line(s)
}

// Colour says when styles reach the output.
type Colour string

// The values of Colour.
const (
	Auto   Colour = "auto" // on a terminal, unless NO_COLOR is set
	Always Colour = "always"
	Never  Colour = "never"
)

// Output returns a writer that drops what the output cannot show, or shall not.
func Output(w io.Writer, environ []string, c Colour) *colorprofile.Writer {
	out := colorprofile.NewWriter(w, environ)
	switch c {
	case Always:
		out.Profile = max(out.Profile, colorprofile.ANSI)
	case Never:
		out.Profile = min(out.Profile, colorprofile.ASCII)
		if !IsTerminal(w) {
			out.Profile = colorprofile.NoTTY
		}
	case Auto:
	}
	return out
}

// file is a file that may be a terminal.
type file interface{ Fd() uintptr }

// IsTerminal reports whether a reader or writer is a terminal.
func IsTerminal(x any) bool {
	f, ok := x.(file)
	return ok && xterm.IsTerminal(f.Fd())
}

// Width is the width of the terminal behind w in columns, 0 if it is none or does not tell.
func Width(w io.Writer) int {
	if f, ok := w.(file); ok {
		if width, _, err := xterm.GetSize(f.Fd()); err == nil {
			return width
		}
	}
	return 0
}
