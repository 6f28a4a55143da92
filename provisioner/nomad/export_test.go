package nomad

import "net/http"

// Through returns the configuration with another way to the cluster than the network.
func Through(c Config, t http.RoundTripper) Config {
	c.transport = t
	return c
}
