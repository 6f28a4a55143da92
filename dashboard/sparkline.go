package dashboard

import (
	"fmt"
	"math"
	"strings"
)

// sparkline draws the throughput of some points as the points attribute of a polyline in a
// box 100 wide and 20 high, "" if there is nothing to see.
func sparkline(points []point) string {
	if len(points) < 2 {
		return ""
	}
	highest := 0.0
	for _, p := range points {
		if d := p.Done(); d > highest {
			highest = d
		}
	}
	if highest == 0 {
		return ""
	}
	var b strings.Builder
	first, last := points[0].T, points[len(points)-1].T
	for _, p := range points {
		if d := p.Done(); !math.IsNaN(d) {
			fmt.Fprintf(&b, "%.1f,%.1f ", float64(p.T-first)/float64(last-first)*100, 19-d/highest*18)
		}
	}
	return strings.TrimSpace(b.String())
}
