package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// stopBound is how long Serve waits for requests under way when it ends.
const stopBound = 5 * time.Second

// Listen opens a TCP address for [Dashboard.Serve]. Without a host, as in ":8080", it is
// 127.0.0.1, so that nobody shows a dashboard to the network by accident: say 0.0.0.0 to do so.
func Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dashboard: address %q: use host:port, or :port for this machine alone: %w", addr, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	return l, nil
}

// Serve serves the dashboard alone at the root of l until ctx is done; then it closes the
// dashboard and l, and leaves no goroutine. It returns nil, or why l failed. On a loopback
// address it only answers requests that name this machine as their host: a page from
// elsewhere whose name leads here (DNS rebinding) gets nothing.
func (d *Dashboard) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second}
	if isLoopback(l.Addr().String()) {
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isLoopback(r.Host) {
				http.Error(w, "this dashboard is for its own machine: ask for localhost", http.StatusMisdirectedRequest)
				return
			}
			d.ServeHTTP(w, r)
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	_ = d.Close()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
	defer cancel()
	if server.Shutdown(bounded) != nil {
		_ = server.Close()
	}
	if err == nil {
		err = <-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("dashboard: %w", err)
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
