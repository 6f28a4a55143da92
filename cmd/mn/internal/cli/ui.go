package cli

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/multinode/mn/cmd/mn/internal/term"
	"github.com/multinode/mn/dashboard"
)

func (t *tool) uiCommand() *cobra.Command {
	var address string
	var write bool
	c := &cobra.Command{
		Use: "ui", Short: "Serve the dashboard on this machine", Args: exactly(),
		Long: `Serve the dashboard on this machine until Ctrl-C, and print its URL. Its key, which is new each time,
keeps out other users of the machine and pages of other sites. With --write runs can be cancelled, retried
and removed there. It serves loopback alone: for others, mount dashboard.Handler in a server that knows its
users.`,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !at.Addr().IsLoopback() {
				return usage("--listen %q must be an address of this machine alone, such as 127.0.0.1:8080", address)
			}
			return t.with(c.Context(), func(ctx context.Context, l *link) error { return t.serve(ctx, l, at, write) })
		},
	}
	c.Flags().StringVar(&address, "listen", "127.0.0.1:0", "loopback `ADDRESS`; port 0 is any that is free")
	c.Flags().BoolVar(&write, "write", false, "allow actions")
	return c
}

// serve serves the dashboard until ctx ends.
func (t *tool) serve(ctx context.Context, l *link, at netip.AddrPort, write bool) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
	if err != nil {
		return coded(ExitFailed, "%w: choose another --listen", err)
	}
	var options []dashboard.Option
	if write {
		options = append(options, dashboard.Authorize(func(*http.Request, dashboard.Action) error { return nil }))
	}
	d := dashboard.Handler(l.app, options...)
	g := &gate{next: d, key: rand.Text(), host: listener.Addr().String()}
	server := &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	url := "http://" + g.host + "/?key=" + g.key
	if t.json {
		err = t.line(struct {
			URL string `json:"url"`
		}{url})
	} else {
		t.printf("%s\n%s\n", url, term.Faint("Ctrl-C ends it"))
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-ended:
		}
	}
	_ = d.Close()
	_ = server.Close()
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil // to end it is how it is meant to end
	}
	return err
}

// gate lets in who has the key, by the URL at first and then by a cookie.
type gate struct {
	next http.Handler
	key  string
	host string // by which alone it may be called, lest another site's name leads here
}

// ServeHTTP implements [http.Handler].
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != g.host {
		http.Error(w, "use the URL that mn ui has printed", http.StatusMisdirectedRequest)
		return
	}
	if g.is(r.URL.Query().Get("key")) {
		http.SetCookie(w, &http.Cookie{Name: g.cookie(), Value: g.key, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if c, err := r.Cookie(g.cookie()); err == nil && g.is(c.Value) {
		g.next.ServeHTTP(w, r)
		return
	}
	http.Error(w, "use the URL that mn ui has printed: it has a key", http.StatusForbidden)
}

// cookie names the port, because browsers give cookies to all ports of a host.
func (g *gate) cookie() string {
	_, port, _ := net.SplitHostPort(g.host)
	return "mn-ui-" + port
}

func (g *gate) is(key string) bool {
	return subtle.ConstantTimeCompare([]byte(key), []byte(g.key)) == 1
}
