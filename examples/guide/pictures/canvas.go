package pictures

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// width is that of all pictures, in pixels at their natural size.
const width = 760.0

// style has both colour schemes: a browser takes what its reader has chosen, also for a
// picture in an <img>.
const style = `
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",Helvetica,Arial,sans-serif;fill:#1f2328}
.head{font-size:15px;font-weight:600}.strong{font-weight:600}.small{font-size:11.5px}
.code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12px}
.dim{fill:#59636e}.on{fill:#fff}.c-blue{fill:#0a53c1}.c-green{fill:#12682f}.c-red{fill:#b3141f}.c-amber{fill:#8a5300}.c-violet{fill:#6a34c9}
.back{fill:#fff;stroke:#d1d9e0}.panel{fill:#f6f8fa;stroke:#d1d9e0}.plain{fill:#fff;stroke:#818b98}
.blue{fill:#ddeaff;stroke:#3b7be0}.green{fill:#d5f2dd;stroke:#2f9e52}.red{fill:#ffe0dd;stroke:#d6443c}
.amber{fill:#fff0c9;stroke:#c58a00}.violet{fill:#ecdffd;stroke:#8957e5}.grey{fill:#e8ecf0;stroke:#939ca6}
.line{fill:none;stroke:#59636e;stroke-width:1.4}.thin{fill:none;stroke:#d1d9e0}.dash{stroke-dasharray:4 4}
.s-blue{fill:none;stroke:#3b7be0;stroke-width:1.6}.s-red{fill:none;stroke:#d6443c;stroke-width:1.6}.s-violet{fill:none;stroke:#8957e5;stroke-width:1.6}
.s-green{fill:none;stroke:#2f9e52;stroke-width:1.6}.s-amber{fill:none;stroke:#c58a00;stroke-width:1.6}
.f-line{fill:#59636e}.f-blue{fill:#3b7be0}.f-red{fill:#d6443c}.f-violet{fill:#8957e5}.f-green{fill:#2f9e52}.f-amber{fill:#c58a00}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.dim{fill:#9aa4af}.on{fill:#0d1117}.c-blue{fill:#79b0ff}.c-green{fill:#5fd183}.c-red{fill:#ff8a82}.c-amber{fill:#e8b84a}.c-violet{fill:#c9a5ff}
.back{fill:#0d1117;stroke:#3d444d}.panel{fill:#161b22;stroke:#3d444d}.plain{fill:#0d1117;stroke:#79828c}
.blue{fill:#12305c;stroke:#4a8df0}.green{fill:#103a20;stroke:#3fb862}.red{fill:#4a1a1a;stroke:#ef5f57}
.amber{fill:#43340a;stroke:#d9a014}.violet{fill:#2f2152;stroke:#a27bf0}.grey{fill:#262c34;stroke:#6b747e}
.line{stroke:#9aa4af}.thin{stroke:#3d444d}.f-line{fill:#9aa4af}
.s-blue{stroke:#4a8df0}.s-red{stroke:#ef5f57}.s-violet{stroke:#a27bf0}.s-green{stroke:#3fb862}.s-amber{stroke:#d9a014}
.f-blue{fill:#4a8df0}.f-red{fill:#ef5f57}.f-violet{fill:#a27bf0}.f-green{fill:#3fb862}.f-amber{fill:#d9a014}}
`

// canvas is one picture under construction. Classes are those of style.
type canvas struct {
	title, about string
	body         strings.Builder
}

// newCanvas begins a picture. about tells those who cannot see it what it shows.
func newCanvas(title, about string) *canvas { return &canvas{title: title, about: about} }

// svg ends the picture at the height.
func (c *canvas) svg(height float64) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]s %[2]s" width="%[1]s" height="%[2]s" role="img" aria-labelledby="t d">
<title id="t">%[3]s</title>
<desc id="d">%[4]s</desc>
<style>%[5]s</style>
<rect class="back" x=".5" y=".5" width="%[6]s" height="%[7]s" rx="10"/>
%[8]s</svg>
`, num(width), num(height), html.EscapeString(c.title), html.EscapeString(c.about), style, num(width-1), num(height-1), c.body.String())
}

// num writes a coordinate, to a tenth of a pixel.
func num(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

// text writes s from x on; y is its baseline.
func (c *canvas) text(x, y float64, class, s string) { c.write(x, y, "start", class, s) }

// middle writes s around x.
func (c *canvas) middle(x, y float64, class, s string) { c.write(x, y, "middle", class, s) }

// right writes s up to x.
func (c *canvas) right(x, y float64, class, s string) { c.write(x, y, "end", class, s) }

func (c *canvas) write(x, y float64, anchor, class, s string) {
	attrs := ""
	if anchor != "start" {
		attrs += fmt.Sprintf(` text-anchor="%s"`, anchor)
	}
	if class != "" {
		attrs += fmt.Sprintf(` class="%s"`, class)
	}
	c.add(`<text x="%s" y="%s"%s>%s</text>`, num(x), num(y), attrs, html.EscapeString(s))
}

func (c *canvas) rect(x, y, w, h, r float64, class string) {
	c.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="%s"/>`, class, num(x), num(y), num(w), num(h), num(r))
}

// box is a rectangle with a title and lines below it, centred.
func (c *canvas) box(x, y, w, h float64, class, title string, lines ...string) {
	c.rect(x, y, w, h, 7, class)
	top := y + h/2 - float64(len(lines))*8 + 4.5
	c.middle(x+w/2, top, "strong", title)
	for i, l := range lines {
		c.middle(x+w/2, top+float64(i+1)*16, "small dim", l)
	}
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	c.add(`<path class="%s" d="M%s %sL%s %s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

func (c *canvas) dot(x, y, r float64, class string) {
	c.add(`<circle class="%s" cx="%s" cy="%s" r="%s"/>`, class, num(x), num(y), num(r))
}

// cross marks what is lost or refused.
func (c *canvas) cross(x, y, r float64, class string) {
	c.line(x-r, y-r, x+r, y+r, class)
	c.line(x-r, y+r, x+r, y-r, class)
}

// arrow is a straight line with a head. colour is "line" or one of the colours of style.
func (c *canvas) arrow(x1, y1, x2, y2 float64, colour, extra string) {
	angle := math.Atan2(y2-y1, x2-x1)
	c.line(x1, y1, x2-6*math.Cos(angle), y2-6*math.Sin(angle), strings.TrimSpace(stroke(colour)+" "+extra))
	c.head(x2, y2, angle, colour)
}

// curve is an arrow along a cubic Bézier curve.
func (c *canvas) curve(x1, y1, cx1, cy1, cx2, cy2, x2, y2 float64, colour string) {
	angle := math.Atan2(y2-cy2, x2-cx2)
	c.add(`<path class="%s" d="M%s %sC%s %s %s %s %s %s"/>`, stroke(colour), num(x1), num(y1), num(cx1), num(cy1), num(cx2), num(cy2),
		num(x2-6*math.Cos(angle)), num(y2-6*math.Sin(angle)))
	c.head(x2, y2, angle, colour)
}

func stroke(colour string) string {
	if colour == "line" {
		return "line"
	}
	return "s-" + colour
}

func (c *canvas) head(x, y, angle float64, colour string) {
	const length, half = 8.5, 0.42
	c.add(`<path class="f-%s" d="M%s %sL%s %sL%s %sZ"/>`, colour, num(x), num(y),
		num(x-length*math.Cos(angle-half)), num(y-length*math.Sin(angle-half)),
		num(x-length*math.Cos(angle+half)), num(y-length*math.Sin(angle+half)))
}
