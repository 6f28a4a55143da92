package term

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// Span words a duration with its one or two largest units: 850µs, 1.2s, 3m12s, 5h04m, 2d3h.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Floor(d.Seconds()*10)/10, 'f', -1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d < year:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
	return fmt.Sprintf("%dy%dd", d/year, d%year/day)
}

// Ago is how long ago t was, as a table shows it: "now" below a second, "" for no time.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return ""
	case d < time.Second && d > -time.Second:
		return "now"
	case d < 0:
		return "in " + Span(-d.Truncate(time.Second))
	}
	return Span(d.Truncate(time.Second)) + " ago"
}

// Count words a number with k, M and G: 950, 12.3k, 4.5M.
func Count(n float64) string {
	for _, u := range []struct {
		size float64
		mark string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(n) >= u.size {
			if u.mark == "k" {
				u.size = 1e3
			}
			return strconv.FormatFloat(n/u.size, 'f', 1, 64) + u.mark
		}
	}
	if n == math.Trunc(n) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

// Bytes words a number of bytes in units of 1024.
func Bytes(n int64) string {
	const step = 1024
	f, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for ; f >= step && i < len(units)-1; i++ {
		f /= step
	}
	if f == math.Trunc(f) {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
