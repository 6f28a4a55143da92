package nomad

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/multinode/mn/provisioner"
)

func TestTLSIsUsedAndItsFaultsAreTold(t *testing.T) {
	c := newCluster(t)
	secure := httptest.NewUnstartedServer(c.Config.Handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	one := map[string]provisioner.Resources{"pool": {}}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})

	right, _ := c.open(t, func(cfg *Config) { cfg.Address, cfg.TLS = secure.URL, &api.TLSConfig{CACertPEM: ca} })
	require.NoError(t, right.Deploy(t.Context(), one))
	for name, address := range map[string]string{
		"unknown authority": secure.URL,
		"no TLS here":       "http" + strings.TrimPrefix(secure.URL, "https"),
		"no TLS there":      "https" + strings.TrimPrefix(c.URL, "http"),
	} {
		wrong, _ := c.open(t, func(cfg *Config) { cfg.Address = address })
		require.ErrorContains(t, wrong.Deploy(t.Context(), one), "check Config.TLS or NOMAD_CACERT", name)
	}
	require.Equal(t, 1, view(c, func() int { return c.requests[http.MethodPut+" /v1/jobs"] }))
}
