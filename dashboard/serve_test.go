package dashboard_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/multinode/mn"
	"github.com/multinode/mn/dashboard"
)

func TestServeIsForThisMachineAndEndsWithItsContext(t *testing.T) {
	s := newSite(t, nil, []mn.Definition{holding("hold")})
	l, err := dashboard.Listen(":0")
	require.NoError(t, err)
	require.Contains(t, l.Addr().String(), "127.0.0.1:")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.ui.Serve(ctx, l) }()
	s.root = "http://" + l.Addr().String()
	status, body := s.get("/")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "Overview")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.root+"/", http.NoBody)
	require.NoError(t, err)
	req.Host = "rebound.example"
	res, err := s.client.Do(req)
	require.NoError(t, err)
	status, _ = s.read(res)
	require.Equal(t, http.StatusMisdirectedRequest, status)

	e := s.watch(t.Context(), "/")
	e.until(t, "part")
	cancel()
	require.NoError(t, <-ended)
	for range e.ch { // until it is closed
	}
	_, err = http.Get(s.root)
	require.Error(t, err)
}

func TestListenSaysWhatAnAddressIs(t *testing.T) {
	_, err := dashboard.Listen("8080")
	require.ErrorContains(t, err, "use host:port")
}
