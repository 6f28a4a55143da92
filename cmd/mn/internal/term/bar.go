package term

import (
	"fmt"
	"strings"
	"time"

	"github.com/multinode/mn"
)

// eighths are the parts of a bar's last cell.
var eighths = []rune(" ▏▎▍▌▋▊▉")

// Bar draws a fraction of a bar of width cells.
func Bar(fraction float64, width int) string {
	parts := int(fraction * float64(width*len(eighths)))
	full := parts / len(eighths)
	bar := strings.Repeat("█", full)
	if rest := parts % len(eighths); rest > 0 {
		bar += string(eighths[rest])
		full++
	}
	return Green(bar) + Faint(strings.Repeat("░", width-full))
}

// Progress words progress after its bar: 42%  420/1000 rows  35/s  16s left  message.
func Progress(p mn.Progress) string {
	var parts []string
	if p.Total > 0 {
		parts = append(parts, fmt.Sprintf("%3d%%", int(100*p.Fraction())), fmt.Sprintf("%s/%s", Count(float64(p.Done)), Count(float64(p.Total))))
	} else {
		parts = append(parts, Count(float64(p.Done)))
	}
	if p.Unit != "" {
		parts[len(parts)-1] += " " + Line(p.Unit)
	}
	if p.Rate > 0 {
		parts = append(parts, Count(p.Rate)+"/s")
	}
	if p.Remaining > 0 {
		parts = append(parts, Span(p.Remaining.Round(time.Second))+" left")
	}
	if p.Message != "" {
		parts = append(parts, Line(p.Message))
	}
	return strings.Join(parts, "  ")
}
