package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for anything in a page.
const patience = 40 * time.Second

// tab is a page in the browser that notes all that must not happen.
type tab struct {
	t      *testing.T
	ctx    context.Context
	home   string // where all requests must go
	expect string // part of the errors that a test provokes

	mu       sync.Mutex
	faults   []string
	requests int
}

// look is how a page is looked at.
type look struct {
	name   string
	dark   bool
	width  int64
	height int64
}

var (
	desktop = look{"light", false, 1280, 900}
	night   = look{"dark", true, 1280, 900}
	phone   = look{"phone", false, 375, 812}
	bed     = look{"phone-dark", true, 375, 812}
)

// newTab opens a tab. home is the address below which it must stay.
func newTab(browser context.Context, t *testing.T, home string) *tab {
	t.Helper()
	b := &tab{t: t, home: home}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(b.note))
	b.ctx = ctx
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx))
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, audits.Enable, cdp.Empty{})
	t.Cleanup(b.check)
	return b
}

// note collects what the page must not do: ask elsewhere, break the policy, report errors.
func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests++
		// Chromium draws its own date fields with pictures that it holds itself.
		if !strings.HasPrefix(e.Request.URL, b.home) && !strings.HasPrefix(e.Request.URL, "data:image/svg+xml") {
			b.faults = append(b.faults, "a request leaves the dashboard: "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.faults = append(b.faults, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.faults = append(b.faults, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if kind := fmt.Sprint(e.Type); kind == "error" || kind == "warning" {
			b.faults = append(b.faults, fmt.Sprintf("console.%s: %v", kind, e.Args))
		}
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			b.faults = append(b.faults, "policy: "+e.Issue.Details.ContentSecurityPolicyIssueDetails.ViolatedDirective)
		}
	}
}

func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Positive(b.t, b.requests, "the tab must have been seen to ask for something")
	for _, f := range b.faults {
		if b.expect == "" || !strings.Contains(f, b.expect) {
			b.t.Errorf("%s", f)
		}
	}
}

// call sends one command of the protocol.
func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, cmd, params)
	require.NoError(b.t, err)
	return r
}

// do does actions, which must all succeed in time.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...))
}

// as shows the page in a look.
func (b *tab) as(l look) {
	b.t.Helper()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 500,
	})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
}

// live waits until the page gets what changes.
func (b *tab) live() {
	b.t.Helper()
	b.until(`document.getElementById("live")?.dataset.state === "live"`)
}

// until waits for a condition in the page, whatever page that is by then.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		// An error means that the page changes just now.
		if is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`)); err == nil && is {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 3000)`))
			require.FailNow(b.t, "this never came true: "+expression, text)
		}
	}
}

// value evaluates an expression.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return v
}

// fits checks that nothing is wider than the screen.
func (b *tab) fits(l look) {
	b.t.Helper()
	wide := value[string](b, `[...document.querySelectorAll("main *, header *")].filter((e) => {
		const r = e.getBoundingClientRect();
		return r.width > 0 && r.right > innerWidth + 1 && !e.closest(".scroll, pre, .log, nav, .hidden, .u-legend, svg");
	}).map((e) => e.outerHTML.slice(0, 120)).slice(0, 3).join("\n")`)
	require.Empty(b.t, wide, "%s is wider than %d px", value[string](b, `location.pathname`), l.width)
	require.LessOrEqual(b.t, value[int64](b, `document.documentElement.scrollWidth`), l.width)
}

// shoot keeps a screenshot of the whole page, or of its first height pixels.
func (b *tab) shoot(name string, height float64) {
	b.t.Helper()
	dir := os.Getenv("MN_SCREENSHOTS")
	if dir == "" {
		dir = "screenshots"
	}
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	size := call(b, page.GetLayoutMetrics, cdp.Empty{}).CSSContentSize
	beyond := true
	picture := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: size.Width, Height: min(size.Height, height), Scale: 1},
	})
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), picture.Data, 0o644))
}
