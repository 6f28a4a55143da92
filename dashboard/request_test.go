package dashboard_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/dashboard"
)

const unknown = "0190a0a0-0000-7000-8000-000000000000"

func TestBadRequestsGetTheirStatusAndAReadablePage(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")}, dashboard.Authorize(allow))
	for path, want := range map[string]int{
		"/nothing":                                   http.StatusNotFound,
		"/jobs/":                                     http.StatusNotFound,
		"/jobs/" + unknown:                           http.StatusNotFound,
		"/jobs/not-an-id":                            http.StatusNotFound,
		"/jobs/" + unknown + "/raw/input":            http.StatusNotFound,
		"/live/jobs/nothing/more":                    http.StatusNotFound,
		"/definitions/unknown":                       http.StatusNotFound,
		"/definitions/%3Cscript%3E":                  http.StatusNotFound,
		"/bulk/unknown":                              http.StatusNotFound,
		"/assets/x/../../doc.go":                     http.StatusNotFound,
		"/assets/x/none.css":                         http.StatusNotFound,
		"//jobs":                                     http.StatusNotFound,
		"/jobs?status=sleeping":                      http.StatusBadRequest,
		"/jobs?since=yesterday":                      http.StatusBadRequest,
		"/jobs?from=noon":                            http.StatusBadRequest,
		"/jobs?from=2026-01-02&to=2026-01-01":        http.StatusBadRequest,
		"/jobs?before=abc":                           http.StatusBadRequest,
		"/jobs?definition=a/b":                       http.StatusBadRequest,
		"/jobs?text=" + strings.Repeat("a", 37):      http.StatusBadRequest,
		"/jobs?text=%zz":                             http.StatusBadRequest,
		"/workers?skip=-1":                           http.StatusBadRequest,
		"/workers?skip=99999999999999999999":         http.StatusBadRequest,
		"/locks?after=" + strings.Repeat("a", 5<<10): http.StatusBadRequest,
		"/jobs/x/act/cancel":                         http.StatusMethodNotAllowed,
		"/bulk":                                      http.StatusMethodNotAllowed,
	} {
		status, body := s.get(path)
		require.Equal(t, want, status, path)
		if !strings.HasPrefix(path, "/assets/") {
			require.Contains(t, body, "<h1>"+http.StatusText(want)+"</h1>", path)
		}
	}
	res, err := s.client.Post(s.root+"/jobs", "text/plain", nil)
	require.NoError(t, err)
	status, _ := s.read(res)
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
	res, err = s.client.Head(s.root + "/jobs")
	require.NoError(t, err)
	status, body := s.read(res)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, body)
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")})
	for _, path := range []string{"/", "/jobs", "/nothing", "/assets/x/js/main.js", "/live/locks/x"} {
		res, err := s.client.Get(s.root + path)
		require.NoError(t, err)
		_, _ = s.read(res)
		csp := res.Header.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", path)
		require.NotContains(t, csp, "unsafe", path)
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", res.Header.Get("X-Frame-Options"), path)
		require.Equal(t, "same-origin", res.Header.Get("Referrer-Policy"), path)
	}
}

func TestTheRootWithoutItsSlashRedirectsUnderAnyPrefix(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")})
	res, err := s.client.Get(s.root + "?x=1")
	require.NoError(t, err)
	status, _ := s.read(res)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "/a/b/", res.Request.URL.Path)
}

func TestWithoutAuthorizeTheDashboardIsReadOnly(t *testing.T) {
	job := holding("hold")
	s := newSite(t, nil, []mn.Definition{job})
	id, err := job.On(s.app).Start(t.Context(), 1)
	require.NoError(t, err)
	for _, path := range []string{"/jobs/" + string(id) + "/act/cancel", "/bulk", "/bulk/x/stop"} {
		status, body, _ := s.post(path, url.Values{"token": {""}, "verb": {"cancel"}})
		require.Equal(t, http.StatusForbidden, status, path)
		require.Contains(t, body, "read-only")
	}
	_, body := s.get("/jobs/" + string(id))
	require.NotContains(t, body, "formaction")
	info, err := job.On(s.app).Get(t.Context(), id)
	require.NoError(t, err)
	require.False(t, info.Status.Terminal())
}

func TestActionsNeedOriginTokenAndAuthorization(t *testing.T) {
	job := holding("hold")
	var asked []dashboard.Action
	denied := errors.New("only on weekdays")
	deny := false
	s := newSite(t, nil, []mn.Definition{job}, dashboard.Authorize(func(_ *http.Request, a dashboard.Action) error {
		asked = append(asked, a)
		if deny {
			return denied
		}
		return nil
	}))
	id, err := job.On(s.app).Start(t.Context(), 1)
	require.NoError(t, err)
	path := "/jobs/" + string(id) + "/act/cancel"
	refused := func(want int, words string, form url.Values, change ...func(*http.Request)) {
		t.Helper()
		status, body, _ := s.post(path, form, change...)
		require.Equal(t, want, status)
		require.Contains(t, body, words)
		require.Empty(t, asked, "the authorizer is asked last")
	}
	refused(http.StatusForbidden, "another site", nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	refused(http.StatusForbidden, "another site", nil, func(r *http.Request) {
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", "https://evil.example")
	})
	refused(http.StatusForbidden, "token", url.Values{"token": {"guess"}})
	refused(http.StatusForbidden, "token", url.Values{"token": {""}})
	refused(http.StatusRequestEntityTooLarge, "larger than", url.Values{"big": {strings.Repeat("x", 1<<20)}})

	deny = true
	status, body, _ := s.post(path, nil)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, body, denied.Error())
	require.Equal(t, []dashboard.Action{{Verb: dashboard.Cancel, Job: id}}, asked)

	deny = false
	status, _, res := s.post(path, nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "/a/b/jobs/"+string(id), res.Request.URL.Path, "back to the run")
	_, err = job.On(s.app).Wait(t.Context(), id)
	require.ErrorIs(t, err, mn.ErrJobCancelled)
}

func TestRetryAndRemove(t *testing.T) {
	job := mn.NewJob("quick", func(_ context.Context, n int, yield func(int) bool) error { yield(n); return nil })
	s := newSite(t, nil, []mn.Definition{job}, dashboard.Authorize(allow))
	id, err := job.On(s.app).Start(t.Context(), 7)
	require.NoError(t, err)
	_, err = job.On(s.app).Wait(t.Context(), id)
	require.NoError(t, err)
	status, _, res := s.post("/jobs/"+string(id)+"/act/retry", nil)
	require.Equal(t, http.StatusOK, status)
	again := mn.JobID(strings.TrimPrefix(res.Request.URL.Path, "/a/b/jobs/"))
	require.NotEqual(t, id, again)
	got, err := job.On(s.app).Wait(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, 7, got)
	status, _, _ = s.post("/jobs/"+string(id)+"/act/remove", nil)
	require.Equal(t, http.StatusOK, status)
	status, _ = s.get("/jobs/" + string(id))
	require.Equal(t, http.StatusNotFound, status)
	for path, want := range map[string]int{
		"/jobs/" + unknown + "/act/cancel":          http.StatusNotFound,
		"/jobs/" + unknown + "/act/remove":          http.StatusNotFound,
		"/jobs/" + string(again) + "/act/celebrate": http.StatusNotFound,
	} {
		status, _, _ = s.post(path, nil)
		require.Equal(t, want, status, path)
	}
	held := holding("hold")
	other := newSite(t, nil, []mn.Definition{held}, dashboard.Authorize(allow))
	live, err := held.On(other.app).Start(t.Context(), 1)
	require.NoError(t, err)
	status, body, _ := other.post("/jobs/"+string(live)+"/act/retry", nil)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, body, "has not ended")
}
