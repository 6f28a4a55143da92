package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPagesInEveryLook(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 150_000_000)
	s.play(t, 60)
	defer close(s.release)
	b := newTab(t, browser, s.url)
	b.as(desktop)
	b.open(s.url)
	b.until(`document.querySelector("#live").dataset.state === "live" && document.querySelectorAll(".uplot").length === 5`)
	for name, path := range map[string]string{
		"overview": "", "jobs": "jobs", "job": "jobs/" + string(s.Render), "job-failed": "jobs/" + string(s.Fail),
		"job-hostile": "jobs/" + string(s.Hostile), "definitions": "definitions", "definition": "definitions/render-frame",
		"workers": "workers", "locks": "locks",
	} {
		for _, l := range []look{desktop, night, phone, bed} {
			b.as(l)
			b.open(s.url + path)
			b.until(`document.querySelector("#live").dataset.state === "live"`)
			if name == "overview" || name == "definition" {
				b.until(`document.querySelectorAll(".uplot").length === 5`)
			}
			b.shoot(name + "-" + l.name)
			require.LessOrEqual(t, value[int64](b, `document.documentElement.scrollWidth`), l.width, "%s %s is wider than the screen", name, l.name)
			require.False(t, value[bool](b, `"pwned" in window`))
		}
	}
}
