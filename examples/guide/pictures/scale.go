package pictures

import (
	"fmt"
	"time"
)

// scale places times on a horizontal axis.
type scale struct {
	c      *canvas
	x0, x1 float64
	span   time.Duration // x1 is at
}

func (s scale) x(t time.Duration) float64 {
	return s.x0 + (s.x1-s.x0)*float64(t)/float64(s.span)
}

// axis draws the axis at y, and thin lines up to top.
func (s scale) axis(y, top float64, every time.Duration, label func(time.Duration) string) {
	s.c.line(s.x0, y, s.x1, y, "line")
	for t := time.Duration(0); t <= s.span; t += every {
		s.c.line(s.x(t), top, s.x(t), y, "thin")
		s.c.line(s.x(t), y, s.x(t), y+4, "line")
		s.c.middle(s.x(t), y+18, "small dim", label(t))
	}
}

// bar is a span of time with a label in it.
func (s scale) bar(from, to time.Duration, y, h float64, class, label string) {
	s.c.rect(s.x(from), y, max(2, s.x(to)-s.x(from)), h, 4, class)
	if label != "" {
		s.c.middle((s.x(from)+s.x(to))/2, y+h/2+4.5, "", label)
	}
}

func seconds(t time.Duration) string { return fmt.Sprintf("%g s", t.Seconds()) }

func minutes(t time.Duration) string { return fmt.Sprintf("%g min", t.Minutes()) }
