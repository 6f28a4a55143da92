package browser

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPagesInEveryLook(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 150*time.Millisecond)
	s.play(t, 100)
	defer close(s.release)
	b := newTab(t, browser, s.url)
	b.as(desktop)
	b.open(s.url)
	b.until(`document.querySelectorAll(".uplot").length === 5`)
	for _, p := range []struct{ name, path string }{
		{"overview", ""},
		{"jobs", "jobs"},
		{"job", "jobs/" + string(s.Render)},
		{"job-failed", "jobs/" + string(s.Fail)},
		{"job-hostile", "jobs/" + string(s.Hostile)},
		{"definitions", "definitions"},
		{"definition", "definitions/render-frame"},
		{"workers", "workers"},
		{"locks", "locks"},
		{"problem", "jobs/none"},
	} {
		b.expect = "404"
		for _, l := range []look{desktop, night, phone, bed} {
			b.as(l)
			if l == desktop {
				b.open(s.url + p.path)
				if p.name != "problem" {
					b.live()
				}
			}
			if p.name == "overview" || p.name == "definition" {
				b.until(`document.querySelectorAll(".uplot").length === 5`)
			}
			b.shoot(p.name+"-"+l.name, 5000)
			b.fits(l)
			require.False(t, value[bool](b, `"pwned" in window`))
		}
	}
}
