package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/cmd/mn/internal/cli"
)

func TestUIServesTheDashboardToWhoHasTheKey(t *testing.T) {
	r := newRig(t)
	id := r.start("parts", "1")
	r.until(id, mn.Succeeded)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(ctx, []string{"ui", "--json"}, cli.Streams{In: strings.NewReader(""), Out: write, Err: io.Discard, Environ: r.environ})
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	var told struct{ URL string }
	require.NoError(t, json.Unmarshal([]byte(line), &told))

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func(c *http.Client, url, host string) (int, string) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		if host != "" {
			request.Host = host
		}
		answer, err := c.Do(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	stranger, friend := &http.Client{Transport: transport}, &http.Client{Transport: transport, Jar: jar}
	base, _, _ := strings.Cut(told.URL, "?")
	status, _ := get(stranger, base, "")
	require.Equal(t, http.StatusForbidden, status)
	status, _ = get(stranger, base+"?key=wrong", "")
	require.Equal(t, http.StatusForbidden, status)
	status, body := get(friend, told.URL, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "shop")
	status, _ = get(friend, base, "evil.example")
	require.Equal(t, http.StatusMisdirectedRequest, status, "another site's name does not lead here")
	cancel()
	require.Zero(t, <-ended)

	a := r.run("ui", "--listen", "0.0.0.0:80")
	require.Equal(t, cli.ExitUsage, a.code)
	require.Contains(t, a.err, "this machine alone")
}
