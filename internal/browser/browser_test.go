package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBrowser starts Chromium for one test.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium(t)), chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("lang", "en-GB"), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to run as root otherwise
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		bounded, end := context.WithTimeout(ctx, 20*time.Second)
		defer end()
		if err := chromedp.Cancel(bounded); err != nil {
			cancel()
		}
	})
	require.NoError(t, chromedp.Run(ctx), "Chromium must start")
	return ctx
}

func chromium(t *testing.T) string {
	t.Helper()
	name := os.Getenv("MN_CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if strings.Contains(os.Getenv("MN_REQUIRE"), "chromium") {
		t.Fatalf("MN_REQUIRE names chromium, but %v", err)
	}
	t.Skip("chromium is missing: on Debian, apt-get install chromium; else name the program in MN_CHROMIUM")
	return ""
}

// tab is a page in the browser that notes all that must not happen.
type tab struct {
	t      *testing.T
	ctx    context.Context
	origin string
	expect string // part of the console errors that a test provokes

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

func newTab(t *testing.T, browser context.Context, origin string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	u, err := url.Parse(origin)
	require.NoError(t, err)
	b := &tab{t: t, ctx: ctx, origin: u.Scheme + "://" + u.Host}
	chromedp.ListenTarget(ctx, b.note)
	b.run(network.Enable(), log.Enable(), runtime.Enable(), audits.Enable())
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
		if !strings.HasPrefix(e.Request.URL, b.origin+"/ops/mn/") {
			b.faults = append(b.faults, "a request leaves the dashboard: "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			b.faults = append(b.faults, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.faults = append(b.faults, fmt.Sprintf("console.%s: %v", e.Type, e.Args))
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

// run does actions, which must all succeed in time.
func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	if err := chromedp.Run(b.ctx); err != nil {
		require.NoError(b.t, err)
	}
	require.NoError(b.t, chromedp.Run(ctx, actions...))
}

func (b *tab) as(l look) {
	b.t.Helper()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.run(
		emulation.SetDeviceMetricsOverride(l.width, l.height, 1, l.width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	)
}

func (b *tab) open(address string) {
	b.t.Helper()
	b.run(chromedp.Navigate(address), chromedp.WaitReady("main"))
}

// until waits for a condition in the page.
func (b *tab) until(expression string) {
	b.t.Helper()
	b.run(chromedp.Poll(expression, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(30*time.Second)))
}

// value evaluates an expression.
func value[T any](b *tab, expression string) (v T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &v))
	return v
}

// shoot keeps a screenshot of the whole page.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("MN_SCREENSHOTS")
	if dir == "" {
		dir = "screenshots"
	}
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	var picture []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		_, _, _, _, _, content, err := page.GetLayoutMetrics().Do(ctx)
		if err != nil {
			return err
		}
		clip := &page.Viewport{Width: content.Width, Height: min(content.Height, 6000), Scale: 1}
		picture, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithClip(clip).Do(ctx)
		return err
	}))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
}
