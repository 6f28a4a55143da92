package browser

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
)

func TestARunIsFollowedAndCancelledFromItsPage(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 100*time.Millisecond)
	s.play(t, 2000)
	b := newTab(browser, t, s.url)
	b.as(desktop)
	b.open(s.url + "jobs/" + string(s.Render))
	b.live()
	b.until(`document.querySelector("#progress progress")?.value >= 3`)
	b.until(`document.querySelectorAll("#log li").length > 5`)
	b.until(`document.querySelectorAll("#timeline .box").length > 5 && document.querySelectorAll("#calls tbody tr").length > 3`)
	// What somebody has opened stays open while the part around it changes.
	b.until(`document.querySelector("#yields details")`)
	before := value[int64](b, `(() => { document.getElementById("log").dataset.mark = "same"; return document.querySelector("#progress progress").value; })()`)
	b.until(`document.querySelector("#progress progress").value > ` + strconv.FormatInt(before, 10) + ` && document.getElementById("log").dataset.mark === "same"`)
	numbers := value[[]int64](b, `[...document.querySelectorAll("#log li")].map((l) => Number(l.dataset.n))`)
	for i, n := range numbers {
		require.True(t, i == 0 || n > numbers[i-1], "lines come once, in order: %v", numbers)
	}

	b.do(chromedp.Click(chromedp.CSS(`#head .actions button:not(.danger)`)))
	b.until(`document.querySelector("#sure-cancel:popover-open")`)
	b.shoot("job-cancel", 900)
	b.do(chromedp.Click(chromedp.CSS(`#sure-cancel .primary`)))
	b.until(`document.querySelector("#head .badge.cancelled")`)
	run, err := s.app.Inspect().Run(t.Context(), s.Render)
	require.NoError(t, err)
	require.Equal(t, mn.Cancelled, run.Status)
	b.until(`document.querySelector("#head .actions").innerText.includes("Retry")`)

	// The authorizer's refusal is text.
	b.expect = "403"
	b.open(s.url + "jobs/" + string(s.Import))
	b.do(chromedp.Click(chromedp.CSS(`#head .danger`)))
	b.do(chromedp.Click(chromedp.CSS(`#sure-remove .danger`)))
	b.until(`document.querySelector(".problem")?.innerText.includes("<b>nobody</b> removes this one")`)
}

func TestBulkFromTheList(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 50*time.Millisecond)
	s.play(t, 5)
	b := newTab(browser, t, s.url)
	b.as(desktop)
	b.open(s.url + "jobs?definition=nightly-import")
	b.live()
	b.do(chromedp.Click(chromedp.CSS(`.bulk button[value="cancel"]`)))
	b.until(`document.getElementById("state")?.innerText.includes("3 would be cancelled")`)
	b.until(`document.querySelector("button[form=go]")`)
	b.shoot("bulk-dry-run", 900)
	b.fits(desktop)
	b.do(chromedp.Click(chromedp.CSS(`button[form=go]`)))
	b.until(`document.getElementById("state")?.innerText.includes("3 told to cancel of 3") && document.getElementById("state").innerText.includes("done")`)
	b.shoot("bulk", 900)
	b.as(phone)
	b.shoot("bulk-phone", 2000)
	b.fits(phone)
	require.Eventually(t, func() bool {
		page, err := s.app.Inspect().Runs(t.Context(), mn.RunFilter{Definition: "nightly-import", Statuses: []mn.Status{mn.Cancelled}})
		return err == nil && len(page.Runs) == 3
	}, patience, 20*time.Millisecond)
}

func TestTheKeyboardReachesEverything(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 50*time.Millisecond)
	s.play(t, 5)
	b := newTab(browser, t, s.url)
	b.as(desktop)
	b.open(s.url)
	b.live()
	press := func(keys ...string) {
		t.Helper()
		for _, k := range keys {
			b.do(chromedp.KeyEvent(k))
		}
	}
	press(kb.Tab)
	require.Equal(t, "Skip to content", value[string](b, `document.activeElement.innerText`), "the first stop")
	b.shoot("keyboard-skip", 300)
	press(kb.Enter)
	require.Equal(t, "main", value[string](b, `document.activeElement.id`))
	for _, page := range []struct{ key, words string }{{"j", "Jobs"}, {"d", "Definitions"}, {"w", "Workers"}, {"l", "Locks"}, {"o", "Overview"}} {
		press("g", page.key)
		b.until(`document.title.startsWith("` + page.words + `") && document.getElementById("live")?.dataset.state === "live"`)
	}
	press("g", "j")
	b.until(`document.title.startsWith("Jobs") && document.getElementById("live")?.dataset.state === "live"`)
	press("/")
	require.Equal(t, "search", value[string](b, `document.activeElement.id`))
	press("g", "j")
	// chromedp sends the slash itself on its own, whatever becomes of its key.
	require.Equal(t, "gj", strings.TrimPrefix(value[string](b, `document.activeElement.value`), "/"), "shortcuts leave fields alone")
	b.do(chromedp.Blur(chromedp.CSS("#search")))
	press("j", "j", "k")
	require.Equal(t, int64(0), value[int64](b, `[...document.querySelectorAll("table.rows tbody tr")].indexOf(document.activeElement.closest("tr"))`))
	href := value[string](b, `document.activeElement.href`)
	press(kb.Enter)
	b.until(`location.href === "` + href + `"`)
	b.live()
	press("?")
	b.until(`document.querySelector("#keys:popover-open")`)
	b.shoot("keyboard-help", 900)
	press(kb.Escape)
	b.until(`!document.querySelector("#keys:popover-open")`)
	press("p")
	b.until(`document.getElementById("live").dataset.state === "paused"`)
	press("p")
	b.live()
	// Every control can be reached, has a name, and shows that it has the focus.
	for range 60 {
		press(kb.Tab)
		seen := value[string](b, `(() => {
			const e = document.activeElement;
			if (e === document.body) return "";
			const name = e.getAttribute("aria-label") || e.innerText || e.title || e.getAttribute("aria-labelledby") || e.tagName === "PRE" && "pre" || e.labels?.[0]?.innerText;
			const s = getComputedStyle(e);
			return !name ? "no name: " + e.outerHTML.slice(0, 200) : s.outlineStyle === "none" ? "no outline: " + e.outerHTML.slice(0, 200) : "";
		})()`)
		require.Empty(t, seen)
	}
}

func TestAStreamComesBackAndGoesWithItsPage(t *testing.T) {
	browser := newBrowser(t)
	s := newScene(t, 50*time.Millisecond)
	s.play(t, 5)
	b := newTab(browser, t, s.url)
	b.expect = "ERR_INCOMPLETE_CHUNKED_ENCODING"
	b.as(desktop)
	b.open(s.url + "jobs/" + string(s.Import))
	b.live()
	s.server.CloseClientConnections()
	b.until(`document.getElementById("live").dataset.state === "live"`)
	require.NoError(t, s.app.Inspect().Cancel(t.Context(), s.Import))
	b.until(`document.querySelector("#head .badge.cancelled")`)
	require.NoError(t, s.app.Inspect().Remove(t.Context(), s.Import))
	b.until(`!document.getElementById("fault").hidden && document.getElementById("live-text").innerText === "Gone"`)
	require.Contains(t, value[string](b, `document.getElementById("fault").innerText`), "removed")
	// Another theme draws the plots anew, in its colours.
	b.open(s.url)
	b.until(`document.querySelectorAll(".uplot").length === 5`)
	light := value[string](b, `getComputedStyle(document.body).backgroundColor + [...document.querySelectorAll(".uplot")].length`)
	b.as(night)
	b.until(`getComputedStyle(document.documentElement).getPropertyValue("--bg").trim() === "#0d1116"`)
	require.True(t, strings.HasSuffix(light, "5"))
	b.until(`document.querySelectorAll(".uplot").length === 5`)
}
