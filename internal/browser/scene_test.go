package browser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/dashboard"
)

// scene is an app in which something of everything happens, and its dashboard, mounted
// under a prefix.
type scene struct {
	app *mn.App
	ui  *dashboard.Dashboard
	url string // with a slash at its end

	server *httptest.Server
	tame   bool // no hostile data, for pictures

	Render, Import, Fail, Hostile mn.JobID
	release                       chan struct{} // closed: what runs may end
}

type frames struct {
	mn.Progress
	Scene  string   `json:"scene"`
	Frames []string `json:"frames"`
}

// newScene opens the app; wait is how long a frame takes to render.
func newScene(t *testing.T, wait time.Duration) *scene { return openScene(t, wait, false) }

// openScene leaves out what is hostile if it is to be tame.
func openScene(t *testing.T, wait time.Duration, tame bool) *scene {
	s := &scene{release: make(chan struct{}), tame: tame}
	shade := mn.NewFunction("shade-tile", func(ctx context.Context, n int) (int, error) {
		mn.Logger(ctx).Debug("shading", "tile", n)
		return n, sleep(ctx, wait/2)
	}, mn.CPU(4), mn.Memory(2*mn.GiB), mn.MaxWorkers(6))
	frame := mn.NewFunction("render-frame", func(ctx context.Context, n int) (string, error) {
		mn.Logger(ctx).Info("rendering", "frame", n, "samples", 64)
		for tile, err := range shade.Map(ctx, numbers(2)) {
			if err != nil {
				return "", err
			}
			_ = tile
		}
		return fmt.Sprintf("frame-%04d.exr", n), sleep(ctx, wait)
	}, mn.CPU(8), mn.Memory(8*mn.GiB), mn.MaxWorkers(4), mn.SpareWorkers(1))
	render := mn.NewJob("render-movie", func(ctx context.Context, total int, yield func(frames) bool) error {
		mn.Logger(ctx).Info("begins", "frames", total)
		meter, out := mn.NewProgress(int64(total), "frames"), frames{Scene: "harbour at dawn"}
		for name, err := range frame.Map(ctx, numbers(total), mn.Unordered()) {
			if err != nil {
				return err
			}
			out.Frames = append(out.Frames, name)
			out.Progress = meter.Add(1)
			out.Message = "rendered " + name
			if !yield(out) {
				return context.Cause(ctx)
			}
		}
		return nil
	}, mn.KeepYields(10), mn.Retries(2))
	imports := mn.NewJob("nightly-import", func(ctx context.Context, table string, yield func(string) bool) error {
		mn.Logger(ctx).Warn("slow source", "table", table)
		if !yield("reading " + table) {
			return context.Cause(ctx)
		}
		select {
		case <-s.release:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, mn.MaxConcurrency(2))
	report := mn.NewJob("send-report", func(ctx context.Context, n int, _ func(int) bool) error {
		mn.Logger(ctx).Error("mail server refused", "code", 451)
		if n == 13 {
			panic("index out of range [13] with length 12")
		}
		if n%2 == 1 {
			return mn.Permanent(errors.New("smtp: 451 mailbox unavailable, try again later"))
		}
		return nil
	})
	part := mn.NewFunction("hostile-part", func(context.Context, string) (string, error) { return "", mn.Permanent(errors.New(evil + rtl)) })
	hostile := mn.NewJob("hostile", func(ctx context.Context, in map[string]any, yield func(any) bool) error {
		_, _ = part.Call(ctx, evil)
		mn.Logger(ctx).Warn(evil, evil, evil, "big", strings.Repeat("L", 10_000))
		yield(map[string]any{evil: evil, "big": strings.Repeat("W", 900_000), "rtl": rtl})
		yield(deep(3000))
		yield(map[string]any{evil: mn.Progress{Done: 1, Total: 3, Unit: evil + rtl, Message: evil + strings.Repeat("M", 100_000)}})
		return mn.Permanent(errors.New(evil + rtl + strings.Repeat("E", 100_000)))
	}, mn.KeepYields(5))
	defs := []mn.Definition{render, frame, shade, imports, report}
	if !tame {
		defs = append(defs, part, hostile)
	}
	app, err := mn.New(mn.Config{
		Name: "studio", Definitions: defs,
		Logger: slog.New(slog.DiscardHandler), Timing: quick(),
	})
	require.NoError(t, err)
	s.app = app
	s.ui = dashboard.Handler(app, dashboard.Authorize(func(_ *http.Request, a dashboard.Action) error {
		if a.Job != "" && a.Job == s.Import && a.Verb == dashboard.Remove {
			return errors.New("<b>nobody</b> removes this one")
		}
		return nil
	}))
	mux := http.NewServeMux()
	mux.Handle("/ops/mn/", http.StripPrefix("/ops/mn", s.ui))
	mux.HandleFunc("/", http.NotFound)
	server := httptest.NewServer(mux)
	s.server, s.url = server, server.URL+"/ops/mn/"
	t.Cleanup(func() {
		require.NoError(t, s.ui.Close())
		server.Close()
		require.NoError(t, app.Close())
	})
	return s
}

// play starts the runs.
func (s *scene) play(t *testing.T, total int) {
	ctx, in := t.Context(), s.app.Inspect()
	start := func(name, input string, opts ...mn.StartOption) mn.JobID {
		id, err := in.Start(ctx, name, []byte(input), opts...)
		require.NoError(t, err)
		return id
	}
	for n := range 14 {
		s.Fail = start("send-report", fmt.Sprint(n))
	}
	if s.tame {
		s.Import = start("nightly-import", `"customers"`, mn.WithLock("table/customers"))
		start("nightly-import", `"orders"`, mn.WithLock("table/orders"))
		start("nightly-import", `"invoices"`)
		s.Render = start("render-movie", fmt.Sprint(total), mn.WithLock("scene/harbour"))
		return
	}
	s.Hostile = start("hostile", fmt.Sprintf("{%q: %q, %q: %q}", evil, rtl, "big", strings.Repeat("I", 900_000)), mn.WithLock(evil, rtl, "long-"+strings.Repeat("K", 200)))
	s.Import = start("nightly-import", `"customers"`, mn.WithLock("table/customers", evil+"2"))
	start("nightly-import", `"orders"`, mn.WithLock("table/orders"))
	start("nightly-import", `"invoices"`)
	s.Render = start("render-movie", fmt.Sprint(total), mn.WithLock("scene/harbour"))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func numbers(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// quick makes workers report often, so that plots fill soon.
func quick() mn.Timing {
	t := mn.DefaultTiming
	t.Heartbeat = time.Second
	return t
}

// evil closes whatever it may stand in.
const evil = `</script><script>window.pwned=1</script>"'><img src=x onerror="window.pwned=1"></textarea></title>{{.}}` + "`${window.pwned=1}`"

// rtl turns the direction of writing and does not turn it back.
const rtl = "\u202e\u2067cod.exe مرحبا بالعالم"

// deep is arrays in arrays.
func deep(levels int) any {
	var v any = evil
	for range levels {
		v = []any{v}
	}
	return v
}
