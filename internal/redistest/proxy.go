package redistest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy stands between clients and a server, and breaks their connections in the ways of
// networks. Clients reach it with Dial.
type Proxy struct {
	t        testing.TB
	server   *toxiproxy.ApiServer
	upstream string

	mu  sync.Mutex
	now *toxiproxy.Proxy // takes new connections
}

// NewProxy starts a proxy before the server at an address. It ends with the test.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, upstream: upstream, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	p.renew()
	return p
}

func (p *Proxy) renew() {
	p.t.Helper()
	fresh := toxiproxy.NewProxy(p.server, "redis", "127.0.0.1:0", p.upstream)
	if err := fresh.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(fresh.Stop)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = fresh
}

func (p *Proxy) current() *toxiproxy.Proxy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Dial connects to the server through the proxy, whatever the address: it is a dialer for
// a client's options.
func (p *Proxy) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, p.current().Listen)
}

// HalfOpen makes all connections there are silent in both directions for ever, without
// closing them, as when a router forgets them. New ones work.
func (p *Proxy) HalfOpen() {
	p.t.Helper()
	old := p.current()
	p.renew()
	for _, direction := range []string{"upstream", "downstream"} {
		p.spoil(old, direction, 0)
	}
}

// LoseReplies makes what the server says get lost, and closes each connection that has
// been silent for some milliseconds, until Heal.
func (p *Proxy) LoseReplies(milliseconds int) {
	p.t.Helper()
	p.spoil(p.current(), "downstream", milliseconds)
}

// Heal ends LoseReplies. The connections there are break.
func (p *Proxy) Heal() { p.current().Toxics.ResetToxics(context.Background()) }

func (p *Proxy) spoil(proxy *toxiproxy.Proxy, direction string, milliseconds int) {
	p.t.Helper()
	toxic := fmt.Sprintf(`{"type":"timeout","stream":%q,"attributes":{"timeout":%d}}`, direction, milliseconds)
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		p.t.Fatal(err)
	}
}
