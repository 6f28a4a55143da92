package browser

import (
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

func TestPagesInEveryLook(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 150*time.Millisecond)
	s.play(t, 100)
	defer close(s.release)
	b := newTab(browser, t, s.url)
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

// TestHostileDataStaysText looks for the very characters of hostile inputs, results, errors,
// lines of logs, calls and locks, in what people read.
func TestHostileDataStaysText(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 50*time.Millisecond)
	s.play(t, 5)
	b := newTab(browser, t, s.url)
	b.as(phone)
	b.open(s.url + "jobs/" + string(s.Hostile))
	b.live()
	b.until(`document.querySelector("#head .badge.failed") && document.querySelectorAll("#calls tbody tr").length > 0`)
	for _, part := range []string{"error", "result", "input", "log", "progress", "calls", "attempts"} {
		b.until(`document.getElementById("` + part + `").textContent.replaceAll("\\u003c", "<").replaceAll("\\u003e", ">").includes('<script>window.pwned=1</script>')`)
		require.Zero(t, value[int](b, `document.getElementById("`+part+`").querySelectorAll("script, img, title, textarea").length`), part)
	}
	b.until(`document.querySelectorAll("#yields details").length > 1`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => { d.open = true; })`))
	b.fits(phone)
	b.shoot("hostile-open", 5000)
	// What turns the direction of writing stays in its place: the page's own words keep theirs.
	require.Equal(t, "ltr", value[string](b, `getComputedStyle(document.querySelector("#head")).direction`))
	require.False(t, value[bool](b, `/[\u202e\u2067]/.test(document.querySelector("#result").textContent + document.querySelector("#input").textContent)`))
	require.Less(t, value[int](b, `document.documentElement.outerHTML.length`), 1<<20, "a page is small, whatever it shows")
	b.open(s.url + "locks")
	b.until(`document.querySelector("#locks").textContent.includes('<script>window.pwned=1</script>')`)
	require.False(t, value[bool](b, `"pwned" in window`))
}

// TestPicturesForTheDocumentation makes the pictures in docs, if MN_PICTURES names the folder.
func TestPicturesForTheDocumentation(t *testing.T) {
	dir := os.Getenv("MN_PICTURES")
	if dir == "" {
		t.Skip("MN_PICTURES names no folder for the documentation's pictures")
	}
	t.Setenv("MN_SCREENSHOTS", dir)
	browser := newBrowser(t)
	s := openScene(t, 700*time.Millisecond, true)
	b := newTab(browser, t, s.url)
	b.as(desktop)
	b.open(s.url)
	b.live()
	s.play(t, 160)
	b.until(`performance.now() > 36000`) // until the plots have something to tell
	b.shoot("dashboard", 1010)
	b.open(s.url + "jobs/" + string(s.Render))
	b.live()
	b.until(`document.querySelectorAll("#timeline .box").length > 20`)
	b.as(night)
	b.shoot("dashboard-job", 1010)
}
