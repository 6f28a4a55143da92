package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/multinode/mn"
	"github.com/multinode/mn/backend"
	"github.com/multinode/mn/backend/memory"
	"github.com/multinode/mn/dashboard"
	"github.com/multinode/mn/provisioner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a dashboard in a server, under a prefix, and a browser's cookies.
type site struct {
	t      *testing.T
	app    *mn.App
	ui     *dashboard.Dashboard
	server *httptest.Server
	client *http.Client
	root   string // without a slash at its end
}

func newSite(t *testing.T, store backend.Backend, defs []mn.Definition, opts ...dashboard.Option) *site {
	t.Helper()
	if store == nil {
		store = memory.New()
	}
	cfg := mn.Config{Name: "site", Definitions: defs, Backend: store, Logger: slog.New(slog.DiscardHandler)}
	if len(defs) == 0 {
		cfg.Provisioner = provisioner.None
	}
	app, err := mn.New(cfg)
	require.NoError(t, err)
	s := &site{t: t, app: app, ui: dashboard.Handler(app, opts...)}
	s.server = httptest.NewServer(http.StripPrefix("/a/b", s.ui))
	s.root = s.server.URL + "/a/b"
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.client = &http.Client{Jar: jar, Transport: &http.Transport{}}
	t.Cleanup(func() {
		require.NoError(t, s.ui.Close())
		s.client.CloseIdleConnections()
		s.server.Close()
		require.NoError(t, app.Close())
	})
	return s
}

// get reads a page below the root.
func (s *site) get(path string) (int, string) {
	s.t.Helper()
	res, err := s.client.Get(s.root + path)
	require.NoError(s.t, err)
	return s.read(res)
}

func (s *site) read(res *http.Response) (int, string) {
	s.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return res.StatusCode, string(body)
}

// post sends a form as the browser would: from the dashboard's own pages, with its token.
func (s *site) post(path string, form url.Values, change ...func(*http.Request)) (int, string, *http.Response) {
	s.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	if !form.Has("token") {
		form.Set("token", s.token())
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.root+path, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range change {
		c(req)
	}
	res, err := s.client.Do(req)
	require.NoError(s.t, err)
	status, body := s.read(res)
	return status, body, res
}

// token is what the pages give to their forms.
func (s *site) token() string {
	_, body := s.get("/jobs")
	_, after, _ := strings.Cut(body, `name="token" value="`)
	token, _, _ := strings.Cut(after, `"`)
	return token
}

func allow(*http.Request, dashboard.Action) error { return nil }

// holding is a job that runs until it is cancelled.
func holding(name string) *mn.Job[int, int] {
	return mn.NewJob(name, func(ctx context.Context, n int, yield func(int) bool) error {
		yield(n)
		<-ctx.Done()
		return context.Cause(ctx)
	})
}
