package browser

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBrowser starts Chromium for one test.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-GB"), chromedp.UserDataDir(t.TempDir()),
	}
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to run as root otherwise
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		bounded, end := context.WithTimeout(ctx, 20*time.Second)
		defer end()
		if err := chromedp.Cancel(bounded); err != nil {
			t.Logf("Chromium did not end well: %v", err)
		}
		cancel()
	})
	require.NoError(t, chromedp.Do(ctx), "Chromium must start")
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
