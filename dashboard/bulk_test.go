package dashboard_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/dashboard"
)

// settled reads an operation's page until it says that it is over.
func settled(t *testing.T, s *site, path, words string) string {
	t.Helper()
	var body string
	require.Eventually(t, func() bool {
		_, body = s.get(path)
		return regexp.MustCompile(words).MatchString(body)
	}, 10*time.Second, 20*time.Millisecond, words)
	return body
}

func TestBulkCountsFirstAndThenActs(t *testing.T) {
	job, other := holding("hold"), holding("other")
	var asked []dashboard.Action
	s := newSite(t, nil, []mn.Definition{job, other}, dashboard.Authorize(func(_ *http.Request, a dashboard.Action) error {
		asked = append(asked, a)
		return nil
	}))
	for range 5 {
		_, err := job.On(s.app).Start(t.Context(), 1)
		require.NoError(t, err)
	}
	kept, err := other.On(s.app).Start(t.Context(), 1)
	require.NoError(t, err)
	form := url.Values{"verb": {"cancel"}, "dry": {"1"}, "definition": {"hold"}}
	status, _, res := s.post("/bulk", form)
	require.Equal(t, http.StatusOK, status)
	dry := res.Request.URL.Path[len("/a/b"):]
	body := settled(t, s, dry, `<strong>5</strong> would be cancelled[\s\S]*<strong>done</strong>`)
	require.Contains(t, body, "Cancel these 5 runs")
	require.True(t, asked[0].DryRun)
	require.Equal(t, "hold", asked[0].Bulk.Definition)
	runs, err := s.app.Inspect().Runs(t.Context(), mn.RunFilter{Statuses: []mn.Status{mn.Cancelling, mn.Cancelled}})
	require.NoError(t, err)
	require.Empty(t, runs.Runs, "a dry run does nothing")

	form.Del("dry")
	form.Set("total", "5")
	status, _, res = s.post("/bulk", form)
	require.Equal(t, http.StatusOK, status)
	settled(t, s, res.Request.URL.Path[len("/a/b"):], `<strong>5</strong> told to cancel of 5[\s\S]*<strong>done</strong>`)
	require.False(t, asked[1].DryRun)
	require.Eventually(t, func() bool {
		runs, err = s.app.Inspect().Runs(t.Context(), mn.RunFilter{Statuses: []mn.Status{mn.Cancelled}})
		return err == nil && len(runs.Runs) == 5
	}, 10*time.Second, 20*time.Millisecond)
	run, err := s.app.Inspect().Run(t.Context(), kept)
	require.NoError(t, err)
	require.False(t, run.Status.Terminal(), "the other definition's run goes on")
}

func TestBulkRefusesWhatItCannotRead(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")}, dashboard.Authorize(allow))
	for _, form := range []url.Values{{"verb": {"explode"}}, {"verb": {"cancel"}, "status": {"asleep"}}, {}} {
		status, _, _ := s.post("/bulk", form)
		require.Equal(t, http.StatusBadRequest, status)
	}
}
