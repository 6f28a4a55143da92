package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what the program prints; its first line comes through first.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	first chan string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() == 0 {
		o.first <- string(p)
	}
	return o.buf.Write(p)
}

func TestProgramServesMetricsAndPrintsSpans(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &output{first: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "localhost:0", "-spans", "-every", "5ms"}, out) }()
	var address string
	select {
	case line := <-out.first:
		address = strings.TrimSpace(strings.TrimPrefix(line, "metrics: "))
	case err := <-ended:
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for page := ""; !strings.Contains(page, `messaging_process_duration_seconds_count{`) || !strings.Contains(page, "mn_queue_size{"); {
		resp, err := client.Get(address)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		page = string(body)
	}
	cancel()
	require.NoError(t, <-ended)
	for _, name := range []string{"start report", "process report", "call render", "process render"} {
		require.Contains(t, out.buf.String(), `"Name": "`+name+`"`)
	}
}

func TestWrongArgumentsAreErrors(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-every", "0s"}, io.Discard), "-every")
	require.Error(t, run(t.Context(), []string{"-for", "1s", "-addr", "nowhere:no"}, io.Discard))
}

// eventful runs an app until each of its metrics has a value, and gathers them.
func eventful(t *testing.T) map[string]map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	fails := mn.NewJob("fails", func(context.Context, int, func(int) bool) error { return errors.New("always") },
		mn.Retries(1), mn.Backoff(time.Millisecond, time.Millisecond))
	app, stop, err := observedApp(registry, nil, mn.Config{Name: "reports", Definitions: append(definitions(), fails)})
	require.NoError(t, err)
	ctx := app.Context(t.Context())
	id, err := report.Start(ctx, 3)
	require.NoError(t, err)
	_, _ = report.Wait(ctx, id) // whether it ends well does not matter
	id, err = fails.Start(ctx, 0)
	require.NoError(t, err)
	_, err = fails.Wait(ctx, id)
	require.ErrorContains(t, err, "always")
	families, err := registry.Gather()
	require.NoError(t, err)
	require.NoError(t, app.Close())
	require.NoError(t, stop(t.Context()))
	exposed := map[string]map[string]bool{} // the labels of each name
	add := func(name string, labels ...string) {
		if exposed[name] == nil {
			exposed[name] = map[string]bool{}
		}
		for _, l := range labels {
			exposed[name][l] = true
		}
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if m.GetHistogram() == nil {
				add(family.GetName(), labels...)
				continue
			}
			add(family.GetName()+"_bucket", append(labels, "le")...)
			add(family.GetName()+"_count", labels...)
			add(family.GetName()+"_sum", labels...)
		}
	}
	return exposed
}

func TestDocumentationShowsTheSetUp(t *testing.T) {
	source, err := os.ReadFile("setup.go")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/telemetry.md")
	require.NoError(t, err)
	_, shown, ok := strings.Cut(string(source), "a test keeps the two the same.\n\n")
	require.True(t, ok)
	require.Contains(t, string(page), "```go\n"+shown+"```\n")
}
